from __future__ import annotations

import json

import pytest

from dreamsmk.tasks.training.frame.checkpoints import Layout, newest_whole_checkpoint

ALONE = Layout(rows=8)
FILES = ["adapter_model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth"]


@pytest.fixture
def folder(tmp_path):
    for step in (8, 9, 10):
        checkpoint = tmp_path / f"checkpoint-{step}"
        checkpoint.mkdir()
        for name in FILES:
            (checkpoint / name).touch()
        (checkpoint / "trainer_state.json").write_text(json.dumps({"global_step": step, "train_batch_size": 8}))
    return tmp_path


def test_the_checkpoint_with_the_most_steps_is_the_newest(folder):
    assert newest_whole_checkpoint(folder, ALONE).name == "checkpoint-10"


def test_there_is_none_where_nothing_was_saved(tmp_path):
    assert newest_whole_checkpoint(tmp_path / "nowhere", ALONE) is None


@pytest.mark.parametrize("name", [*FILES, "trainer_state.json"])
def test_a_checkpoint_that_lacks_a_file_is_deleted_and_the_one_before_taken(folder, name):
    (folder / "checkpoint-10" / name).unlink()
    assert newest_whole_checkpoint(folder, ALONE).name == "checkpoint-9"
    assert not (folder / "checkpoint-10").exists()


@pytest.mark.parametrize("state", ["", '{"global_st', '{"global_step": 9}'])
def test_a_checkpoint_whose_state_is_cut_short_or_of_another_step_is_not_taken(folder, state):
    (folder / "checkpoint-10" / "trainer_state.json").write_text(state)
    assert newest_whole_checkpoint(folder, ALONE).name == "checkpoint-9"


def test_each_process_that_wrote_a_checkpoint_has_its_random_state_in_it(folder):
    for step in (9, 10):
        checkpoint = folder / f"checkpoint-{step}"
        (checkpoint / "trainer_state.json").write_text(json.dumps({"global_step": step, "train_batch_size": 4}))
        (checkpoint / "rng_state.pth").rename(checkpoint / "rng_state_0.pth")
    (folder / "checkpoint-9" / "rng_state_1.pth").touch()
    assert newest_whole_checkpoint(folder, ALONE).name == "checkpoint-9"


def test_weights_that_were_shared_out_are_gone_on_with_where_they_are_again(folder):
    shared = Layout(rows=8, is_sharded=True)
    (folder / "checkpoint-9" / "optimizer.pt").rename(folder / "checkpoint-9" / "optimizer.bin")
    (folder / "checkpoint-9" / "pytorch_model_fsdp.bin").touch()
    assert newest_whole_checkpoint(folder, shared).name == "checkpoint-9"
    assert newest_whole_checkpoint(folder, ALONE) is None
