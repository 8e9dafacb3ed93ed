from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dreamsmk.errors import SettingsError, TableError, TrainingError
from dreamsmk.settings import ModelSpec, validate_params
from dreamsmk.smk.meta import load_meta
from dreamsmk.tasks.training.rlhf import columns
from tests.tiny import make_tiny_adapter, make_tiny_model
from tests.tiny.encoders import make_tiny_classifier
from tests.unit.tasks.training.job import WORDS, Job, Recorder
from tests.unit.tasks.training.test_fine_tune import Stopped, stop_at
from tests.unit.tasks.training.test_reward_model import PAIRS, make_pairs, rewards

FUNCTIONS = """
import random

def hits(prompts, completions):
    return [sum(word.startswith(("t", "h")) for word in text.split()) / 4 for text in completions]

def short(prompts, completions):
    return [-len(text) / 10 for text in completions]

def spaces(prompts, completions, weight, unit=1):
    return [text.count(" ") * each * unit for text, each in zip(completions, weight)]

def drawn(prompts, completions, **columns):
    assert not columns
    return [random.random() for _ in completions]

def noted(prompts, completions):
    with open("seen.txt", "a") as file:
        file.writelines(prompt + "\\n" for prompt in prompts)
    return [len(text) for text in completions]

def some(prompts, completions):
    return [None if prompt.startswith("a") else 1.0 for prompt in prompts]

def none(prompts, completions):
    return [None] * len(completions)

def few(prompts, completions):
    return [1.0]

def single(prompts, completions):
    return 1.0

def words(prompts, completions):
    return [float(len(text)) for text in completions[:-1]] + ["many"]

def nan(prompts, completions):
    return [float("nan")] * len(completions)

def broken(prompts, completions):
    return {}["weight"]

def odd(completions):
    return completions

def column(prompts, completions, wieght):
    return completions
"""
# all that draws random numbers, several epochs, prompts that fill no batch, steps that share what was written
NOISY: dict[str, Any] = {
    "epochs": 3,
    "batch_size": 8,
    "gradient_accumulation_steps": 2,
    "num_iterations": 2,
    "save_steps": 1,
    "reward_function": ["rewards.py:short", "rewards.py:drawn"],
}
DROPOUT = {"r": 4, "dropout": 0.2}


def make_prompts(count: int) -> pl.DataFrame:
    questions = [
        " ".join(WORDS[(row * 5 + place) % len(WORDS)] for place in range(row % 3 + 1)) for row in range(count)
    ]
    return pl.DataFrame({"question": questions, "weight": range(count)}, schema_overrides={"weight": pl.Float64})


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch) -> Path:
    """A project with functions of the user's."""
    (tmp_path / "rewards.py").write_text(FUNCTIONS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def job(tmp_path, tiny_model) -> Job:
    return job_of(tmp_path / "job", tiny_model)


def job_of(folder: Path, model: Path, **given: Any) -> Job:
    common = {"prompts": "question", "max_completion_length": 8, "reward_function": "rewards.py:short"}
    return Job(folder, model, rule="rlhf", given=common | given, tables=("samples",))


def samples_of(job: Job) -> pl.DataFrame:
    return pl.read_parquet(job.folder / "samples.parquet")


def everything(job: Job) -> dict[str, bytes]:
    return job.files() | {"samples": (job.folder / "samples.parquet").read_bytes()}


@pytest.mark.parametrize(
    ("algorithm", "lora", "rate"),
    [("grpo", {"r": 8}, 3e-2), ("rloo", None, 1e-2)],
    ids=["grpo with lora", "rloo without"],
)
def test_a_model_learns_to_write_what_is_rewarded(job, algorithm, lora, rate):
    given = {"algorithm": algorithm, "lora": lora, "learning_rate": rate, "lr_scheduler": "constant", "beta": 0.001}
    sizes = {"batch_size": 32, "num_generations": 8, "max_steps": 14}
    facts = job.run(make_prompts(8), make_prompts(3), **given, **sizes, reward_function="rewards.py:hits")
    history = pl.read_parquet(job.output / "history.parquet")
    assert history["reward"][-4:].mean() > history["reward"][1:5].mean() + 1
    assert history["eval_reward"].drop_nulls()[-1] > history["eval_reward"][0] + 1
    assert (facts["first_reward"], facts["final_reward"]) == (history["reward"][1], history["reward"][-1])
    assert (facts["algorithm"], facts["rewards"], facts["train_rows"], facts["validation_rows"]) == (
        algorithm,
        ["hits"],
        8,
        3,
    )
    assert history["kl"][1] == pytest.approx(0, abs=1e-4)
    assert history["completions/max_length"].max() <= 8
    assert facts["tokens"] == history["tokens"][-1] > 0


@pytest.mark.parametrize("algorithm", ["rloo", "grpo"])
@pytest.mark.parametrize("lora", [DROPOUT, None], ids=["lora", "full"])
def test_a_run_that_was_stopped_ends_as_an_unbroken_one(tmp_path, tiny_model, algorithm, lora):
    given = NOISY | {"algorithm": algorithm, "lora": lora, "learning_rate": 1e-3}
    whole = job_of(tmp_path / "whole", tiny_model)
    whole.run(make_prompts(5), make_prompts(2), **given)
    for stopped, resumed in ((6, 4), (12, 10)):
        job = job_of(tmp_path / f"stopped-{stopped}", tiny_model)
        job.progress = Recorder(at_step=stop_at(stopped))
        with pytest.raises(Stopped):
            job.run(make_prompts(5), make_prompts(2), **given)
        job.progress = Recorder()
        facts = job.run(make_prompts(5), make_prompts(2), **given)
        assert job.progress.notes == [f"going on from checkpoint-{resumed}"]
        assert facts["steps_before_resuming"] == resumed
        assert everything(job) == everything(whole)


def test_an_adapter_that_is_gone_on_with_can_be_stopped_too(tmp_path, tiny_model):
    adapter = make_tiny_adapter(tmp_path / "adapter", tiny_model)
    whole, stopped = job_of(tmp_path / "whole", tiny_model), job_of(tmp_path / "stopped", tiny_model)
    stopped.progress = Recorder(at_step=stop_at(3))
    for job in (whole, stopped):
        job.spec = {"adapter": str(adapter)}
    facts = whole.run(make_prompts(4), max_steps=4, save_steps=1)
    with pytest.raises(Stopped):
        stopped.run(make_prompts(4), max_steps=4, save_steps=1)
    stopped.progress = Recorder()
    stopped.run(make_prompts(4), max_steps=4, save_steps=1)
    assert everything(stopped) == everything(whole)
    # the reference is what it began with, and is no part of the result
    assert pl.read_parquet(whole.output / "history.parquet")["kl"][0] == pytest.approx(0, abs=1e-4)
    assert not [name for name in whole.files() if "ref" in name]
    assert facts["trainable_parameters"] == 4 * (64 + 64) * 2 + 4 * (64 + 32) * 2


def test_a_longer_training_goes_on_where_a_shorter_one_ended(tmp_path, tiny_model):
    given = {"lr_scheduler": "constant", "batch_size": 8}
    whole, grown = job_of(tmp_path / "whole", tiny_model), job_of(tmp_path / "grown", tiny_model)
    whole.run(make_prompts(5), make_prompts(2), **given, epochs=4)
    grown.run(make_prompts(5), make_prompts(2), **given, epochs=2)
    grown.run(make_prompts(5), make_prompts(2), **given, epochs=4)
    assert grown.progress.notes[-1] == "going on from checkpoint-4"
    assert everything(grown) == everything(whole)


def test_a_longer_training_begins_anew_where_the_function_has_changed(tmp_path, tiny_model, project):
    job = job_of(tmp_path / "job", tiny_model)
    job.run(make_prompts(4), lr_scheduler="constant", epochs=1)
    (project / "rewards.py").write_text(FUNCTIONS.replace("/ 10", "/ 20"))
    assert job.run(make_prompts(4), lr_scheduler="constant", epochs=2)["steps_before_resuming"] == 0


def test_the_best_weights_are_those_with_the_highest_reward_of_a_validation(job):
    facts = job.run(make_prompts(4), make_prompts(3), epochs=4, keep="best", reward_function="rewards.py:hits")
    rewards = pl.read_parquet(job.output / "history.parquet").drop_nulls("eval_reward").filter(pl.col("step") > 0)
    assert facts["kept_step"] == rewards.sort("eval_reward", "step", descending=[True, False])["step"][0]


def test_gradient_checkpointing_changes_no_weight_and_says_nothing(tmp_path, tiny_model, capfd):
    jobs = [job_of(tmp_path / str(number), tiny_model) for number in range(2)]
    for job, is_on in zip(jobs, [True, False], strict=True):
        job.run(make_prompts(4), max_steps=3, gradient_checkpointing=is_on)
    assert jobs[0].files() == jobs[1].files()
    assert capfd.readouterr() == ("", "")


def test_two_processes_write_on_each_prompt_once(job, project):
    given = {"epochs": 1, "batch_size": 8, "max_completion_length": 1, "reward_function": "rewards.py:noted"}
    facts = job.run(make_prompts(6), make_prompts(2), **given, processes=2)
    assert (facts["processes"], facts["steps"]) == (2, 3)
    # four of each in the training, and four of the first two in each of the two validations
    seen = (project / "seen.txt").read_text().splitlines()
    first = make_prompts(2)["question"].to_list()
    assert {prompt: seen.count(prompt) for prompt in set(seen)} == {
        prompt: 12 if prompt in first else 4 for prompt in make_prompts(6)["question"]
    }
    assert samples_of(job)["step"].to_list() == [1] * 4 + [3] * 4


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(tmp_path, tiny_model):
    jobs = [job_of(tmp_path / str(number), tiny_model) for number in range(3)]
    for job, seed in zip(jobs, [7, 7, 8], strict=True):
        job.run(make_prompts(4), **NOISY | {"epochs": 1}, seed=seed)
    assert everything(jobs[0]) == everything(jobs[1])
    assert samples_of(jobs[0])["completion"].to_list() != samples_of(jobs[2])["completion"].to_list()


def test_a_validation_changes_nothing_of_the_training(tmp_path, tiny_model):
    jobs = [job_of(tmp_path / str(number), tiny_model) for number in range(2)]
    jobs[0].run(make_prompts(4), **NOISY)
    jobs[1].run(make_prompts(4), make_prompts(2), **NOISY)
    assert jobs[0].files()["adapter_model.safetensors"] == jobs[1].files()["adapter_model.safetensors"]
    assert everything(jobs[0])["samples"] == everything(jobs[1])["samples"]


def test_each_epoch_has_an_order_of_its_own_and_writes_on_each_prompt_once(job, project):
    job.run(make_prompts(6), batch_size=8, epochs=2, reward_function="rewards.py:noted", max_completion_length=1)
    prompts = (project / "seen.txt").read_text().splitlines()[::4]
    assert sorted(prompts[:6]) == sorted(prompts[6:]) == sorted(make_prompts(6)["question"])
    assert prompts[:6] != prompts[6:]


def test_samples_show_what_was_written_first_and_last_and_what_it_was_worth(job):
    job.run(
        make_prompts(4),
        reward_function=["rewards.py:short", "rewards.py:spaces"],
        reward_weights={"short": 0.5},
        max_steps=3,
    )
    samples = samples_of(job)
    names = columns(params_of(job, reward_function=["rewards.py:short", "rewards.py:spaces"]), {})["samples"]
    assert samples.columns == names == ["step", "row", "prompt", "completion", "reward", "short", "spaces"]
    assert samples["step"].to_list() == [1] * 8 + [3] * 8
    assert samples["prompt"].to_list() == [make_prompts(4)["question"][row] for row in samples["row"]]
    for row, text, reward, short, spaces in samples.select(
        pl.col("row", "completion", "reward", "short", "spaces")
    ).rows():
        assert (short, spaces) == (pytest.approx(-len(text) / 10), text.count(" ") * row)
        assert reward == pytest.approx(0.5 * short + spaces)
    history = pl.read_parquet(job.output / "history.parquet")
    assert history["rewards/short/mean"][0] == pytest.approx(samples["short"][:8].mean())
    assert history["reward"][0] == pytest.approx(samples["reward"][:8].mean())


def params_of(job: Job, **given: Any) -> dict[str, Any]:
    return validate_params(load_meta("rlhf").params, {"model": "student", **job.given, **given}, where="rlhf")


@pytest.mark.parametrize("lora", [{"r": 8}, None], ids=["lora", "full"])
def test_a_reward_model_reads_prompts_and_completions_in_its_own_way(tmp_path, tiny_model, lora):
    other = make_tiny_model(tmp_path / "other", vocabulary=400)
    template = (other / "chat_template.jinja").read_text().replace("<|im_start|>", "<|endoftext|>")
    (other / "chat_template.jinja").write_text(template)
    judge = Job(tmp_path / "judge", other, rule="reward_model", given=dict(PAIRS))
    judge.run(make_pairs(12), epochs=4, lora=lora)
    where = {"model": str(other), "adapter": str(judge.output)} if lora else {"model": str(judge.output)}
    job = job_of(tmp_path / "job", tiny_model, reward_model="judge", reward_function=None)
    job.models = {"judge": ModelSpec(provider="transformers", batch_size=3, **where)}
    job.run(make_prompts(4), max_steps=2)
    samples = samples_of(job)
    told = rewards(judge.output, other, samples.select("prompt", "completion").rows())
    assert samples["reward"].to_list() == pytest.approx(told, abs=1e-4)
    assert len({round(reward, 4) for reward in told}) > 4


def test_the_probability_of_a_label_is_a_reward(tmp_path, tiny_model):
    from dreamsmk.providers.classifier_model import load_classifier
    from dreamsmk.providers.classifier_scores import label_scores

    spec = ModelSpec(provider="classifier", model=str(make_tiny_classifier(tmp_path / "bert", reads=32)))
    job = job_of(tmp_path / "job", tiny_model, task_model="mood", label="good", reward_function=None)
    job.models = {"mood": spec}
    job.run(make_prompts(4), max_steps=1)
    loaded, samples = load_classifier(spec), samples_of(job)
    probabilities = label_scores(loaded.logits(samples["completion"].to_list()), loaded.labels, "softmax")
    assert samples["reward"].to_list() == pytest.approx([each["good"] for each in probabilities], abs=1e-5)
    job.run(make_prompts(4), max_steps=1, task_input="conversation", separator=" ")
    both = [f"{prompt} {completion}" for prompt, completion in samples_of(job).select("prompt", "completion").rows()]
    told = [each["good"] for each in label_scores(loaded.logits(both), loaded.labels, "softmax")]
    assert samples_of(job)["reward"].to_list() == pytest.approx(told, abs=1e-5)


def test_a_label_that_there_is_not_is_told_with_the_nearest_one(tmp_path, tiny_model):
    job = job_of(tmp_path / "job", tiny_model, task_model="mood", label="god")
    job.models = {"mood": ModelSpec(provider="classifier", model=str(make_tiny_classifier(tmp_path / "bert")))}
    with pytest.raises(SettingsError, match=r"no label 'god'(.|\n)*'good'"):
        job.run(make_prompts(4))


def test_what_is_no_reward_model_is_refused(tmp_path, tiny_model):
    job = job_of(tmp_path / "job", tiny_model, reward_model="judge")
    job.models = {"judge": ModelSpec(provider="transformers", model=str(tiny_model))}
    with pytest.raises(TrainingError, match=r"lacks the weights(.|\n)*score(.|\n)*models\.judge(.|\n)*reward_model"):
        job.run(make_prompts(4))
    job.models = {"judge": ModelSpec(provider="transformers", model=str(make_tiny_classifier(tmp_path / "bert")))}
    with pytest.raises(TrainingError, match=r"classifier with 3 labels(.|\n)*task_model"):
        job.run(make_prompts(4))
    job.models = {"judge": ModelSpec(provider="transformers", model=str(tiny_model), adapter=str(tmp_path / "none"))}
    with pytest.raises(TrainingError, match="reward model 'judge' cannot be loaded"):
        job.run(make_prompts(4))


def test_a_function_may_say_nothing_of_some_completions(job):
    job.run(make_prompts(4), max_steps=2, reward_function=["rewards.py:some", "rewards.py:none"])
    samples = samples_of(job)
    assert samples["reward"].to_list() == [None if prompt.startswith("a") else 1.0 for prompt in samples["prompt"]]
    assert samples["none"].null_count() == samples.height


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("few", r"1 rewards for 8 completions(.|\n)*rewards\.py:few, .*train\.parquet, rows \d, \d "),
        ("single", r"returned 1\.0, no list(.|\n)*rewards\.py:single"),
        ("words", r"returned 'many', no finite number(.|\n)*rewards\.py:words, .*train\.parquet, row \d "),
        ("nan", r"returned nan, no finite number(.|\n)*rewards\.py:nan, .*train\.parquet, row \d "),
        ("broken", r"failed: KeyError: 'weight'(.|\n)*rewards\.py, line \d+, one of .*train\.parquet, rows \d, \d "),
    ],
)
def test_what_is_no_reward_is_told_with_the_function_and_the_row(job, function, message):
    with pytest.raises(TrainingError, match=message):
        job.run(make_prompts(4), max_steps=1, reward_function=f"rewards.py:{function}")
    assert not job.output.exists()


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        ("odd", SettingsError, "takes no prompts"),
        ("column", TableError, r"asks for 'wieght'(.|\n)*'weight'"),
        ("shrot", SettingsError, r"no function 'shrot'(.|\n)*'short'"),
    ],
)
def test_a_function_that_cannot_be_called_is_found_before_the_first_step(job, function, error, message):
    with pytest.raises(error, match=message):
        job.run(make_prompts(4), max_steps=1, reward_function=f"rewards.py:{function}")
    assert job.progress.steps == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"reward_function": None}, "nothing says what a completion is worth"),
        ({"reward_function": ["a.py:short", "b.py:short"]}, "two rewards are called 'short'"),
        ({"reward_weights": {"shrot": 1}}, r"no reward 'shrot'(.|\n)*'short'"),
        ({"label": "good"}, "task_model is missing"),
        ({"task_model": "mood"}, "label is missing"),
        ({"batch_size": 6, "num_generations": 4}, r"batch of 6 completions(.|\n)*groups of 4"),
    ],
)
def test_parameters_that_do_not_go_together_are_refused_before_anything_runs(job, given, message):
    with pytest.raises(SettingsError, match=message):
        columns(params_of(job, **given), {})


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        (make_prompts(4).head(0), TableError, "no rows to train on"),
        (make_prompts(1), TableError, r"learns from 2 prompts, and the table has 1(.|\n)*batch_size to 4"),
        (make_prompts(4).drop("question"), TableError, "'question'"),
        (make_prompts(2).with_columns(question=pl.Series(["a", None])), TableError, "row 1 "),
        (
            make_prompts(2).with_columns(question=pl.Series(["a", "the of " * 300])),
            TrainingError,
            r"1 prompts and 8 new tokens have more than 512 tokens(.|\n)*train\.parquet, row 1 ",
        ),
    ],
    ids=["empty", "too few", "no column", "null", "too long"],
)
def test_prompts_that_cannot_be_learnt_on_are_named_before_the_first_step(job, rows, error, message):
    with pytest.raises(error, match=message):
        job.run(rows, max_steps=1)
    assert job.progress.steps == []


def test_a_prompt_that_leaves_the_reward_model_no_room_is_named(tmp_path, tiny_model):
    narrow = make_tiny_model(tmp_path / "narrow", context=48)
    judge = Job(tmp_path / "judge", narrow, rule="reward_model", given=dict(PAIRS))
    judge.run(make_pairs(4), max_steps=1)
    job = job_of(tmp_path / "job", tiny_model, reward_model="judge", reward_function=None)
    job.models = {"judge": ModelSpec(provider="transformers", model=str(narrow), adapter=str(judge.output))}
    rows = make_prompts(2).with_columns(question=pl.Series(["a", "the of " * 20]))
    with pytest.raises(TrainingError, match=r"no room for a completion in the 48 tokens of 'judge'(.|\n)*row 1 "):
        job.run(rows, max_steps=1)
    job.run(make_prompts(2), max_steps=1, max_completion_length=64)
    assert job.progress.notes == ["the reward model reads 48 tokens: longer completions are cut at their ends"]


def test_a_base_model_is_asked_with_the_prompts_as_they_are(tmp_path, tiny_model):
    job = job_of(tmp_path / "job", tiny_model)
    job.spec = {"options": {"chat": False}}
    facts = job.run(make_prompts(4), max_steps=1, batch_size=8, instruction="Go on.")
    assert facts["hyper_parameters"]["instruction"] == "Go on."
    assert samples_of(job)["prompt"][0].endswith("\n\nInstruction: Go on.")
    rows = make_prompts(2).with_columns(question=pl.Series(["a", ""]))
    with pytest.raises(TableError, match=r"prompts without a token(.|\n)*row 1 "):
        job.run(rows, max_steps=1)


@pytest.mark.parametrize("algorithm", ["rloo", "grpo"])
def test_the_libraries_say_nothing(tmp_path, tiny_model, capfd, algorithm):
    job = job_of(tmp_path / "job", tiny_model, algorithm=algorithm, reward_function="rewards.py:none")
    job.spec = {"revision": "main"}
    job.run(make_prompts(4), make_prompts(2), max_steps=2, save_steps=1, lora=None)
    assert capfd.readouterr() == ("", "")
