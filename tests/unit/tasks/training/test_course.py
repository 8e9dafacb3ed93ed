"""What all trainers do alike, shown on `fine_tune`: the best weights, early ends, longer trainings, trackers."""

from __future__ import annotations

import pytest

from dreamsmk.errors import SettingsError
from dreamsmk.tasks.training.frame.watch import Plan
from tests.unit.tasks.training.job import Job, Recorder, make_rows
from tests.unit.tasks.training.test_fine_tune import Stopped, stop_at

# rows that have nothing to do with those that are learnt: soon the model gets worse on them
OVERFITS = {
    "epochs": 12,
    "batch_size": 4,
    "lora": {"r": 4, "dropout": 0.1},
    "learning_rate": 2e-2,
    "lr_scheduler": "constant",
}
STEADY = {"batch_size": 4, "lr_scheduler": "constant_with_warmup", "warmup_steps": 2, "lora": {"r": 4, "dropout": 0.2}}


def unlike(count: int):
    rows = make_rows(count)
    return rows.with_columns(answer=rows["question"])


def test_the_best_weights_are_those_of_the_validation_with_the_lowest_loss(tmp_path, tiny_model):
    best, ended_there = Job(tmp_path / "best", tiny_model), Job(tmp_path / "there", tiny_model)
    facts = best.run(make_rows(8), unlike(4), **OVERFITS, keep="best")
    losses = {entry["step"]: entry["eval_loss"] for entry in facts["eval_loss"] if entry["step"]}
    assert facts["kept_step"] == min(losses, key=losses.__getitem__) < facts["steps"]
    ended_there.run(make_rows(8), unlike(4), **OVERFITS | {"epochs": facts["kept_step"] / 2})
    assert weights_of(best) == weights_of(ended_there)


def test_the_best_weights_are_the_same_after_a_stop(tmp_path, tiny_model):
    whole, stopped = Job(tmp_path / "whole", tiny_model), Job(tmp_path / "stopped", tiny_model)
    facts = whole.run(make_rows(8), unlike(4), **OVERFITS, keep="best", save_steps=1, save_total_limit=1)
    stopped.progress = Recorder(at_step=stop_at(facts["kept_step"] + 5))
    with pytest.raises(Stopped):
        stopped.run(make_rows(8), unlike(4), **OVERFITS, keep="best", save_steps=1, save_total_limit=1)
    stopped.progress = Recorder()
    stopped.run(make_rows(8), unlike(4), **OVERFITS, keep="best", save_steps=1, save_total_limit=1)
    assert stopped.files() == whole.files()


def test_patience_ends_a_training_that_no_longer_gets_better(job):
    facts = job.run(make_rows(8), unlike(4), **OVERFITS, early_stopping_patience=2)
    losses = [entry["eval_loss"] for entry in facts["eval_loss"] if entry["step"]]
    assert facts["steps"] < 24
    assert losses[-3] == min(losses)


@pytest.mark.parametrize("params", [{"keep": "best"}, {"early_stopping_patience": 1}], ids=["keep", "patience"])
def test_validations_cannot_be_compared_where_there_is_nothing_to_validate_on(job, params):
    with pytest.raises(SettingsError, match=rf"`{next(iter(params))}` compares validations(.|\n)*validation="):
        job.run(make_rows(8), max_steps=1, **params)


def test_a_validation_is_better_by_the_number_that_judges_it():
    log = [{"step": 0, "eval_loss": 0.1}, *({"step": s, "eval_loss": v} for s, v in [(1, 3.0), (2, 2.0), (3, 2.0)])]
    plan = Plan(validate_every=1, save_steps=None, patience=1)
    assert (plan.best_step(log), plan.is_patience_over(log), plan.is_patience_over(log[:3])) == (2, True, False)
    higher = Plan(validate_every=1, save_steps=None, is_higher_better=True)
    assert (higher.best_step(log), higher.is_patience_over(log)) == (1, False)
    assert plan.best_step(log[:1]) is None


@pytest.mark.parametrize("lora", [{"r": 4, "dropout": 0.2}, None], ids=["lora", "full"])
def test_epochs_that_are_raised_go_on_and_end_as_an_unbroken_training(tmp_path, tiny_model, lora):
    whole = Job(tmp_path / "whole", tiny_model)
    whole.run(make_rows(10), make_rows(3), **STEADY | {"lora": lora}, epochs=3)
    job = Job(tmp_path / "raised", tiny_model)
    job.run(make_rows(10), make_rows(3), **STEADY | {"lora": lora}, epochs=2)
    facts = again(job).run(make_rows(10), make_rows(3), **STEADY | {"lora": lora}, epochs=3)
    assert facts["steps_before_resuming"] == 6
    assert job.progress.notes == ["the shorter training ended at step 6: 3 more", "going on from checkpoint-6"]
    assert job.files() == whole.files()


def test_a_longer_training_begins_anew_where_the_schedule_depends_on_its_length_and_says_so(tmp_path, tiny_model):
    job = Job(tmp_path / "raised", tiny_model)
    job.run(make_rows(10), batch_size=4, epochs=2)
    longer = again(job)
    facts = longer.run(make_rows(10), batch_size=4, epochs=3)
    assert facts["steps_before_resuming"] == 0
    assert longer.progress.notes[0].startswith("training anew, not on from step 6")
    assert "lr_scheduler: linear" in longer.progress.notes[0]


@pytest.mark.parametrize("change", ["rows", "learning_rate", "seed"])
def test_nothing_goes_on_that_was_trained_otherwise(tmp_path, tiny_model, change):
    job = Job(tmp_path / "raised", tiny_model)
    job.run(make_rows(10), **STEADY, epochs=1)
    changed = {"learning_rate": {"learning_rate": 2e-2}, "seed": {"seed": 1}}.get(change, {})
    facts = again(job).run(make_rows(11 if change == "rows" else 10), **STEADY, epochs=2, **changed)
    assert facts["steps_before_resuming"] == 0


def test_tensorboard_is_one_line_of_the_config(job):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    job.settings["report_to"] = "tensorboard"
    job.run(make_rows(8), make_rows(2), max_steps=3)
    files = list((job.folder / "home" / "tensorboard").rglob("events.*"))
    read = EventAccumulator(str(files[0].parent)).Reload()
    assert [event.step for event in read.Scalars("train/loss")] == [1, 2, 3]


def test_a_tracker_that_is_not_installed_is_told_before_the_training(job):
    job.settings["report_to"] = "wandb"
    with pytest.raises(SettingsError, match=r"'wandb' is not installed(.|\n)*pip install wandb"):
        job.run(make_rows(8), max_steps=1)


def again(job: Job) -> Job:
    """The same workflow with another fingerprint: it has another scratch folder and the same home."""
    import shutil

    shutil.rmtree(job.folder / "scratch")
    job.progress = Recorder()
    return job


def weights_of(job: Job) -> bytes:
    return job.files()["adapter_model.safetensors"]
