from __future__ import annotations

import json

import pytest

from dreamsmk.tasks.training.frame.checkpoints import newest_whole_checkpoint

FILES = ["adapter_model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth"]


@pytest.fixture
def folder(tmp_path):
    for step in (8, 9, 10):
        checkpoint = tmp_path / f"checkpoint-{step}"
        checkpoint.mkdir()
        for name in FILES:
            (checkpoint / name).touch()
        (checkpoint / "trainer_state.json").write_text(json.dumps({"global_step": step}))
    return tmp_path


def test_the_checkpoint_with_the_most_steps_is_the_newest(folder):
    assert newest_whole_checkpoint(folder).name == "checkpoint-10"


def test_there_is_none_where_nothing_was_saved(tmp_path):
    assert newest_whole_checkpoint(tmp_path / "nowhere") is None


@pytest.mark.parametrize("name", [*FILES, "trainer_state.json"])
def test_a_checkpoint_that_lacks_a_file_is_deleted_and_the_one_before_taken(folder, name):
    (folder / "checkpoint-10" / name).unlink()
    assert newest_whole_checkpoint(folder).name == "checkpoint-9"
    assert not (folder / "checkpoint-10").exists()


@pytest.mark.parametrize("state", ["", '{"global_st', '{"global_step": 9}'])
def test_a_checkpoint_whose_state_is_cut_short_or_of_another_step_is_not_taken(folder, state):
    (folder / "checkpoint-10" / "trainer_state.json").write_text(state)
    assert newest_whole_checkpoint(folder).name == "checkpoint-9"
