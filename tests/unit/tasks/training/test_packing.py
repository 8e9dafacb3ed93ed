from __future__ import annotations

from types import SimpleNamespace

import polars as pl
import pytest
import torch

from dreamsmk.errors import TrainingError
from dreamsmk.tasks.training.output_loss import output_loss
from dreamsmk.tasks.training.rows.examples import IGNORED, dataset_of
from dreamsmk.tasks.training.rows.packing import check_packing, pack
from tests.unit.tasks.training.job import Job, make_rows
from tests.unit.tasks.training.test_fine_tune import answer_of

ROWS = [([1, 2, 3], [IGNORED, 2, 3]), ([4, 5], [4, 5]), ([6, 7, 8, 9], [IGNORED, IGNORED, 8, 9]), ([10, 11], [10, 11])]


def dataset(rows=ROWS):
    return dataset_of(pl.DataFrame({"input_ids": [ids for ids, _ in rows], "labels": [labels for _, labels in rows]}))


def test_rows_are_packed_whole_with_their_labels():
    packed = pack(dataset(), 7)
    assert packed["input_ids"][:] == [[6, 7, 8, 9, 1, 2, 3], [4, 5, 10, 11]]
    assert packed["labels"][:] == [[IGNORED, IGNORED, 8, 9, IGNORED, 2, 3], [4, 5, 10, 11]]
    assert packed["seq_lengths"][:] == [[4, 3], [2, 2]]


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_the_loss_and_gradients_of_packed_rows_are_those_of_rows_on_their_own(tiny_model, attention):
    from transformers import AutoModelForCausalLM
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling
    from trl.trainer.utils import add_fused_lm_head

    ours, apart, theirs = (
        AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32, attn_implementation=attention)
        for _ in range(3)
    )
    add_fused_lm_head(theirs)
    packed = DataCollatorForLanguageModeling(0, padding_free=True)(list(pack(dataset(), 7)))
    padded = DataCollatorForLanguageModeling(0)(list(dataset()))
    losses = [
        output_loss(ours, packed),
        output_loss(apart, padded),
        theirs(**packed, fused_lm_head=True, use_cache=False).loss,
    ]
    for loss in losses:
        loss.backward()
    for loss, model in zip(losses, (ours, apart, theirs), strict=True):
        assert loss.item() == pytest.approx(losses[1].item(), abs=1e-5)
        for one, other in zip(model.parameters(), apart.parameters(), strict=True):
            torch.testing.assert_close(one.grad, other.grad, atol=1e-4, rtol=1e-3)


def test_a_model_whose_rows_see_one_another_is_refused(tiny_model):
    from transformers import AutoModelForCausalLM

    class Mixing(torch.nn.Module):
        """Its logits depend on all that stood before."""

        config = SimpleNamespace(model_type="mixing", _attn_implementation="eager")
        device = torch.device("cpu")

        def forward(self, input_ids, position_ids, use_cache):
            return SimpleNamespace(logits=input_ids.float().cumsum(-1)[..., None])

    check_packing(AutoModelForCausalLM.from_pretrained(tiny_model))
    with pytest.raises(TrainingError, match=r"'mixing' packed rows see one another(.|\n)*packing"):
        check_packing(Mixing())


def test_the_check_leaves_a_model_as_it_was(tiny_model):
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_model).train()
    before = torch.get_rng_state()
    check_packing(model)
    assert model.training
    assert torch.equal(torch.get_rng_state(), before)


def test_a_packed_training_learns_what_the_rows_say(job, tiny_model, capfd):
    rows = pl.DataFrame({"question": ["the", "of"] * 8, "answer": ["to be", "not he"] * 8})
    facts = job.run(rows, rows[:2], epochs=60, packing=True, max_length=64, batch_size=2, lora={"r": 16, "alpha": 32})
    assert facts["final_loss"] < 0.1 < facts["first_loss"]
    assert (facts["train_rows"], facts["packed_rows"]) == (16, 6)
    assert answer_of(job.output, tiny_model, "of") == "not he"
    assert capfd.readouterr() == ("", "")


def test_one_step_over_all_rows_is_the_same_packed_or_not(tmp_path, tiny_model):
    rows, validation = make_rows(9), make_rows(4)
    loose, packed = Job(tmp_path / "loose", tiny_model), Job(tmp_path / "packed", tiny_model)
    facts = [
        loose.run(rows, validation, max_steps=1, batch_size=16),
        packed.run(rows, validation, max_steps=1, batch_size=16, packing=True, max_length=120),
    ]
    assert facts[1]["first_loss"] == pytest.approx(facts[0]["first_loss"], abs=1e-4)
    assert facts[1]["tokens"] == facts[0]["tokens"]
    for one, other in zip(facts[1]["eval_loss"], facts[0]["eval_loss"], strict=True):
        assert one["eval_loss"] == pytest.approx(other["eval_loss"], abs=1e-4)


def test_a_packed_run_that_was_stopped_ends_as_an_unbroken_one(tmp_path, tiny_model):
    from tests.unit.tasks.training.job import Recorder
    from tests.unit.tasks.training.test_fine_tune import Stopped, stop_at

    given = {"epochs": 3, "batch_size": 2, "save_steps": 1, "packing": True, "max_length": 64}
    given |= {"lora": {"r": 4, "dropout": 0.2}}
    whole, broken = Job(tmp_path / "whole", tiny_model), Job(tmp_path / "broken", tiny_model)
    whole.run(make_rows(10), make_rows(3), **given)
    broken.progress = Recorder(at_step=stop_at(5))
    with pytest.raises(Stopped):
        broken.run(make_rows(10), make_rows(3), **given)
    broken.progress = Recorder()
    broken.run(make_rows(10), make_rows(3), **given)
    assert broken.progress.notes == ["going on from checkpoint-4"]
    assert broken.files() == whole.files()
