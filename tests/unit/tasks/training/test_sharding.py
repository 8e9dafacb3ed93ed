"""Trainings whose weights are shared out among processes, and trainings of several processes that go on."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

from dreamsmk.tasks.training.frame import launch
from tests.unit.tasks.training import sharded_worker
from tests.unit.tasks.training.job import Job, Recorder, make_rows
from tests.unit.tasks.training.test_devices import losses, weights

REPOSITORY = Path(__file__).parents[4]
KINDS = pytest.mark.parametrize("lora", [{"r": 4, "dropout": 0.0}, None], ids=["lora", "full"])


@pytest.fixture
def on_cpus(monkeypatch):
    """Returns what takes so many CPUs for GPUs that weights can be shared out among; two to begin with."""

    def count(cpus):
        monkeypatch.setattr(launch, "gpu_count", lambda: cpus)

    count(2)
    monkeypatch.setattr(launch, "workers", SimpleNamespace(__name__=sharded_worker.__name__))
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    return count


class Stopped(Exception):
    pass


def stop_at(step):
    def at_step(done):
        if done >= step:
            raise Stopped

    return at_step


@KINDS
def test_shared_out_weights_learn_what_whole_ones_learn(tmp_path, tiny_model, lora, on_cpus):
    # nothing of the validation is learnt, so that the weights of an earlier step are gone back to
    given = {"epochs": 6, "batch_size": 4, "lora": lora, "keep": "best", "learning_rate": 2e-2}
    whole, shared = Job(tmp_path / "whole", tiny_model), Job(tmp_path / "shared", tiny_model)
    on_cpus(1)
    validation = pl.DataFrame({"question": ["?!"] * 4, "answer": ["0 #5 9%4 @7"] * 4})
    whole.run(make_rows(8), validation, **given)
    on_cpus(2)
    facts = shared.run(make_rows(8), validation, **given, sharding="fsdp")
    assert facts["processes"] == 2
    assert facts["kept_step"] < 12
    assert losses(shared) == pytest.approx(losses(whole), abs=1e-4)
    assert set(shared.files()) == set(whole.files())
    found = weights(shared)
    assert all((found[name] - tensor).abs().max() < 1e-4 for name, tensor in weights(whole).items())


def test_weights_that_are_the_same_in_two_places_are_left_once(tmp_path, tiny_model, on_cpus):
    from transformers import AutoConfig, AutoModelForCausalLM

    tied = tmp_path / "tied"
    shutil.copytree(tiny_model, tied)
    config = AutoConfig.from_pretrained(tied)
    config.tie_word_embeddings = True
    AutoModelForCausalLM.from_config(config).save_pretrained(tied)
    whole, shared = Job(tmp_path / "whole", tied), Job(tmp_path / "shared", tied)
    on_cpus(1)
    whole.run(make_rows(8), max_steps=2, batch_size=4, lora=None)
    on_cpus(2)
    shared.run(make_rows(8), max_steps=2, batch_size=4, lora=None, sharding="fsdp")
    expected, found = weights(whole), weights(shared)
    assert found.keys() == expected.keys()
    assert "lm_head.weight" not in found
    assert all((found[name] - tensor).abs().max() < 1e-4 for name, tensor in expected.items())


@pytest.mark.parametrize(
    ("sharding", "lora"),
    [("ddp", {"r": 4, "dropout": 0.2}), ("fsdp", {"r": 4, "dropout": 0.2}), ("fsdp", None)],
    ids=["ddp-lora", "fsdp-lora", "fsdp-full"],
)
def test_a_stopped_training_of_two_processes_ends_as_an_unbroken_one(tmp_path, tiny_model, lora, sharding, on_cpus):
    given = {"max_steps": 12, "batch_size": 4, "lora": lora, "sharding": sharding, "save_steps": 2}
    unbroken = Job(tmp_path / "unbroken", tiny_model)
    unbroken.run(make_rows(12), **given)

    job = Job(tmp_path / "job", tiny_model, progress=Recorder(at_step=stop_at(5)))
    with pytest.raises(Stopped):
        job.run(make_rows(12), **given)
    job.progress = Recorder()
    facts = job.run(make_rows(12), **given)
    assert 2 <= facts["steps_before_resuming"] < 12
    assert losses(job) == losses(unbroken)
    expected = weights(unbroken)
    assert all(tensor.equal(expected[name]) for name, tensor in weights(job).items())


def test_a_training_goes_on_with_fewer_processes(tmp_path, tiny_model, on_cpus):
    given = {"max_steps": 12, "batch_size": 4, "lora": None, "save_steps": 2}
    job = Job(tmp_path / "job", tiny_model, progress=Recorder(at_step=stop_at(5)))
    with pytest.raises(Stopped):
        job.run(make_rows(12), **given)
    on_cpus(1)
    job.progress = Recorder()
    facts = job.run(make_rows(12), **given)
    assert 2 <= facts["steps_before_resuming"] < 12
    assert pl.read_parquet(job.output / "history.parquet")["loss"].drop_nulls().len() == 12
