from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from dreamsmk.errors import SettingsError, TableError
from dreamsmk.settings import validate_params
from dreamsmk.smk.meta import load_meta
from dreamsmk.tasks.training.kto import KtoParameters, columns, compared, encode_table
from tests.unit.tasks.training.job import Job
from tests.unit.tasks.training.preference_rows import LABELLED, PAIRS, history, log_probability, make_pairs


def checked(**given: Any) -> dict[str, Any]:
    return validate_params(load_meta("kto").params, {"model": "student", "prompts": "question", **given}, where="kto")


@pytest.fixture
def job(tmp_path, tiny_model) -> Job:
    return Job(tmp_path / "job", tiny_model, rule="kto", given=dict(LABELLED))


def make_labelled(count: int) -> pl.DataFrame:
    """Rows of one completion each, good and bad in turns."""
    pairs = make_pairs(count)
    return pairs.select("question", "liked", good=pl.when("liked").then("good").otherwise("bad"))


def test_a_model_learns_from_labels(job):
    facts = job.run(make_labelled(16), make_labelled(4), epochs=10)
    found = history(job)
    assert facts["first_loss"] == pytest.approx(0.5)
    assert facts["final_loss"] < 0.25
    assert found["eval_rewards/margins"].drop_nulls()[-1] > 1
    assert found["kl"].drop_nulls()[0] == pytest.approx(0, abs=1e-6)
    assert (facts["desirable_rows"], facts["undesirable_rows"]) == (8, 8)


def test_a_pair_is_two_rows(tmp_path, tiny_model):
    job = Job(tmp_path, tiny_model, rule="kto", given=dict(PAIRS))
    facts = job.run(make_pairs(6), epochs=1, batch_size=4)
    assert (facts["train_rows"], facts["steps"]) == (12, 3)
    assert (facts["desirable_rows"], facts["undesirable_rows"]) == (6, 6)


@pytest.mark.parametrize("dtype", [pl.Int64, pl.UInt8, pl.Boolean])
def test_labels_may_be_ones_and_noughts(tmp_path, tiny_model, dtype):
    from transformers import AutoTokenizer

    from dreamsmk.tasks.training.rows.examples import Encoder

    path = tmp_path / "rows.parquet"
    make_labelled(6).with_columns(pl.col("liked").cast(dtype)).write_parquet(path)
    encoder = Encoder(AutoTokenizer.from_pretrained(tiny_model))
    found = encode_table(path, encoder, KtoParameters.from_json(checked(**LABELLED)), 64)
    assert found.schema["label"] == pl.Boolean
    assert found["label"].sum() == 3


def test_rows_are_shuffled_and_compared_with_another_of_their_batch(tmp_path, tiny_model):
    from transformers import AutoTokenizer

    from dreamsmk.tasks.training.rows.examples import Encoder

    path = tmp_path / "rows.parquet"
    # sorted by their labels, as many tables are: in that order batches would have one label alone
    make_labelled(40).sort("liked").write_parquet(path)
    encoder = Encoder(AutoTokenizer.from_pretrained(tiny_model))
    params = KtoParameters.from_json(checked(**LABELLED, batch_size=8))
    found = encode_table(path, encoder, params, 64)
    batches = [found[begin : begin + 8] for begin in range(0, 40, 8)]
    assert all(batch["label"].n_unique() == 2 for batch in batches)
    for batch in batches:
        own, others = (batch[name].to_list() for name in ("completion_ids", "KL_completion_ids"))
        assert others == [own[-1], *own[:-1]]
    other_seed = KtoParameters.from_json(checked(**LABELLED, batch_size=8, seed=1))
    assert not encode_table(path, encoder, other_seed, 64).equals(found)
    alone = KtoParameters.from_json(checked(**LABELLED, loss_type="apo_zero_unpaired"))
    assert "KL_completion_ids" not in encode_table(path, encoder, alone, 64).columns


@pytest.mark.parametrize(
    ("count", "size", "expected"),
    [
        (6, 3, [2, 0, 1, 5, 3, 4]),
        (5, 3, [2, 0, 1, 4, 3]),
        (4, 3, [2, 0, 1, 2]),
        (1, 3, [0]),
    ],
)
def test_a_row_is_compared_with_the_one_before_it_in_its_batch(count, size, expected):
    assert list(compared(count, size)) == expected


def test_every_epoch_has_the_batches_that_the_rows_were_compared_in(job, tiny_model):
    from transformers import AutoTokenizer

    from dreamsmk.tasks.training.rows.examples import Encoder

    rows, given = make_labelled(10), {"batch_size": 4, "learning_rate": 1e-12}
    job.run(rows, epochs=2, **given)
    told = history(job)["logps/chosen"].to_list()
    assert told[:3] == pytest.approx(told[3:])
    encoder, params = Encoder(AutoTokenizer.from_pretrained(tiny_model)), checked(**LABELLED, **given)
    encoded = encode_table(job.folder / "train.parquet", encoder, KtoParameters.from_json(params), 64)
    good = encoded[4:8].filter(pl.col("label")).select("prompt_ids", "completion_ids")
    sums = [log_probability(tiny_model, asked, completion, is_mean=False) for asked, completion in good.rows()]
    assert told[1] == pytest.approx(sum(sums) / len(sums), rel=1e-4)


def test_the_other_loss_trains_on_single_rows(job):
    facts = job.run(make_labelled(8), epochs=5, batch_size=1, loss_type="apo_zero_unpaired")
    assert facts["final_loss"] < facts["first_loss"]


@pytest.mark.parametrize("given", [{"desirable_weight": 2.0}, {"undesirable_weight": 0.0}, {"beta": 0.5}], ids=str)
def test_every_parameter_is_felt(tmp_path, tiny_model, given):
    losses = []
    for number, more in enumerate(({}, given)):
        job = Job(tmp_path / str(number), tiny_model, rule="kto", given=dict(LABELLED))
        job.run(make_labelled(8), max_steps=3, **more)
        losses.append(history(job)["loss"][-1])
    assert losses[0] != pytest.approx(losses[1], rel=1e-3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "no column with completions"),
        ({"completions": "good"}, "completions are named"),
        ({"chosen": "good", "labels": "liked"}, "chosen and labels are named"),
        ({**PAIRS, **LABELLED}, "give completions and labels, or chosen and rejected"),
        ({**LABELLED, "batch_size": 1}, "one row to each"),
        ({**LABELLED, "batch_size": 4, "gradient_accumulation_steps": 4}, "one row to each"),
        ({**LABELLED, "batch_size": 4, "gradient_accumulation_steps": 2, "processes": 2}, "in 4 parts"),
    ],
)
def test_parameters_that_do_not_go_together_are_refused_before_anything_runs(given, message):
    with pytest.raises(SettingsError, match=message):
        columns(checked(**given), {})


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (make_labelled(4).with_columns(liked=pl.lit(value=True)), "every row is labelled true"),
        (make_labelled(4).with_columns(liked=pl.lit(value=False)), "every row is labelled false"),
        (make_labelled(4).with_columns(liked=pl.lit("yes")), "String, and labels are true or false"),
        (make_labelled(4).with_columns(liked=pl.Series([1, 2, 0, None])), "rows 1, 3 "),
        (make_labelled(4).with_columns(liked=pl.Series([True, False, None, True])), "row 2 "),
        (make_labelled(4).drop("liked"), "'liked'"),
    ],
    ids=["all good", "all bad", "texts", "numbers", "null", "no column"],
)
def test_labels_that_cannot_be_learnt_from_are_named_before_the_first_step(job, rows, message):
    with pytest.raises(TableError, match=message):
        job.run(rows, max_steps=1)
    assert job.progress.steps == []


def test_a_validation_may_have_one_label_alone(job):
    validation = make_labelled(4).filter(pl.col("liked"))
    assert job.run(make_labelled(8), validation, max_steps=1)["validation_rows"] == 2
