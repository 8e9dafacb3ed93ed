from __future__ import annotations

import json
import math

import polars as pl
import pytest

from dreamsmk.errors import TrainingError
from dreamsmk.providers import open_provider
from dreamsmk.settings import ModelSpec
from dreamsmk.tasks.training.classifier import scores
from tests.tiny.asking import ask_local, local_request
from tests.unit.tasks.training.job import Job, Recorder
from tests.unit.tasks.training.test_fine_tune import Stopped, stop_at

WORDS = ["the", "of", "and", "to", "in", "that", "for", "it"]
NOISY = {"epochs": 3, "batch_size": 4, "gradient_accumulation_steps": 2, "save_steps": 1}


def reviews(count: int, labels=("bad", "good")) -> pl.DataFrame:
    """Rows whose label stands in their first word."""
    picked = [row % len(labels) for row in range(count)]
    texts = [f"{WORDS[kind]} {WORDS[(row * 5) % 8]} {WORDS[(row * 3) % 7]}" for row, kind in enumerate(picked)]
    return pl.DataFrame({"text": texts, "label": [labels[kind] for kind in picked]})


@pytest.fixture
def job(tmp_path, tiny_model) -> Job:
    return make_job(tmp_path / "job", tiny_model)


def make_job(folder, model) -> Job:
    return Job(folder, model, rule="classifier", given={"texts": "text", "labels": "label"})


def predicted(spec: ModelSpec, texts) -> list[str]:
    provider = open_provider(spec)
    found = [
        response.text for response in ask_local(provider, *[local_request(spec, t, wanted="labels") for t in texts])
    ]
    provider.close()
    return found


@pytest.mark.parametrize("lora", [{"r": 8}, None], ids=["lora", "full"])
def test_texts_get_their_labels_and_a_provider_gives_them(job, tiny_model, lora):
    rows = reviews(24, ("bad", "fair", "good"))
    facts = job.run(rows, rows, epochs=12, lora=lora, learning_rate=1e-2)
    assert facts["labels"] == ["bad", "fair", "good"]
    history = pl.read_parquet(job.output / "history.parquet")
    assert history["eval_accuracy"].drop_nulls()[-1] == history["eval_f1_macro"].drop_nulls()[-1] == 1.0
    adapted = {"model": str(tiny_model), "adapter": str(job.output)} if lora else {"model": str(job.output)}
    assert plain_labels(job, lora) == 3
    spec = ModelSpec(provider="classifier", **adapted)
    assert predicted(spec, rows["text"].head(6)) == rows["label"].head(6).to_list()


def plain_labels(job: Job, lora: object) -> int:
    """How many labels the folder has for who loads it with transformers alone."""
    from transformers import AutoModelForSequenceClassification

    from dreamsmk.tasks.training.frame.quiet import quiet_libraries

    with quiet_libraries():
        count = {"num_labels": 3} if lora else {}
        model = AutoModelForSequenceClassification.from_pretrained(job.output, **count)
    return model.config.num_labels


def test_labels_may_be_numbers(job):
    job.run(reviews(8, (3, 10)), max_steps=1, lora=None)
    assert json.loads(job.files()["config.json"])["id2label"] == {"0": "3", "1": "10"}


def test_rows_may_have_several_labels_and_none(job):
    rows = pl.DataFrame({"text": ["the", "of", "the of", "and"] * 4, "label": [["a"], ["b"], ["a", "b"], []] * 4})
    facts = job.run(rows, rows, epochs=40, learning_rate=1e-2, lora=None)
    assert facts["final_loss"] < 0.1
    assert pl.read_parquet(job.output / "history.parquet")["eval_accuracy"].drop_nulls()[-1] == 1.0
    assert json.loads(job.files()["config.json"])["problem_type"] == "multi_label_classification"


def test_a_label_of_several_is_given_where_its_logit_is_above_zero():
    found = scores([[0.2, -3.0], [0.4, 0.3]], [[1, 0], [0, 1]], is_multi=True)
    assert found == {"accuracy": 0.5, "f1_macro": pytest.approx((2 / 3 + 1) / 2), "f1_micro": pytest.approx(0.8)}


def test_rare_labels_count_as_much_as_frequent_ones_where_that_is_asked(tmp_path, tiny_model):
    rows = pl.concat([reviews(2), reviews(12).filter(pl.col("label") == "bad")])
    plain, balanced = make_job(tmp_path / "plain", tiny_model), make_job(tmp_path / "balanced", tiny_model)
    losses = [
        job.run(rows, max_steps=1, batch_size=8, lora=None, class_weights=weights)["first_loss"]
        for job, weights in ((plain, None), (balanced, "balanced"))
    ]
    assert not math.isclose(*losses, rel_tol=1e-3)


@pytest.mark.parametrize("lora", [{"r": 4, "dropout": 0.2}, None], ids=["lora", "full"])
def test_a_run_that_was_stopped_ends_as_an_unbroken_one(tmp_path, tiny_model, lora):
    whole, stopped = make_job(tmp_path / "whole", tiny_model), make_job(tmp_path / "stopped", tiny_model)
    whole.run(reviews(10), reviews(4), **NOISY, lora=lora)
    stopped.progress = Recorder(at_step=stop_at(5))
    with pytest.raises(Stopped):
        stopped.run(reviews(10), reviews(4), **NOISY, lora=lora)
    stopped.progress = Recorder()
    facts = stopped.run(reviews(10), reviews(4), **NOISY, lora=lora)
    assert facts["steps_before_resuming"] == 4
    assert stopped.files() == whole.files()


def test_a_text_beyond_the_length_is_told_or_cut(job):
    rows = pl.concat([reviews(3), pl.DataFrame({"text": ["the of and " * 9], "label": ["good"]})])
    with pytest.raises(TrainingError, match=r"more than 8 tokens(.|\n)*row 3 "):
        job.run(rows, max_steps=1, max_length=8)
    assert job.run(rows, max_steps=1, max_length=8, truncate=True)["steps"] == 1


def test_labels_of_validation_rows_are_checked_before_the_training(job):
    with pytest.raises(TrainingError, match=r"no row to learn from has: ugly(.|\n)*validation\.parquet, row 1 "):
        job.run(reviews(4), reviews(2, ("good", "ugly")))
    assert job.progress.steps == []


def test_a_model_without_a_way_to_classify_is_refused(tmp_path):
    from tests.tiny import make_tiny_t5

    folder = make_tiny_t5(tmp_path / "t5")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "rwkv"}))
    with pytest.raises(TrainingError):
        make_job(tmp_path / "job", folder).run(reviews(4), max_steps=1)


def test_the_libraries_say_nothing(job, capfd):
    job.run(reviews(4), reviews(2), max_steps=1)
    assert capfd.readouterr() == ("", "")
