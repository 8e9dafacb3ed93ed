from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
import torch

from dreamsmk.errors import SettingsError, TableError, TrainingError
from dreamsmk.settings import ModelSpec
from dreamsmk.tasks.training.distill import columns
from dreamsmk.tasks.training.frame.quiet import quiet_libraries
from tests.tiny import make_tiny_adapter, make_tiny_model
from tests.unit.tasks.training.job import Job, Recorder, make_rows
from tests.unit.tasks.training.test_fine_tune import Stopped, answer_of, stop_at

GIVEN = {"teacher": "teacher", "prompts": "question", "max_completion_length": 6, "batch_size": 4}
PAIRS = pl.DataFrame({"question": ["the", "of"] * 4, "answer": ["to be", "not he"] * 4})
# all that draws random numbers, more than one epoch, a batch that is left out, parts of batches
NOISY = {"epochs": 3, "gradient_accumulation_steps": 2, "save_steps": 1, "learning_rate": 1e-3}


@pytest.fixture(scope="module")
def teacher(tmp_path_factory, tiny_model) -> ModelSpec:
    """One that knows two answers."""
    job = Job(tmp_path_factory.mktemp("teacher"), tiny_model)
    job.run(PAIRS, epochs=40, lora={"r": 16, "alpha": 32})
    return ModelSpec(provider="transformers", model=str(tiny_model), adapter=str(job.output))


@pytest.fixture
def make_job(tmp_path, tiny_model, teacher):
    def make(name: str = "job", model: Path = tiny_model, **given) -> Job:
        found = given.pop("taught_by", teacher)
        return Job(tmp_path / name, model, rule="distill", given=GIVEN | given, models={"teacher": found})

    return make


def test_a_student_learns_from_outputs_to_answer_as_its_teacher(make_job, tiny_model, capfd):
    job = make_job(outputs="answer", on_policy=0, beta=0)
    facts = job.run(PAIRS, PAIRS[:2], epochs=30, lora={"r": 16, "alpha": 32})
    assert facts["final_loss"] < 0.1 * facts["first_loss"]
    assert answer_of(job.output, tiny_model, "the") == "to be"
    assert answer_of(job.output, tiny_model, "of") == "not he"
    assert capfd.readouterr() == ("", "")


def test_a_student_learns_from_what_it_writes_itself(make_job, tiny_model):
    job = make_job()
    rows = PAIRS.select("question")
    facts = job.run(rows, rows[:2], epochs=60, lora={"r": 16, "alpha": 32}, beta=0.5)
    assert facts["eval_loss"][-1]["eval_loss"] < 0.3 * facts["eval_loss"][0]["eval_loss"]
    assert (facts["on_policy"], facts["teacher"], facts["trainer"]) == (1.0, str(tiny_model), "distill")
    history = pl.read_parquet(job.output / "history.parquet")
    assert {"entropy", "completions/mean_length", "eval_entropy"} <= set(history.columns)
    assert facts["tokens"] == history["tokens"][-1] > 0


def test_all_weights_learn_without_an_adapter(make_job, tiny_model):
    job = make_job(outputs="answer", on_policy=0)
    facts = job.run(PAIRS, epochs=30, lora=None, learning_rate=3e-3)
    assert facts["method"] == "full"
    assert (job.output / "model.safetensors").exists()
    assert answer_of(job.output, tiny_model, "of") == "not he"


@pytest.mark.parametrize("beta", [0, 0.3, 1])
def test_the_loss_is_the_divergence_of_the_two_distributions(make_job, tmp_path, tiny_model, beta):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    other = make_tiny_model(tmp_path / "other", seed=3)
    spec = ModelSpec(provider="transformers", model=str(other))
    job = make_job(taught_by=spec, outputs="answer", on_policy=0, beta=beta, temperature=2.0)
    facts = job.run(PAIRS[:1], max_steps=1, batch_size=1)
    with quiet_libraries(), torch.no_grad():
        tokenizer = AutoTokenizer.from_pretrained(tiny_model)
        prompt = tokenizer("<|im_start|>user\nthe<|im_end|>\n<|im_start|>assistant\n")["input_ids"]
        output = tokenizer("to be<|im_end|>")["input_ids"]
        ids = torch.tensor([prompt + output])
        student, taught = (
            (AutoModelForCausalLM.from_pretrained(folder)(ids).logits[0, len(prompt) - 1 : -1] / 2).log_softmax(-1)
            for folder in (tiny_model, other)
        )
    if beta in (0, 1):
        first, second = (taught, student) if beta == 0 else (student, taught)
        expected = (first.exp() * (first - second)).sum(-1).mean()
    else:
        mixed = (beta * taught.exp() + (1 - beta) * student.exp()).log()
        parts = [(p.exp() * (p - mixed)).sum(-1).mean() for p in (taught, student)]
        expected = beta * parts[0] + (1 - beta) * parts[1]
    assert facts["first_loss"] == pytest.approx(expected.item(), abs=1e-4)


@pytest.mark.parametrize(("share", "bounds"), [(0, (0, 0)), (None, (0.3, 0.7)), (0.9, (0.75, 0.99)), (1, (1, 1))])
def test_so_many_rows_are_written_by_the_student(make_job, share, bounds):
    # of one token, where those of the table have more
    job = make_job(outputs="answer", max_completion_length=1, on_policy=share, temperature=0.7)
    rows = pl.DataFrame({"question": ["the"] * 40, "answer": ["to be"] * 40})
    job.run(rows, epochs=3, batch_size=8, learning_rate=1e-6)
    lengths = pl.read_parquet(job.output / "history.parquet")["completions/mean_length"]
    length = 3  # to, be, and the end of the turn
    assert bounds[0] <= (length - lengths.mean()) / (length - 1) <= bounds[1]


def test_each_epoch_has_an_order_of_its_own(make_job):
    # answers of so many different lengths, one a step
    rows = pl.DataFrame({"question": ["the"] * 8, "answer": ["a" * 3**row for row in range(5)] + ["b", "a b", "a b c"]})
    job = make_job(outputs="answer", on_policy=0, batch_size=1)
    job.run(rows, epochs=2)
    lengths = pl.read_parquet(job.output / "history.parquet")["completions/mean_length"].to_list()
    assert sorted(lengths[:8]) == sorted(lengths[8:])
    assert lengths[:8] != lengths[8:]


def test_two_processes_learn_what_one_learns(make_job):
    one, two = (make_job(name, outputs="answer", on_policy=0) for name in ("one", "two"))
    for job, processes in ((one, 1), (two, 2)):
        job.run(make_rows(12), make_rows(4), epochs=2, processes=processes)
    histories = [pl.read_parquet(job.output / "history.parquet") for job in (one, two)]
    for name in ("loss", "tokens", "completions/mean_length"):
        found, expected = (history[name].drop_nulls().to_list() for history in histories)
        assert found == pytest.approx(expected, abs=1e-4)
    assert len(histories[0]["loss"].drop_nulls()) == 6
    # what each process writes is its own, and they end as one
    own = make_job("own")
    assert own.run(make_rows(8), epochs=1, processes=2)["steps"] == 2


@pytest.mark.parametrize("lora", [{"r": 4, "dropout": 0.2}, None], ids=["lora", "full"])
@pytest.mark.parametrize("given", [{}, {"outputs": "answer"}], ids=["on-policy", "mixed"])
def test_a_run_that_was_stopped_ends_as_an_unbroken_one(make_job, lora, given):
    whole, rows, validation = make_job("whole", **given), make_rows(10), make_rows(3)
    whole.run(rows, validation, **NOISY, lora=lora)
    # in the first epoch, at its end, and in the last one
    for step in (2, 3, 6):
        broken = make_job(f"broken-{step}", **given)
        broken.progress = Recorder(at_step=stop_at(step))
        with pytest.raises(Stopped):
            broken.run(rows, validation, **NOISY, lora=lora)
        broken.progress = Recorder()
        facts = broken.run(rows, validation, **NOISY, lora=lora)
        assert broken.progress.notes == [f"going on from checkpoint-{step - 1}"]
        assert (facts["steps"], facts["steps_before_resuming"]) == (6, step - 1)
        assert broken.files() == whole.files()


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(make_job):
    jobs = [make_job(str(number), outputs="answer") for number in range(3)]
    for job, seed in zip(jobs, [7, 7, 8], strict=True):
        job.run(make_rows(9), **NOISY, seed=seed)
    assert jobs[0].files() == jobs[1].files()
    assert jobs[0].files()["adapter_model.safetensors"] != jobs[2].files()["adapter_model.safetensors"]


def test_a_validation_changes_nothing_of_the_training(make_job):
    alone, watched = make_job("alone"), make_job("watched")
    alone.run(make_rows(8), epochs=2)
    watched.run(make_rows(8), make_rows(3), epochs=2)
    assert alone.files()["adapter_model.safetensors"] == watched.files()["adapter_model.safetensors"]


def test_a_longer_training_goes_on_with_the_same_teacher_alone(make_job, tmp_path, tiny_model):
    other = ModelSpec(
        provider="transformers", model=str(tiny_model), adapter=str(make_tiny_adapter(tmp_path / "other", tiny_model))
    )
    given = {"outputs": "answer", "lr_scheduler": "constant"}
    short = make_job("job", **given)
    short.run(make_rows(8), epochs=1)
    results = []
    for name, taught_by in (("anew", other), ("on", short.models["teacher"])):
        whole, longer = make_job(f"whole-{name}", taught_by=taught_by, **given), make_job(taught_by=taught_by, **given)
        whole.run(make_rows(8), epochs=2)
        longer.folder, longer.progress = short.folder, Recorder()
        _forget(longer)
        longer.run(make_rows(8), epochs=2)
        assert longer.files() == whole.files()
        results.append(bool(longer.progress.notes))
    assert results == [False, True]


def _forget(job: Job) -> None:
    """Takes away what is kept under the fingerprint of the shorter training: the longer one has another."""
    import shutil

    shutil.rmtree(job.folder / "scratch")


def test_a_quantized_teacher_with_an_adapter_teaches_a_quantized_student(make_job, tiny_model, teacher):
    spec = ModelSpec(
        provider="transformers", model=str(tiny_model), adapter=teacher.adapter, quantization="torchao-int8"
    )
    job = make_job(taught_by=spec, outputs="answer", on_policy=0, beta=0)
    facts = job.run(PAIRS, epochs=30, lora={"r": 16, "alpha": 32}, quantization="torchao-int8")
    assert facts["final_loss"] < 0.2 * facts["first_loss"]


@pytest.mark.parametrize("given", [{"precision": "bf16"}, {"gradient_checkpointing": True}], ids=["bf16", "checkpoint"])
def test_sixteen_bits_and_gradient_checkpointing_train_too(make_job, given):
    facts = make_job(outputs="answer", on_policy=0, **given).run(PAIRS, epochs=10)
    assert facts["final_loss"] < facts["first_loss"]


def test_a_student_goes_on_with_its_adapter(make_job, tmp_path, tiny_model):
    job = make_job(outputs="answer")
    job.spec = {"adapter": str(make_tiny_adapter(tmp_path / "adapter", tiny_model))}
    facts = job.run(PAIRS, epochs=2)
    assert facts["base_adapter"] == job.spec["adapter"]
    assert (job.output / "adapter_config.json").exists()


def test_a_teacher_with_another_vocabulary_is_refused(make_job, tmp_path):
    other = make_tiny_model(tmp_path / "other", vocabulary=300)
    job = make_job(taught_by=ModelSpec(provider="transformers", model=str(other)))
    with pytest.raises(TrainingError, match=r"another vocabulary than 'student': \d+ tokens differ(.|\n)*fine_tune"):
        job.run(PAIRS)


def test_a_teacher_with_more_logits_is_refused(make_job, tmp_path, tiny_model):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with quiet_libraries():
        model = AutoModelForCausalLM.from_pretrained(tiny_model)
        model.resize_token_embeddings(model.config.vocab_size + 6, mean_resizing=False)
        model.save_pretrained(tmp_path / "padded")
        AutoTokenizer.from_pretrained(tiny_model).save_pretrained(tmp_path / "padded")
    job = make_job(taught_by=ModelSpec(provider="transformers", model=str(tmp_path / "padded")))
    with pytest.raises(TrainingError, match=r"\d+ logits, not \d+"):
        job.run(PAIRS)


def test_a_teacher_of_a_service_is_refused(make_job):
    job = make_job(taught_by=ModelSpec(provider="openai", model="gpt-5"))
    with pytest.raises(SettingsError, match=r"does not run here(.|\n)*models\.teacher(.|\n)*table of its replies"):
        job.run(PAIRS)


def test_without_outputs_the_student_writes_all(make_job):
    with pytest.raises(SettingsError, match="nothing to learn from but what the student writes"):
        columns({"outputs": None, "on_policy": 0.5}, {})
    with pytest.raises(SettingsError, match="nothing to learn from"):
        make_job(on_policy=0.5).run(PAIRS)
    assert columns({"outputs": None, "on_policy": 1}, {}) == {"model": None}


def test_faults_of_the_rows_are_found_before_the_first_step(make_job):
    long = pl.DataFrame({"question": ["a", "the of " * 40], "answer": ["b", None]})
    with pytest.raises(TrainingError, match=r"1 prompts have more than 58 tokens(.|\n)*row 1 "):
        make_job(max_length=64).run(long, batch_size=1)
    with pytest.raises(TableError, match="row 1"):
        make_job(outputs="answer").run(long, batch_size=1)
    long = pl.DataFrame({"question": ["a", "a"], "answer": ["b", "the of " * 40]})
    with pytest.raises(TrainingError, match=r"1 rows have more than 64 tokens(.|\n)*validation(.|\n)*row 1 "):
        make_job(max_length=64, outputs="answer").run(PAIRS, long)
    with pytest.raises(SettingsError, match="8 rows, and a batch 16"):
        make_job().run(PAIRS, batch_size=16)
