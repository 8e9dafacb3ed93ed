from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dreamsmk.errors import SettingsError, TableError, TrainingError
from dreamsmk.tasks.training.reward_model import columns, score_metrics
from tests.tiny.encoders import make_tiny_classifier
from tests.unit.tasks.training.job import WORDS, Job, Recorder
from tests.unit.tasks.training.test_fine_tune import Stopped, stop_at

PAIRS = {"prompts": "question", "chosen": "good", "rejected": "bad"}
SCORES = {"prompts": "question", "completions": "answer", "scores": "score"}
NOISY: dict[str, Any] = {
    "epochs": 3,
    "batch_size": 4,
    "gradient_accumulation_steps": 2,
    "save_steps": 1,
    "lora": {"r": 4, "dropout": 0.2},
}


def make_pairs(count: int) -> pl.DataFrame:
    """Rows of which the better completion says `yes`."""
    questions = [" ".join(WORDS[(row * 5 + place) % len(WORDS)] for place in range(4)) for row in range(count)]
    margins = [row % 3 / 2 for row in range(count)]
    return pl.DataFrame({"question": questions, "margin": margins}).with_columns(
        good=pl.concat_str(pl.col("question").str.head(3), pl.lit(" all of the")),
        bad=pl.concat_str(pl.col("question").str.head(3), pl.lit(" not be so")),
    )


def make_scores(count: int) -> pl.DataFrame:
    """Rows that score 2 where they say so, else -1."""
    pairs = make_pairs(count)
    texts = [good if row % 2 else bad for row, (good, bad) in enumerate(pairs.select("good", "bad").rows())]
    scores = [2 if row % 2 else -1 for row in range(count)]
    return pl.DataFrame({"question": pairs["question"], "answer": texts, "score": scores})


@pytest.fixture
def job(tmp_path, tiny_model) -> Job:
    return job_of(tmp_path / "job", tiny_model)


def job_of(folder: Path, model: Path, kind: dict[str, str] = PAIRS, **spec: Any) -> Job:
    return Job(folder, model, rule="reward_model", given=dict(kind), spec=spec)


def rewards(folder: Path, model: Path, chats: list[tuple[str, str]]) -> list[float]:
    """What a reward model says of prompts and completions, loaded as anybody would."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from dreamsmk.tasks.training.frame.quiet import quiet_libraries

    with quiet_libraries():
        tokenizer = AutoTokenizer.from_pretrained(folder)
        if (folder / "adapter_config.json").exists():
            base = AutoModelForSequenceClassification.from_pretrained(model, num_labels=1)
            trained = PeftModel.from_pretrained(base, folder)
        else:
            trained = AutoModelForSequenceClassification.from_pretrained(folder)
    trained.eval()
    messages = [[{"role": "user", "content": p}, {"role": "assistant", "content": c}] for p, c in chats]
    with torch.inference_mode():
        return [
            trained(**tokenizer.apply_chat_template(each, return_dict=True, return_tensors="pt")).logits.item()
            for each in messages
        ]


@pytest.mark.parametrize("lora", [{"r": 8}, None], ids=["lora", "full"])
def test_it_learns_which_of_two_completions_is_better(job, tiny_model, lora):
    rows = make_pairs(24)
    facts = job.run(rows, make_pairs(6), epochs=6, lora=lora, learning_rate=1e-2 if lora else 1e-3)
    history = pl.read_parquet(job.output / "history.parquet")
    assert facts["objective"] == "pairs"
    assert facts["final_loss"] < 0.3 < facts["first_loss"]
    assert history["eval_accuracy"].drop_nulls()[-1] == 1.0
    assert history["margin"][-1] > 1.0
    good, bad = rewards(job.output, tiny_model, [("a b c d", "a b all of the"), ("a b c d", "a b not be so")])
    assert good > bad + 1.0


@pytest.mark.parametrize("lora", [{"r": 8}, None], ids=["lora", "full"])
def test_it_learns_scores(tmp_path, tiny_model, lora):
    job = job_of(tmp_path, tiny_model, SCORES)
    rows = make_scores(24)
    facts = job.run(rows, make_scores(6), epochs=10, lora=lora, learning_rate=1e-2 if lora else 1e-3)
    history = pl.read_parquet(job.output / "history.parquet")
    assert facts["objective"] == "scores"
    assert history["eval_mse"].drop_nulls()[-1] < 0.5
    assert history["eval_pearson"].drop_nulls()[-1] > 0.9
    assert history["eval_mse"].drop_nulls().to_list() == pytest.approx(history["eval_loss"].drop_nulls().to_list())
    high, low = rewards(job.output, tiny_model, [("a b c d", "a b all of the"), ("a b c d", "a b not be so")])
    assert (high, low) == (pytest.approx(2, abs=1.4), pytest.approx(-1, abs=1.4))


def test_parts_of_a_batch_add_up_to_the_batch(tmp_path, tiny_model):
    histories = []
    for parts in (1, 4):
        job = job_of(tmp_path / str(parts), tiny_model, SCORES)
        job.run(make_scores(16), max_steps=3, gradient_accumulation_steps=parts)
        histories.append(pl.read_parquet(job.output / "history.parquet")["loss"].to_list())
    assert histories[0] == pytest.approx(histories[1], rel=1e-3)


def test_a_margin_asks_for_a_greater_difference(tmp_path, tiny_model):
    plain, wide = job_of(tmp_path / "plain", tiny_model), job_of(tmp_path / "wide", tiny_model)
    rows = make_pairs(8).with_columns(margin=pl.lit(3))
    first = plain.run(rows, max_steps=1)["first_loss"]
    assert wide.run(rows, max_steps=1, margin="margin")["first_loss"] > first + 1


def test_the_middle_of_the_rewards_is_held_at_zero_where_that_is_asked(tmp_path, tiny_model):
    plain, held = job_of(tmp_path / "plain", tiny_model), job_of(tmp_path / "held", tiny_model)
    first = plain.run(make_pairs(8), max_steps=1)["first_loss"]
    assert held.run(make_pairs(8), max_steps=1, center_rewards_coefficient=1.0)["first_loss"] > first


def test_the_head_is_saved_with_the_adapter_and_nothing_else(job, tiny_model):
    from safetensors.torch import load_file

    job.run(make_pairs(6), max_steps=1)
    weights = load_file(job.output / "adapter_model.safetensors")
    others = {name: list(weight.shape) for name, weight in weights.items() if "lora_" not in name}
    assert others == {"base_model.model.score.weight": [1, 64]}
    assert json.loads(job.files()["adapter_config.json"])["task_type"] == "SEQ_CLS"


def test_an_adapter_with_its_head_is_gone_on_with(tmp_path, tiny_model):
    first = job_of(tmp_path / "first", tiny_model)
    first.run(make_pairs(24), epochs=6)
    second = job_of(tmp_path / "second", tiny_model, adapter=str(first.output))
    assert second.run(make_pairs(24), max_steps=1)["first_loss"] < 0.3


def test_a_whole_reward_model_is_gone_on_with(tmp_path, tiny_model):
    first = job_of(tmp_path / "first", tiny_model)
    first.run(make_pairs(24), epochs=6, lora=None, learning_rate=1e-3)
    second = job_of(tmp_path / "second", first.output)
    assert second.run(make_pairs(24), max_steps=1)["first_loss"] < 0.3


@pytest.mark.parametrize("kind", [PAIRS, SCORES], ids=["pairs", "scores"])
@pytest.mark.parametrize("lora", [NOISY["lora"], None], ids=["lora", "full"])
def test_a_run_that_was_stopped_ends_as_an_unbroken_one(tmp_path, tiny_model, kind, lora):
    rows, validation = (make_pairs(10), make_pairs(3)) if kind is PAIRS else (make_scores(10), make_scores(3))
    jobs = [job_of(tmp_path / name, tiny_model, kind) for name in ("whole", "broken", "again")]
    whole, broken, again = jobs
    whole.run(rows, validation, **NOISY | {"lora": lora})
    broken.progress = Recorder(at_step=stop_at(6))
    with pytest.raises(Stopped):
        broken.run(rows, validation, **NOISY | {"lora": lora})
    broken.progress = Recorder()
    broken.run(rows, validation, **NOISY | {"lora": lora})
    assert broken.progress.notes == ["going on from checkpoint-5"]
    assert broken.files() == whole.files()
    again.run(rows, validation, **NOISY | {"lora": lora, "seed": 43})
    assert again.files() != whole.files()


@pytest.mark.parametrize("kind", [PAIRS, SCORES], ids=["pairs", "scores"])
def test_the_libraries_say_nothing(tmp_path, tiny_model, capfd, kind):
    job = job_of(tmp_path, tiny_model, kind)
    job.run(make_pairs(8) if kind is PAIRS else make_scores(8), max_steps=3, save_steps=1)
    assert capfd.readouterr() == ("", "")


def test_a_model_with_another_kind_of_head_trains_too(tmp_path):
    encoder = make_tiny_classifier(tmp_path / "bert", labels=("only",), reads=64)
    job = job_of(tmp_path / "job", encoder, options={"chat": False})
    facts = job.run(make_pairs(8), max_steps=20, lora={"r": 8}, learning_rate=1e-2)
    assert facts["final_loss"] < 0.3 < facts["first_loss"]


def test_a_row_is_a_chat_or_a_text_that_ends_or_a_pair_as_the_model_reads_it(job, tiny_model, tmp_path):
    from transformers import AutoTokenizer

    from dreamsmk.tasks.training.reward_model import encode_table
    from dreamsmk.tasks.training.rows.prompts import RewardEncoder
    from tests.unit.tasks.training.golden.reward_model import parameters

    rows = pl.DataFrame({"question": ["the of"], "good": ["to be"], "bad": ["not"], "margin": [1]})
    path = job.folder / "rows.parquet"
    job.folder.mkdir()
    rows.write_parquet(path)
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    params = parameters(**PAIRS, margin="margin", instruction="Answer.")
    chat = encode_table(path, RewardEncoder(tokenizer, system_prompt="be kind"), params, 64).row(0, named=True)
    assert tokenizer.decode(chat["rejected_ids"]) == (
        "<|im_start|>system\nbe kind<|im_end|>\n<|im_start|>user\nInput: the of\n\nInstruction: Answer.<|im_end|>\n"
        "<|im_start|>assistant\nnot<|im_end|>\n"
    )
    assert chat["margin"] == 1.0
    plain = encode_table(path, RewardEncoder(tokenizer, is_chat=False), parameters(**PAIRS), 64).row(0, named=True)
    assert tokenizer.decode(plain["chosen_ids"]) == "the ofto be<|im_end|>"
    reader = AutoTokenizer.from_pretrained(make_tiny_classifier(tmp_path / "bert"))
    pair = encode_table(path, RewardEncoder(reader, is_chat=False), parameters(**PAIRS), 64).row(0, named=True)
    assert reader.decode(pair["chosen_ids"]) == "[CLS] the of [SEP] to be [SEP]"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "no column says what is better"),
        ({"chosen": "good"}, "rejected missing"),
        ({"scores": "score"}, "completions missing"),
        ({**PAIRS, "scores": "score"}, "both pairs and scores"),
        ({**SCORES, "margin": "margin"}, "margin is for pairs"),
    ],
)
def test_columns_that_are_neither_pairs_nor_scores_are_refused_before_anything_runs(given, message):
    named = dict.fromkeys(("chosen", "rejected", "margin", "completions", "scores", "center_rewards_coefficient"))
    with pytest.raises(SettingsError, match=message):
        columns({**named, **given}, {})


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        (make_pairs(4).head(0), TableError, "no rows to train on"),
        (make_pairs(4).with_columns(good=pl.lit(None, dtype=pl.String)), TableError, "'good' has 4 empty cells"),
        (make_pairs(4).drop("bad"), TableError, "'bad'"),
        (make_pairs(4).with_columns(margin=pl.lit("wide")), TableError, "String, not numbers"),
        (make_pairs(4).with_columns(margin=pl.Series([1.0, None, float("nan"), 0])), TableError, "rows 1, 2 "),
        (
            make_pairs(4).with_columns(good=pl.Series(["a", "the of " * 300, "a", "b"])),
            TrainingError,
            r"more than 512 tokens(.|\n)*row 1 ",
        ),
        (
            make_pairs(4).with_columns(question=pl.Series(["a", "b", "the of " * 300, "b"])),
            TrainingError,
            r"more than 512 tokens(.|\n)*row 2 ",
        ),
    ],
    ids=["empty", "null", "no column", "text for numbers", "no finite number", "long completion", "long prompt"],
)
def test_rows_that_cannot_be_learnt_from_are_named_before_the_first_step(job, rows, error, message):
    with pytest.raises(error, match=message):
        job.run(rows, max_steps=1, margin="margin")
    assert job.progress.steps == []


def test_longer_rows_are_cut_where_that_is_asked(job):
    rows = make_pairs(4).with_columns(good=pl.Series(["a", "the of " * 300, "a", "b"]))
    assert job.run(rows, max_steps=1, truncate=True, max_length=64)["steps"] == 1


def test_a_classifier_with_several_labels_is_no_reward_model(tmp_path):
    classifier = make_tiny_classifier(tmp_path / "bert")
    with pytest.raises(TrainingError, match="3 labels"):
        job_of(tmp_path / "job", classifier, options={"chat": False}).run(make_pairs(4))


def test_scores_that_are_all_alike_have_no_correlation():
    class Predicted:
        predictions, label_ids = [[1.0], [2.0]], [3.0, 3.0]

    assert score_metrics(Predicted()) == {"mse": 2.5}
