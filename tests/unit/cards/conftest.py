from pathlib import Path

import pytest

from dreamsmk.cards import Sample, Statement, View, build_card, trace
from tests.unit.cards.records import RecordFolder, example_one


@pytest.fixture
def records(tmp_path):
    """The records of the paper's Example 1."""
    found = RecordFolder(tmp_path / "records")
    for record in example_one():
        found.add(record)
    return found


@pytest.fixture
def made(records):
    """Makes the card of targets of Example 1."""

    def make(*targets, statement=None, samples=(), **view):
        traced = trace([Path(target) for target in targets], records)
        return build_card(View(traced, **view), statement or Statement(), samples)

    return make


@pytest.fixture
def data_card(made):
    sample = Sample("results/tweets.parquet", ("abstracts", "tweets"), (("We | show", "a\n<b>`c`</b>"),), 1000)
    return made("results/train.parquet", "results/validation.parquet", samples=[sample])


@pytest.fixture
def model_card(made):
    sample = Sample("results/sample.parquet", ("abstracts", "before", "after"), (("We show", "bla bla", "Great!"),), 2)
    return made("results/student", samples=[sample])
