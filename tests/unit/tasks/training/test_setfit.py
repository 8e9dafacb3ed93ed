from __future__ import annotations

import warnings

import numpy as np
import polars as pl
import pytest

from dreamsmk.errors import SettingsError, TableError, TrainingError
from tests.tiny.encoders import make_tiny_encoder
from tests.unit.tasks.training.encoding import SPEC, files, vectors
from tests.unit.tasks.training.job import Job, Recorder
from tests.unit.tasks.training.test_classifier import reviews
from tests.unit.tasks.training.test_fine_tune import Stopped, stop_at

NOISY = {"epochs": 2, "batch_size": 6, "gradient_accumulation_steps": 2, "save_steps": 1, "num_iterations": 1}
SEVERAL = pl.DataFrame({"text": ["the", "of", "the of", "and"] * 4, "label": [["a"], ["b"], ["a", "b"], []] * 4})


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return make_tiny_encoder(tmp_path_factory.mktemp("tiny") / "encoder")


@pytest.fixture
def job(tmp_path, encoder) -> Job:
    return make_job(tmp_path / "job", encoder)


def make_job(folder, encoder) -> Job:
    return Job(folder, encoder, spec=SPEC, rule="setfit", given={"texts": "text", "labels": "label"})


def loaded(job: Job):
    """The model as setfit loads it."""
    from dreamsmk.tasks.training.frame.quiet import quiet_libraries

    with quiet_libraries(), warnings.catch_warnings():
        # said by setfit and its dependency `evaluate` when they are imported
        warnings.simplefilter("ignore")
        from setfit import SetFitModel

        return SetFitModel.from_pretrained(str(job.output), device="cpu")


def safe_logits(job: Job, texts: list[str]) -> np.ndarray:
    """What `model_head.safetensors` makes of the vectors of the folder, without setfit and without a pickle."""
    from safetensors.numpy import load_file

    head = load_file(job.output / "model_head.safetensors")
    return vectors(job, texts, normalize=False) @ head["weight"].T + head["bias"]


@pytest.mark.parametrize("lora", [{"r": 8}, None], ids=["lora", "full"])
@pytest.mark.parametrize("labels", [("bad", "good"), (3, 10, 20)], ids=["texts", "numbers"])
def test_texts_get_their_labels_from_the_model_as_setfit_loads_it(job, encoder, lora, labels):
    rows = reviews(18, labels)
    facts = job.run(rows, rows, num_iterations=3, lora=lora)
    assert facts["labels"] == [str(label) for label in labels]
    assert facts["validation"]["accuracy"] == 1.0
    assert facts["eval_loss"][-1]["eval_loss"] < facts["eval_loss"][0]["eval_loss"]
    model, texts = loaded(job), rows["text"].to_list()
    assert list(model.predict(texts)) == rows["label"].to_list()
    shares = np.exp(safe_logits(job, texts))
    told = model.predict_proba(texts, as_numpy=True)
    assert told == pytest.approx(shares / shares.sum(axis=1, keepdims=True), abs=1e-5)
    right = told[range(len(texts)), [labels.index(label) for label in rows["label"]]]
    assert facts["validation"]["loss"] == pytest.approx(-np.log(right).mean(), rel=1e-4)
    assert set(files(job.output)) == set(files(encoder)) | {
        *("history.parquet", "config_setfit.json", "model_head.pkl", "model_head.safetensors")
    }


def test_rows_may_have_several_labels_and_none(job):
    facts = job.run(SEVERAL, SEVERAL, num_iterations=8, precision="bf16")
    assert facts["validation"]["accuracy"] == 1.0
    model, texts = loaded(job), SEVERAL["text"].head(4).to_list()
    assert model.predict(texts).tolist() == [[1, 0], [0, 1], [1, 1], [0, 0]]
    assert model.predict_proba(texts, as_numpy=True) == pytest.approx(
        1 / (1 + np.exp(-safe_logits(job, texts))), abs=2e-2
    )


@pytest.mark.parametrize("lora", [{"r": 4, "dropout": 0.2}, None], ids=["lora", "full"])
def test_a_run_that_was_stopped_ends_as_an_unbroken_one(tmp_path, encoder, lora):
    whole, stopped = make_job(tmp_path / "whole", encoder), make_job(tmp_path / "stopped", encoder)
    whole.run(reviews(10), reviews(4), **NOISY, lora=lora)
    stopped.progress = Recorder(at_step=stop_at(6))
    with pytest.raises(Stopped):
        stopped.run(reviews(10), reviews(4), **NOISY, lora=lora)
    stopped.progress = Recorder()
    facts = stopped.run(reviews(10), reviews(4), **NOISY, lora=lora)
    assert facts["steps_before_resuming"] == 5
    assert files(stopped.output) == files(whole.output)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path, encoder):
    jobs = [make_job(tmp_path / name, encoder) for name in ("a", "b", "c")]
    for job, seed in zip(jobs, (1, 1, 2), strict=True):
        job.run(reviews(8), max_steps=2, seed=seed)
    first, second, other = (files(job.output) for job in jobs)
    assert first == second
    assert first["model_head.pkl"] != other["model_head.pkl"]


def test_the_record_tells_rows_and_pairs(job):
    facts = job.run(reviews(6), max_steps=1, sampling_strategy="unique")
    assert (facts["train_rows"], facts["pairs"]) == (6, 21)


def test_a_text_beyond_the_length_is_told_or_cut(job):
    rows = pl.concat([reviews(3), pl.DataFrame({"text": ["the of and " * 9], "label": ["good"]})])
    with pytest.raises(TrainingError, match=r"more than 16 tokens(.|\n)*row 3 "):
        job.run(rows, max_steps=1)
    assert job.run(rows, max_steps=1, truncate=True)["steps"] == 1


def test_labels_that_cannot_be_learnt_are_told_before_the_training(job):
    with pytest.raises(TrainingError, match=r"no row to learn from has: ugly(.|\n)*validation\.parquet, row 1 "):
        job.run(reviews(4), reviews(2, ("good", "ugly")))
    with pytest.raises(TrainingError, match="nothing to tell apart"):
        job.run(reviews(4, ("good",)))
    with pytest.raises(TrainingError, match="all rows have the label 'a'"):
        job.run(pl.DataFrame({"text": ["the", "of"], "label": [["a"], ["a", "b"]]}))
    with pytest.raises(TrainingError, match="only one label"):
        job.run(pl.DataFrame({"text": ["the", "of"], "label": [["a"], []]}))
    with pytest.raises(TableError, match=r"'label' has empty cells(.|\n)*row 1 "):
        job.run(pl.DataFrame({"text": ["the", "of"], "label": ["a", None]}))
    with pytest.raises(TableError, match=r"'text' has 1 empty cells(.|\n)*row 1 "):
        job.run(pl.DataFrame({"text": ["the", None], "label": ["a", "b"]}))
    assert job.progress.steps == []


def test_tables_without_rows_are_refused(job):
    with pytest.raises(TrainingError, match="nothing to tell apart"):
        job.run(reviews(4).head(0))
    with pytest.raises(TableError, match="no rows"):
        job.run(reviews(4), reviews(4).head(0))


def test_a_language_model_is_refused(tmp_path, tiny_model):
    job = Job(tmp_path / "job", tiny_model, rule="setfit", given={"texts": "text", "labels": "label"})
    with pytest.raises(SettingsError, match="provider: sentence_transformers"):
        job.run(reviews(4), max_steps=1)


def test_the_libraries_say_nothing(job, capfd):
    job.run(reviews(4), reviews(2), max_steps=1)
    assert capfd.readouterr() == ("", "")
