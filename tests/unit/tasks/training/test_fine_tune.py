from __future__ import annotations

import json
import shutil
import stat
from pathlib import Path

import polars as pl
import pytest

from dreamsmk.errors import SettingsError, TableError, TrainingError
from dreamsmk.settings import validate_params
from dreamsmk.smk.meta import load_meta
from dreamsmk.tasks.training.fine_tune import columns
from tests.unit.tasks.training.job import Job, Recorder, make_rows

PAIRS = {"inputs": "question", "outputs": "answer"}
# all that draws random numbers, more than one epoch, a last batch that is not full
NOISY = {
    "epochs": 3,
    "batch_size": 4,
    "gradient_accumulation_steps": 2,
    "save_steps": 1,
    "neftune_noise_alpha": 5.0,
    "lora": {"r": 4, "dropout": 0.2},
}


class Stopped(Exception):
    """The job was ended from outside."""


def stop_at(step: int):
    def act(done: int) -> None:
        if done == step:
            raise Stopped

    return act


def answer_of(folder: Path, model: Path | str, question: str) -> str:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from dreamsmk.tasks.training.frame.quiet import quiet_libraries

    with quiet_libraries():
        tokenizer = AutoTokenizer.from_pretrained(folder)
        if (folder / "adapter_config.json").exists():
            trained = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(model), folder)
        else:
            trained = AutoModelForCausalLM.from_pretrained(folder)
        chat = [{"role": "user", "content": question}]
        asked = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=True, return_tensors="pt")
        ids = trained.generate(**asked, max_new_tokens=20, do_sample=False)
    return tokenizer.decode(ids[0, asked["input_ids"].shape[1] :], skip_special_tokens=True).strip()


def test_an_adapter_learns_what_the_rows_say(job, tiny_model):
    rows = pl.DataFrame({"question": ["the", "of"] * 4, "answer": ["to be", "not he"] * 4})
    facts = job.run(rows, epochs=40, lora={"r": 16, "alpha": 32})
    assert facts["final_loss"] < 0.1 < facts["first_loss"]
    assert answer_of(job.output, tiny_model, "the") == "to be"
    assert answer_of(job.output, tiny_model, "of") == "not he"


def test_all_weights_learn_without_an_adapter(job, tiny_model):
    rows = pl.DataFrame({"question": ["the", "of"] * 4, "answer": ["to be", "not he"] * 4})
    facts = job.run(rows, epochs=30, lora=None, learning_rate=3e-3)
    assert facts["method"] == "full"
    assert facts["trainable_parameters"] == facts["total_parameters"]
    assert set(job.files()) == {
        "chat_template.jinja",
        "config.json",
        "generation_config.json",
        "history.parquet",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert answer_of(job.output, tiny_model, "of") == "not he"


def test_the_folder_holds_the_adapter_the_tokenizer_and_the_history_and_nothing_else(job, tiny_model):
    job.run(make_rows(6), max_steps=2)
    assert set(job.files()) == {
        "adapter_config.json",
        "adapter_model.safetensors",
        "chat_template.jinja",
        "history.parquet",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert {stat.S_IMODE(path.stat().st_mode) for path in job.output.iterdir()} == {0o644}
    assert json.loads(job.files()["tokenizer.json"]) == json.loads((tiny_model / "tokenizer.json").read_text())
    modules = json.loads(job.files()["adapter_config.json"])["target_modules"]
    assert modules == sorted(modules)


def test_the_base_model_is_named_as_the_user_wrote_it_and_no_path_of_the_machine_is_left(job, tiny_model, monkeypatch):
    monkeypatch.chdir(tiny_model.parent)
    Job(job.folder, tiny_model.name, spec={"revision": "main"}).run(make_rows(6), max_steps=1)
    config = json.loads(job.files()["adapter_config.json"])
    assert (config["base_model_name_or_path"], config["revision"]) == ("llama", "main")
    root = str(tiny_model.parents[2]).encode()
    assert not [name for name, content in job.files().items() if root in content]


def test_the_facts_say_what_was_trained_and_how_it_went(job, tiny_model):
    rows, validation = make_rows(10), make_rows(3)
    facts = job.run(rows, validation, epochs=2, batch_size=4, instruction="turn it around")
    history = pl.read_parquet(job.output / "history.parquet")
    assert facts["base_model"] == str(tiny_model)
    assert (facts["steps"], facts["epochs"], facts["train_rows"], facts["validation_rows"]) == (6, 2.0, 10, 3)
    assert facts["hyper_parameters"]["instruction"] == "turn it around"
    assert facts["hyper_parameters"]["lora"] == {
        "r": 8,
        "alpha": 16,
        "dropout": 0.0,
        "target_modules": "all-linear",
        "dora": False,
        "rslora": False,
        "modules_to_save": [],
    }
    assert [entry["step"] for entry in facts["eval_loss"]] == [0, 3, 6]
    assert facts["eval_loss"][-1]["eval_loss"] < facts["eval_loss"][0]["eval_loss"]
    assert history["step"].to_list() == [0, 1, 2, 3, 4, 5, 6]
    assert [step[2]["loss"] for step in job.progress.steps] == [round(loss, 4) for loss in history["loss"][1:]]
    assert (facts["first_loss"], facts["final_loss"]) == (history["loss"][1], history["loss"][6])
    assert facts["tokens"] == history["tokens"][-1] > 0
    assert facts["trainable_parameters"] < facts["total_parameters"]
    assert json.loads(json.dumps(facts)) == facts


def test_tokens_count_prompts_but_no_padding(job, tiny_model):
    from transformers import AutoTokenizer

    rows = pl.DataFrame({"question": ["the of", "the of and to in a is"], "answer": ["a", "that for it"]})
    facts = job.run(rows, epochs=1, batch_size=2)
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    chats = [
        [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        for question, answer in rows.rows()
    ]
    assert facts["tokens"] == sum(len(tokenizer.apply_chat_template(chat)["input_ids"]) for chat in chats)


def test_each_step_is_told_with_its_loss(job):
    job.run(make_rows(8), max_steps=3)
    assert [(done, total) for done, total, _ in job.progress.steps] == [(1, 3), (2, 3), (3, 3)]
    assert {name for _, _, facts in job.progress.steps for name in facts} == {"loss", "tokens_per_second"}


def test_the_libraries_say_nothing(job, capfd):
    job.run(make_rows(8), make_rows(2), max_steps=3)
    assert capfd.readouterr() == ("", "")


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(tmp_path, tiny_model):
    jobs = [Job(tmp_path / str(number), tiny_model) for number in range(3)]
    for job, seed in zip(jobs, [7, 7, 8], strict=True):
        job.run(make_rows(10), **NOISY, seed=seed)
    assert jobs[0].files() == jobs[1].files()
    assert jobs[0].files()["adapter_model.safetensors"] != jobs[2].files()["adapter_model.safetensors"]


@pytest.mark.parametrize("lora", [{"r": 4}, None], ids=["lora", "full"])
def test_sixteen_bits_train_too(job, lora):
    facts = job.run(make_rows(8), epochs=10, precision="bf16", lora=lora, learning_rate=3e-3)
    assert facts["final_loss"] < facts["first_loss"]
    weights = job.files()["adapter_model.safetensors" if lora else "model.safetensors"]
    assert (b'"BF16"' in weights[:50_000]) == (lora is None)


def test_gradient_checkpointing_changes_no_weight(tmp_path, tiny_model):
    jobs = [Job(tmp_path / str(number), tiny_model) for number in range(2)]
    for job, is_on in zip(jobs, [True, False], strict=True):
        job.run(make_rows(8), max_steps=3, gradient_checkpointing=is_on)
    assert jobs[0].files() == jobs[1].files()


@pytest.mark.parametrize("step", range(2, 10))
def test_a_run_that_was_stopped_ends_as_an_unbroken_one(tmp_path, tiny_model, unbroken, step):
    job = Job(tmp_path, tiny_model, progress=Recorder(at_step=stop_at(step)))
    with pytest.raises(Stopped):
        job.run(make_rows(10), make_rows(3), **NOISY)
    job.progress = Recorder()
    facts = job.run(make_rows(10), make_rows(3), **NOISY)
    assert job.progress.notes == [f"going on from checkpoint-{step - 1}"]
    assert [done for done, _, _ in job.progress.steps] == list(range(step, 10))
    assert facts["steps_before_resuming"] == step - 1
    assert job.files() == unbroken


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory, tiny_model) -> dict[str, bytes]:
    job = Job(tmp_path_factory.mktemp("unbroken"), tiny_model)
    job.run(make_rows(10), make_rows(3), **NOISY)
    return job.files()


def test_a_checkpoint_cut_short_is_not_gone_on_from(tmp_path, tiny_model, unbroken):
    job = Job(tmp_path, tiny_model, progress=Recorder(at_step=stop_at(5)))
    with pytest.raises(Stopped):
        job.run(make_rows(10), make_rows(3), **NOISY)
    (job.checkpoints / "checkpoint-4" / "trainer_state.json").unlink()
    job.progress = Recorder()
    job.run(make_rows(10), make_rows(3), **NOISY)
    assert job.progress.notes == ["going on from checkpoint-3"]
    assert job.files() == unbroken


def test_no_more_than_two_checkpoints_are_kept(job):
    job.run(make_rows(10), max_steps=6, batch_size=4, save_steps=1)
    assert sorted(path.name for path in job.checkpoints.glob("checkpoint-*")) == ["checkpoint-4", "checkpoint-5"]


def test_a_loss_that_is_no_number_ends_the_run_and_names_the_step(job):
    with pytest.raises(TrainingError, match=r"(loss|gradient) is (nan|inf) at step [1-9] of 9"):
        job.run(make_rows(8), max_steps=9, learning_rate=1e20)
    assert not job.output.exists()


def test_layers_that_the_model_does_not_have_are_refused_before_the_training(job):
    with pytest.raises(TrainingError, match=r"cannot start(.|\n)*nowhere"):
        job.run(make_rows(8), max_steps=1, lora={"target_modules": ["nowhere"]})


def test_a_row_beyond_the_context_of_the_model_is_refused(job):
    rows = make_rows(4).vstack(make_rows(1, words=700))
    with pytest.raises(TrainingError, match=r"more than 512 tokens(.|\n)*row 4 "):
        job.run(rows, max_length=4096)


def test_a_null_in_the_validation_table_is_found_before_the_training(job):
    validation = pl.DataFrame({"question": ["a", None], "answer": ["b", "c"]})
    with pytest.raises(TableError, match=r"validation\.parquet, row 1"):
        job.run(make_rows(4), validation)
    assert job.progress.steps == []


def test_the_instruction_may_be_a_file(job, tmp_path):
    rows = tmp_path / "rows.parquet"
    make_rows(4).write_parquet(rows)
    (tmp_path / "instruction.txt").write_text("turn it around\n")
    facts = job.run_files({"train": [rows], "instruction": [tmp_path / "instruction.txt"]}, {"max_steps": 1})
    assert facts["hyper_parameters"]["instruction"] == "turn it around"


def test_a_model_of_a_service_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="provider 'openai'"):
        Job(tmp_path, "gpt-5", spec={"provider": "openai"}).run(make_rows(4))


def test_a_base_model_without_chat_template_trains_with_chat_false(tmp_path, tiny_model):
    bare = tmp_path / "bare"
    shutil.copytree(tiny_model, bare)
    (bare / "chat_template.jinja").unlink()
    with pytest.raises(TrainingError, match="no chat template"):
        Job(tmp_path / "one", bare).run(make_rows(4), max_steps=1)
    assert Job(tmp_path / "two", bare, spec={"options": {"chat": False}}).run(make_rows(4), max_steps=1)["steps"] == 1


def test_the_output_is_a_folder_without_columns():
    params = validate_params(load_meta("fine_tune").params, {"model": "m", **PAIRS}, where="test")
    assert columns(params, {"train": ["question", "answer"]}) == {"model": None}
