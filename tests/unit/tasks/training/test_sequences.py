from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
import pytest
import torch

from dreamsmk.errors import SettingsError, TrainingError
from dreamsmk.tasks.training.frame.quiet import quiet_libraries
from dreamsmk.tasks.training.rows.examples import Encoder
from dreamsmk.tasks.training.rows.sequences import encode_sequences
from tests.tiny import make_tiny_t5
from tests.unit.tasks.training.job import Job, Recorder, make_rows
from tests.unit.tasks.training.test_fine_tune import Stopped, stop_at

BARE = {"options": {"chat": False}}
ROWS = pl.DataFrame({"question": ["the", "of"] * 4, "answer": ["to be", "not he"] * 4})
NOISY = {"epochs": 2, "batch_size": 4, "gradient_accumulation_steps": 2, "save_steps": 1, "neftune_noise_alpha": 5.0}


@pytest.fixture(scope="module")
def tiny_t5(tmp_path_factory) -> Path:
    """Without dropout, which draws other numbers for batches of another shape."""
    folder = make_tiny_t5(tmp_path_factory.mktemp("tiny") / "t5")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"dropout_rate": 0.0}))
    return folder


@pytest.fixture
def t5_job(tmp_path, tiny_t5) -> Job:
    return Job(tmp_path / "job", tiny_t5, spec=BARE)


@pytest.fixture(scope="module")
def tokenizer(tiny_t5):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_t5)


def answer_of(folder: Path, model: Path, question: str) -> str:
    from peft import PeftModel
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    with quiet_libraries():
        tokenizer = AutoTokenizer.from_pretrained(folder)
        if (folder / "adapter_config.json").exists():
            trained = PeftModel.from_pretrained(AutoModelForSeq2SeqLM.from_pretrained(model), folder)
        else:
            trained = AutoModelForSeq2SeqLM.from_pretrained(folder)
        ids = trained.generate(**tokenizer([question], return_tensors="pt"), max_new_tokens=10, do_sample=False)
    return tokenizer.decode(ids[0], skip_special_tokens=True).strip()


def test_an_adapter_learns_what_the_rows_say(t5_job, tiny_t5, capfd):
    facts = t5_job.run(ROWS, epochs=60, lora={"r": 16, "alpha": 32})
    assert facts["final_loss"] < 0.2 < facts["first_loss"]
    assert answer_of(t5_job.output, tiny_t5, "the") == "to be"
    assert answer_of(t5_job.output, tiny_t5, "of") == "not he"
    assert json.loads(t5_job.files()["adapter_config.json"])["task_type"] == "SEQ_2_SEQ_LM"
    assert capfd.readouterr() == ("", "")


def test_all_weights_learn_without_an_adapter(t5_job, tiny_t5):
    facts = t5_job.run(ROWS, epochs=40, lora=None, learning_rate=3e-3)
    assert facts["method"] == "full"
    assert set(t5_job.files()) == {
        "config.json",
        "generation_config.json",
        "history.parquet",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert answer_of(t5_job.output, tiny_t5, "of") == "not he"


def test_the_loss_does_not_depend_on_how_a_batch_is_split(tmp_path, tiny_t5):
    # answers of different lengths: a mean of means would weigh their tokens unlike
    rows = pl.DataFrame({"question": ["the", "of", "and", "to"], "answer": ["a", "the of and to in a is", "it", "b"]})
    facts = [
        Job(tmp_path / str(parts), tiny_t5, spec=BARE).run(
            rows, rows, max_steps=2, batch_size=4, gradient_accumulation_steps=parts
        )
        for parts in (1, 4)
    ]
    assert facts[1]["first_loss"] == pytest.approx(facts[0]["first_loss"], abs=1e-4)
    assert facts[1]["final_loss"] == pytest.approx(facts[0]["final_loss"], abs=1e-4)


def test_two_processes_learn_what_one_learns(tmp_path, tiny_t5):
    rows = pl.DataFrame({"question": ["the", "of", "and", "to"], "answer": ["a", "the of and to in a is", "it", "b"]})
    one, two = (Job(tmp_path / name, tiny_t5, spec=BARE) for name in ("one", "two"))
    for job, processes in ((one, 1), (two, 2)):
        job.run(rows, max_steps=3, batch_size=4, processes=processes)
    losses = [pl.read_parquet(job.output / "history.parquet")["loss"].to_list() for job in (one, two)]
    assert losses[1] == pytest.approx(losses[0], abs=1e-4)


def test_the_loss_is_the_likelihood_of_the_output_given_the_input(t5_job, tiny_t5, tokenizer):
    from transformers import AutoModelForSeq2SeqLM

    facts = t5_job.run(ROWS[:1], max_steps=1, batch_size=1)
    with quiet_libraries(), torch.no_grad():
        model = AutoModelForSeq2SeqLM.from_pretrained(tiny_t5).eval()
        asked = tokenizer(["the"], return_tensors="pt")
        expected = model(**asked, labels=tokenizer(["to be"], return_tensors="pt")["input_ids"]).loss
    assert facts["first_loss"] == pytest.approx(expected.item(), abs=1e-4)


@pytest.mark.parametrize("lora", [{"r": 4, "dropout": 0.2}, None], ids=["lora", "full"])
@pytest.mark.parametrize("step", [2, 4, 6])
def test_a_run_that_was_stopped_ends_as_an_unbroken_one(tmp_path, tiny_t5, lora, step):
    whole, broken = (Job(tmp_path / name, tiny_t5, spec=BARE) for name in ("whole", "broken"))
    given = {**NOISY, "lora": lora, "learning_rate": 1e-3}
    whole.run(make_rows(10), make_rows(3), **given)
    broken.progress = Recorder(at_step=stop_at(step))
    with pytest.raises(Stopped):
        broken.run(make_rows(10), make_rows(3), **given)
    broken.progress = Recorder()
    broken.run(make_rows(10), make_rows(3), **given)
    assert broken.progress.notes == [f"going on from checkpoint-{step - 1}"]
    assert broken.files() == whole.files()


def test_sixteen_bits_and_gradient_checkpointing_train_too(t5_job):
    facts = t5_job.run(ROWS, epochs=10, precision="bf16", gradient_checkpointing=True)
    assert facts["final_loss"] < facts["first_loss"]


def test_inputs_are_read_and_outputs_written_with_their_end(tokenizer):
    encoder = Encoder(tokenizer, is_chat=False)
    frame = encode_sequences(["the of"], ["and to"], encoder, lengths=(9, 9), truncate=False, where="t")
    assert tokenizer.decode(frame["input_ids"][0].to_list()) == "the of</s>"
    assert tokenizer.decode(frame["labels"][0].to_list()) == "and to</s>"


def test_inputs_and_outputs_have_each_their_length(tokenizer):
    encoder, rows = Encoder(tokenizer, is_chat=False), (["a", "the of " * 9], ["the of " * 9, "a"])
    with pytest.raises(TrainingError, match=r"1 prompts have more than 8 tokens(.|\n)*row 1 (.|\n)*max_length"):
        encode_sequences(*rows, encoder, lengths=(8, 64), truncate=False, where="t")
    with pytest.raises(TrainingError, match=r"1 outputs have more than 8 tokens(.|\n)*row 0 (.|\n)*max_output_length"):
        encode_sequences(*rows, encoder, lengths=(64, 8), truncate=False, where="t")
    frame = encode_sequences(*rows, encoder, lengths=(8, 6), truncate=True, where="t")
    assert frame["input_ids"].list.len().max() == 8
    assert frame["labels"].list.len().max() == 6
    # what the encoder reads is closed as it always is, an output that goes on is not
    assert frame["input_ids"][1][-1] == tokenizer.eos_token_id
    assert frame["labels"][0][-1] != tokenizer.eos_token_id


def test_the_length_of_outputs_is_a_parameter(t5_job):
    with pytest.raises(TrainingError, match="outputs have more than 3 tokens"):
        t5_job.run(make_rows(2), max_output_length=3, max_steps=1)


@pytest.mark.parametrize(
    ("given", "said"),
    [({"messages": "question"}, "answer one text with another"), ({"packing": True}, "cannot be packed")],
)
def test_what_there_is_for_language_models_alone_is_refused(tmp_path, tiny_t5, given, said):
    pairs = {"inputs": "question", "outputs": "answer"}
    job = Job(tmp_path, tiny_t5, spec=BARE, given=given if "messages" in given else pairs | given)
    with pytest.raises(SettingsError, match=said):
        job.run(make_rows(2), max_steps=1)


def test_weights_that_encoder_and_decoder_have_in_common_are_not_shared_out(t5_job, monkeypatch):
    monkeypatch.setattr("dreamsmk.tasks.training.frame.launch.gpu_count", lambda: 2)
    with pytest.raises(SettingsError, match="FSDP2 cannot share out"):
        t5_job.run(make_rows(4), batch_size=4, sharding="fsdp")


def test_a_model_that_is_neither_kind_is_refused(tmp_path, tiny_t5):
    folder = tmp_path / "encoder"
    shutil.copytree(tiny_t5, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"architectures": ["T5EncoderModel"]}))
    with pytest.raises(
        TrainingError, match="no causal language model or sequence-to-sequence model but T5EncoderModel"
    ):
        Job(tmp_path / "job", folder, spec=BARE).run(make_rows(2))
