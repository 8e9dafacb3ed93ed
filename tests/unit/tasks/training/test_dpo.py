from __future__ import annotations

import math
from typing import Any

import pytest

from dreamsmk.errors import SettingsError, TrainingError
from dreamsmk.settings import validate_params
from dreamsmk.smk.meta import load_meta
from dreamsmk.tasks.training.dpo import columns
from tests.unit.tasks.training.job import Job
from tests.unit.tasks.training.preference_rows import PAIRS, history, job_of, make_pairs

LOSSES = load_meta("dpo").params["properties"]["loss_type"]["oneOf"][0]["enum"]


def checked(**given: Any) -> dict[str, Any]:
    return validate_params(load_meta("dpo").params, {"model": "student", **PAIRS, **given}, where="rule dpo")


@pytest.fixture
def job(tmp_path, tiny_model) -> Job:
    return job_of(tmp_path / "job", tiny_model, "dpo")


def test_a_training_begins_at_its_reference(job):
    facts = job.run(make_pairs(8), make_pairs(2), max_steps=2)
    found = history(job)
    assert facts["first_loss"] == pytest.approx(math.log(2))
    assert facts["reference"] == "the model without the adapter"
    assert found.row(0, named=True)["eval_loss"] == pytest.approx(math.log(2))
    assert found["rewards/margins"][1] == pytest.approx(0, abs=1e-6)
    assert found["rewards/accuracies"][1] is not None


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_moves_the_completions_apart(job, loss):
    smoothing = 0.01 if loss == "exo_pair" else 0.0
    job.run(make_pairs(8), epochs=8, loss_type=loss, label_smoothing=smoothing)
    chosen, rejected = (history(job)[f"logps/{name}"] for name in ("chosen", "rejected"))
    assert chosen[-1] - rejected[-1] > chosen[0] - rejected[0]


def test_losses_add_up_by_their_weights(tmp_path, tiny_model):
    first = {}
    for loss in ("sigmoid", "sft", ["sigmoid", "sft"]):
        weights = {"loss_weights": [0.5, 2.0]} if isinstance(loss, list) else {}
        job = job_of(tmp_path / str(loss), tiny_model, "dpo")
        first[str(loss)] = job.run(make_pairs(8), max_steps=1, loss_type=loss, **weights)["first_loss"]
    assert first["['sigmoid', 'sft']"] == pytest.approx(0.5 * first["sigmoid"] + 2 * first["sft"], rel=1e-5)


@pytest.mark.parametrize(
    "given",
    [
        {"beta": 0.5},
        {"f_divergence_type": "forward_kl"},
        {"f_divergence_type": "alpha_divergence", "f_alpha_divergence_coef": 2.0},
        {"ld_alpha": 0.5},
        {"use_weighting": True},
        {"loss_type": "discopop"},
        {"loss_type": "discopop", "discopop_tau": 0.5},
        {"loss_type": "robust", "label_smoothing": 0.2},
    ],
    ids=str,
)
def test_every_parameter_is_felt(tmp_path, tiny_model, given):
    plain, other = (job_of(tmp_path / name, tiny_model, "dpo") for name in ("plain", "other"))
    less = {name: value for name, value in given.items() if name == "loss_type" and len(given) > 1}
    plain.run(make_pairs(8), max_steps=4, **less)
    other.run(make_pairs(8), max_steps=4, **given)
    assert history(other)["loss"][-1] != pytest.approx(history(plain)["loss"][-1], rel=1e-4)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0]}, "1 weights for 2 losses"),
        ({"label_smoothing": 0.1}, r"nothing in the loss sigmoid(.|\n)*robust"),
        ({"loss_type": "exo_pair"}, "needs label smoothing"),
        ({"loss_type": "apo_zero", "f_divergence_type": "forward_kl"}, "apo_zero has no other divergence"),
        ({"loss_type": "aot", "use_weighting": True}, "cannot weight its pairs"),
    ],
    ids=["weights", "smoothing", "no smoothing", "divergence", "weighting"],
)
def test_losses_that_do_not_go_together_are_refused_before_anything_runs(given, message):
    with pytest.raises(SettingsError, match=message):
        columns(checked(**given), {})


@pytest.mark.parametrize("given", [{"loss_type": "simpo"}, {"loss_type": []}, {"label_smoothing": 0.5}, {"beta": 0}])
def test_values_that_mean_nothing_are_refused(given):
    with pytest.raises(SettingsError):
        checked(**given)


@pytest.mark.filterwarnings("ignore:Model has `tie_word_embeddings=True`")
def test_an_adapter_on_the_output_layer_is_refused_before_the_training(job):
    with pytest.raises(TrainingError, match=r"cannot start(.|\n)*lm_head"):
        job.run(make_pairs(4), max_steps=1, lora={"target_modules": ["lm_head"]})


def test_whole_weights_are_in_memory_once_where_the_reference_was_asked_beforehand(job, tiny_model):
    from dreamsmk.settings import ModelSpec
    from dreamsmk.tasks.training.dpo import DpoParameters
    from dreamsmk.tasks.training.frame.base_model import base_model
    from dreamsmk.tasks.training.reference import second_model

    for is_precomputed in (False, True):
        params = DpoParameters.from_json(checked(lora=None, precompute_ref_log_probs=is_precomputed))
        base = base_model("student", ModelSpec(provider="transformers", model=str(tiny_model)), params)
        found = second_model(base, params, is_precomputed=is_precomputed)
        assert (found is None) == is_precomputed
        if found is not None:
            assert not found.training
            assert not any(weight.requires_grad for weight in found.parameters())


def test_a_longer_training_goes_on_from_where_a_shorter_one_ended(tmp_path, tiny_model):
    longer, whole = (job_of(tmp_path / name, tiny_model, "dpo") for name in ("longer", "whole"))
    given = {"batch_size": 4, "lr_scheduler": "constant", "lora": {"r": 4, "dropout": 0.2}}
    whole.run(make_pairs(10), epochs=3, **given)
    longer.run(make_pairs(10), epochs=2, **given)
    longer.folder.joinpath("scratch").rename(longer.folder / "scratch of the shorter one")
    facts = longer.run(make_pairs(10), epochs=3, **given)
    assert facts["steps_before_resuming"] == 6
    assert longer.files() == whole.files()
