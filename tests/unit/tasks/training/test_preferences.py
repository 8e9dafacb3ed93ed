"""What holds for `dpo`, `kto` and `orpo` alike."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dreamsmk.errors import SettingsError, TableError, TrainingError
from dreamsmk.tasks.training.reference import switch_off_dropout
from dreamsmk.tasks.training.rows.examples import Encoder
from dreamsmk.tasks.training.rows.preferences import encode_completions
from tests.tiny.model import make_tiny_adapter
from tests.tiny.seq2seq import make_tiny_t5
from tests.unit.tasks.training.job import Recorder
from tests.unit.tasks.training.preference_rows import PAIRS, RULES, history, job_of, log_probability, make_pairs
from tests.unit.tasks.training.test_fine_tune import Stopped, answer_of, stop_at

REPOSITORY = Path(__file__).parents[4]
# all that draws random numbers, more than one epoch, a last batch that is not full
NOISY: dict[str, Any] = {
    "epochs": 3,
    "batch_size": 4,
    "gradient_accumulation_steps": 2,
    "save_steps": 1,
    "lora": {"r": 4, "dropout": 0.2},
}
WHOLE: dict[str, Any] = {**NOISY, "lora": None, "learning_rate": 1e-3}
LONG = "the of " * 300


@pytest.fixture
def tokenizer(tiny_model):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_model)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("lora", [{"r": 16, "alpha": 32}, None], ids=["lora", "full"])
def test_a_model_learns_which_completion_is_better(tmp_path, tiny_model, rule, lora):
    job = job_of(tmp_path, tiny_model, rule)
    facts = job.run(make_pairs(16), make_pairs(4), epochs=12, lora=lora, learning_rate=1e-2 if lora else 1e-3)
    found = history(job)
    assert (facts["trainer"], facts["method"]) == (rule, "lora" if lora else "full")
    assert facts["final_loss"] < facts["first_loss"] / 2
    margins = found["eval_rewards/margins"].drop_nulls()
    assert margins[-1] > margins[0] + 0.2
    assert found["logps/chosen"].drop_nulls()[-1] > found["logps/rejected"].drop_nulls()[-1]
    if rule == "orpo":
        assert answer_of(job.output, tiny_model, "a f k p").startswith("all of ")


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    ("spec", "given"),
    [
        ({}, {}),
        ({}, {"system_prompt": "be kind", "instruction": "Answer.", "separator": " "}),
        ({"options": {"chat": False}}, {}),
    ],
    ids=["chat", "chat with all", "text"],
)
def test_what_is_trained_on_follows_the_very_tokens_that_the_model_is_asked_with(
    tmp_path, tiny_model, tokenizer, rule, spec, given
):
    rows = make_pairs(4)
    job = job_of(tmp_path, tiny_model, rule, **spec)
    job.run(rows, max_steps=1, batch_size=8, **given)
    found = history(job)
    for column, name in (("good", "logps/chosen"), ("bad", "logps/rejected")):
        sums = []
        for question, completion in rows.select("question", column).rows():
            asked, told = _asked(tokenizer, question, completion, given, is_chat=not spec)
            sums.append(log_probability(tiny_model, asked, told, is_mean=rule == "orpo"))
        assert found[name].drop_nulls()[0] == pytest.approx(sum(sums) / len(sums), rel=1e-4)


def _asked(tokenizer, question: str, completion: str, given: dict, *, is_chat: bool) -> tuple[list[int], list[int]]:
    if not is_chat:
        asked, told = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in (question, completion))
        return asked, [*told, tokenizer.eos_token_id]
    system = [{"role": "system", "content": given["system_prompt"]}] if given else []
    text = f"Input: {question} Instruction: Answer." if given else question
    chat = [*system, {"role": "user", "content": text}]
    asked = tokenizer.apply_chat_template(chat, add_generation_prompt=True)["input_ids"]
    return asked, tokenizer(f"{completion}<|im_end|>\n", add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("given", [NOISY, WHOLE], ids=["lora", "full"])
def test_a_run_that_was_stopped_ends_as_an_unbroken_one(tmp_path, tiny_model, rule, given):
    rows, validation = make_pairs(10), make_pairs(3)
    whole, broken, again = (job_of(tmp_path / name, tiny_model, rule) for name in ("whole", "broken", "again"))
    whole.run(rows, validation, **given)
    broken.progress = Recorder(at_step=stop_at(6))
    with pytest.raises(Stopped):
        broken.run(rows, validation, **given)
    broken.progress = Recorder()
    broken.run(rows, validation, **given)
    assert broken.progress.notes == ["going on from checkpoint-5"]
    assert broken.files() == whole.files()
    again.run(rows, validation, **given | {"seed": 43})
    assert again.files() != whole.files()


@pytest.mark.parametrize("rule", RULES)
def test_an_adapter_that_is_there_is_trained_on_against_itself_as_it_was(tmp_path, tiny_model, rule):
    adapter = make_tiny_adapter(tmp_path / "adapter", tiny_model)
    whole, broken = (job_of(tmp_path / name, tiny_model, rule, adapter=str(adapter)) for name in ("whole", "broken"))
    facts = whole.run(make_pairs(10), make_pairs(3), **NOISY)
    if rule != "orpo":
        assert facts["reference"] == "the adapter before the training"
        assert history(whole)["eval_rewards/margins"][0] == pytest.approx(0, abs=1e-4)
    assert {path.name for path in whole.output.iterdir()} >= {"adapter_model.safetensors", "history.parquet"}
    assert [path for path in whole.output.iterdir() if path.is_dir()] == []
    assert json.loads(whole.files()["adapter_config.json"])["target_modules"] == ["q_proj", "v_proj"]
    assert whole.files()["adapter_model.safetensors"] != (adapter / "adapter_model.safetensors").read_bytes()
    # against the adapter of the checkpoint it would go on with other rewards
    broken.progress = Recorder(at_step=stop_at(6))
    with pytest.raises(Stopped):
        broken.run(make_pairs(10), make_pairs(3), **NOISY)
    broken.progress = Recorder()
    broken.run(make_pairs(10), make_pairs(3), **NOISY)
    assert broken.progress.notes == ["going on from checkpoint-5"]
    assert broken.files() == whole.files()


def test_a_killed_training_of_all_weights_ends_as_an_unbroken_one(tmp_path, tiny_model):
    params = {"max_steps": 10, "batch_size": 4, "save_steps": 2, "lora": None}
    job, whole = (job_of(tmp_path / name, tiny_model, "dpo") for name in ("killed", "whole"))
    whole.run(make_pairs(20), **params)
    process = start(job.folder, tiny_model, "dpo", params)
    deadline = time.monotonic() + 120
    while not (job.checkpoints / "checkpoint-4" / "trainer_state.json").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert job.run(make_pairs(20), **params)["steps_before_resuming"] >= 2
    assert job.files() == whole.files()


@pytest.mark.parametrize("rule", RULES)
def test_nothing_is_said_and_nothing_is_left_in_the_home_folder(tmp_path, tiny_model, monkeypatch, rule):
    home = tmp_path / "home"
    home.mkdir()
    for name in [name for name in os.environ if name.startswith(("HF_", "XDG_", "TRANSFORMERS_", "TRL_", "TQDM_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    given: dict[str, Any] = {"max_steps": 2, "save_steps": 1}
    if rule != "orpo":
        given |= {"lora": None, "precompute_ref_log_probs": True}
    process = start(tmp_path / "job", tiny_model, rule, given)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out, err) == (0, "", "")
    assert [path for path in home.rglob("*") if path.is_file()] == []


def start(folder: Path, model: Path, rule: str, params: dict) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.unit.tasks.training.preference_rows", str(folder), str(model), rule]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([*command, json.dumps(params)], cwd=REPOSITORY, env=one_thread, **pipes)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("lora", [{"r": 4}, None], ids=["lora", "full"])
def test_sixteen_bits_train_too(tmp_path, tiny_model, rule, lora):
    job = job_of(tmp_path, tiny_model, rule)
    facts = job.run(make_pairs(8), epochs=10, precision="bf16", lora=lora, learning_rate=3e-3)
    assert facts["final_loss"] < facts["first_loss"]


def test_the_best_validation_is_kept_where_that_is_asked(tmp_path, tiny_model):
    adapter = make_tiny_adapter(tmp_path / "adapter", tiny_model)
    job = job_of(tmp_path / "job", tiny_model, "dpo", adapter=str(adapter))
    # what is good for validation is bad in training
    validation = make_pairs(4).select("question", "liked", good="bad", bad="good")
    facts = job.run(make_pairs(8), validation, epochs=3, keep="best")
    assert facts["kept_step"] == 1
    # of the three checkpoints' adapters it is the first's, and its reference is no part of it
    assert [path for path in job.output.iterdir() if path.is_dir()] == []


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        (make_pairs(4).head(0), TableError, "no rows to train on"),
        (make_pairs(4).with_columns(good=pl.lit(None, dtype=pl.String)), TableError, "'good' has 4 empty cells"),
        (make_pairs(4).with_columns(bad=pl.Series(["a", " \n", "", "b"])), TableError, r"'bad'(.|\n)*rows 1, 2 "),
        (make_pairs(4).with_columns(bad="good"), TableError, r"4 rows have the same text in 'good' and in 'bad'"),
        (make_pairs(4).drop("bad"), TableError, "'bad'"),
        (make_pairs(4).with_columns(bad=pl.Series([[1]] * 4)), TableError, "not text"),
        (
            make_pairs(4).with_columns(bad=pl.Series(["a", LONG, "a", "b"])),
            TrainingError,
            r"more than 512 tokens(.|\n)*row [1-3] ",
        ),
        (
            make_pairs(4).with_columns(question=pl.Series(["a", "b", LONG, "b"])),
            TrainingError,
            r"more than 512 tokens(.|\n)*row",
        ),
    ],
    ids=["empty", "null", "nothing in it", "the same", "no column", "lists", "long completion", "long prompt"],
)
def test_rows_that_cannot_be_learnt_from_are_named_before_the_first_step(
    tmp_path, tiny_model, rule, changed, error, message
):
    job = job_of(tmp_path, tiny_model, rule)
    with pytest.raises(error, match=message):
        job.run(changed, max_steps=1)
    with pytest.raises(error, match=message):
        job.run(make_pairs(4), changed, max_steps=1)
    assert job.progress.steps == []


def test_cut_rows_keep_their_prompts_and_end_where_they_are_cut(tokenizer):
    encoder = Encoder(tokenizer, is_chat=False)
    whole = encode_completions(["the of"], {"one": [LONG]}, encoder, max_length=999, truncate=False, where="here")
    cut = encode_completions(["the of"], {"one": [LONG]}, encoder, max_length=20, truncate=True, where="here")
    prompt, ids = cut.row(0)
    assert prompt == tokenizer("the of")["input_ids"]
    assert len(prompt) + len(ids) == 20
    assert ids == whole["one_ids"][0][: len(ids)].to_list()


@pytest.mark.parametrize(
    ("prompts", "one", "other", "message"),
    [
        (["a", LONG], ["b", "b"], ["c", "c"], r"no token of a completion(.|\n)*row 1 "),
        (["a", "b"], ["c", LONG + "c"], ["d", LONG + "d"], r"the same(.|\n)*row 1 "),
    ],
    ids=["nothing left", "the same left"],
)
def test_rows_that_cutting_leaves_nothing_of_are_named(tokenizer, prompts, one, other, message):
    completions = {"chosen": one, "rejected": other}
    with pytest.raises(TrainingError, match=message):
        encode_completions(prompts, completions, Encoder(tokenizer), max_length=100, truncate=True, where="here")


def test_a_prompt_that_its_completion_changes_ends_where_the_two_part(tokenizer):
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m['content'] + '|' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ 'think' }}{% endif %}"
    )
    found = encode_completions(
        ["the"], {"chosen": ["to"], "rejected": ["be"]}, Encoder(tokenizer), max_length=50, truncate=False, where="here"
    )
    texts = {name: tokenizer.decode(ids) for name, ids in found.row(0, named=True).items()}
    assert texts == {"prompt_ids": "the|", "chosen_ids": "to|", "rejected_ids": "be|"}


@pytest.mark.parametrize("rule", RULES)
def test_a_model_that_is_no_causal_one_is_refused(tmp_path, rule):
    model = make_tiny_t5(tmp_path / "t5")
    with pytest.raises(TrainingError, match="no causal language model"):
        job_of(tmp_path / "job", model, rule, options={"chat": False}).run(make_pairs(4))


@pytest.mark.parametrize("rule", RULES)
def test_a_loss_that_is_no_number_ends_the_run_and_names_the_step(tmp_path, tiny_model, rule):
    job = job_of(tmp_path, tiny_model, rule)
    with pytest.raises(TrainingError, match=r"(loss|gradient) is (nan|inf) at step [1-9] of 9"):
        job.run(make_pairs(8), max_steps=9, learning_rate=1e20)
    assert not job.output.exists()


@pytest.mark.parametrize("rule", RULES)
def test_a_model_of_a_service_is_refused(tmp_path, rule):
    with pytest.raises(SettingsError, match="provider 'openai'"):
        job_of(tmp_path, Path("gpt-5"), rule, provider="openai").run(make_pairs(4))


def test_the_dropout_of_an_adapter_stays_where_that_of_the_model_is_switched_off():
    from torch.nn import Dropout, ModuleDict

    layers = ModuleDict({"dropout": Dropout(0.1), "lora_dropout": ModuleDict({"default": Dropout(0.2)})})
    switch_off_dropout(layers)
    assert (layers["dropout"].p, layers["lora_dropout"]["default"].p) == (0.0, 0.2)


@pytest.mark.parametrize("rule", RULES)
def test_the_dropout_that_an_adapter_is_given_is_felt(tmp_path, tiny_model, rule):
    jobs = [job_of(tmp_path / str(dropout), tiny_model, rule) for dropout in (0.0, 0.5)]
    for job, dropout in zip(jobs, (0.0, 0.5), strict=True):
        job.run(make_pairs(8), max_steps=3, lora={"dropout": dropout})
    assert history(jobs[0])["loss"].to_list() != history(jobs[1])["loss"].to_list()


@pytest.mark.parametrize("rule", ["dpo", "kto"])
def test_log_probabilities_computed_beforehand_are_those_of_the_reference(tmp_path, tiny_model, rule):
    adapter = make_tiny_adapter(tmp_path / "adapter", tiny_model)
    for name, spec, lora in (("lora", {}, {}), ("full", {}, None), ("adapter", {"adapter": str(adapter)}, {})):
        losses = []
        for is_before in (False, True):
            job = job_of(tmp_path / f"{name} {is_before}", tiny_model, rule, **spec)
            given = {"lora": lora, "learning_rate": 1e-3, "precompute_ref_log_probs": is_before}
            job.run(make_pairs(10), make_pairs(3), epochs=2, batch_size=4, **given)
            losses.append(history(job).select("loss", "eval_loss", "rewards/margins").drop_nulls("loss"))
        assert [row[0] for row in losses[0].rows()] == pytest.approx([row[0] for row in losses[1].rows()], abs=1e-5)
        assert losses[0]["rewards/margins"][-1] == pytest.approx(losses[1]["rewards/margins"][-1], abs=1e-3)


@pytest.mark.parametrize("rule", ["dpo", "kto"])
def test_two_processes_compute_log_probabilities_beforehand_as_one_does(tmp_path, tiny_model, rule):
    one, two = (job_of(tmp_path / name, tiny_model, rule) for name in ("one", "two"))
    given = {"max_steps": 3, "batch_size": 4, "lora": None, "learning_rate": 1e-3, "precompute_ref_log_probs": True}
    given |= {} if rule == "dpo" else {"loss_type": "apo_zero_unpaired"}
    one.run(make_pairs(12), make_pairs(4), **given)
    two.run(make_pairs(12), make_pairs(4), **given, processes=2)
    assert history(two)["loss"].to_list() == pytest.approx(history(one)["loss"].to_list(), abs=1e-4)


@pytest.mark.parametrize("rule", RULES)
def test_two_processes_learn_against_the_same_adapter_as_one(tmp_path, tiny_model, rule):
    adapter = make_tiny_adapter(tmp_path / "adapter", tiny_model)
    one, two = (job_of(tmp_path / name, tiny_model, rule, adapter=str(adapter)) for name in ("one", "two"))
    given = {"max_steps": 3, "batch_size": 4, "learning_rate": 1e-3}
    one.run(make_pairs(12), **given)
    two.run(make_pairs(12), **given, processes=2)
    # orpo takes the mean over tokens in each process, and then that over processes
    close = {"rel": 1e-2} if rule == "orpo" else {"abs": 1e-4}
    assert history(two)["loss"].to_list() == pytest.approx(history(one)["loss"].to_list(), **close)
    assert set(one.files()) == set(two.files())


def test_the_columns_of_the_rows_are_no_hyper_parameters(tmp_path, tiny_model):
    facts = job_of(tmp_path, tiny_model, "dpo").run(make_pairs(4), max_steps=1, beta=0.3)
    assert facts["hyper_parameters"]["beta"] == 0.3
    assert not set(PAIRS) & set(facts["hyper_parameters"])
