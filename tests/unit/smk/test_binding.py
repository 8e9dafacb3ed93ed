"""What a job's parameters are, worked out once for all jobs that share them."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from dreamsmk.errors import DreamsmkError
from dreamsmk.smk.binding import Binding

GIVEN = {"model": "m", "n": 3, "instruction": "x"}


def params(binding: Binding, **values: Any) -> dict[str, Any]:
    return binding.params({**GIVEN, **values}, where="rule r")


@pytest.mark.parametrize(
    ("seen", "other"),
    [
        ({"extra": {"a": None}}, {"extra": {"a": float("nan")}}),
        ({"instruction": "2024-01-01"}, {"instruction": datetime.date(2024, 1, 1)}),
    ],
    ids=["null and NaN", "a date and its text"],
)
def test_what_was_validated_never_stands_for_another_value(seen: dict[str, Any], other: dict[str, Any]) -> None:
    binding = Binding({}, "data_from_prompt")
    params(binding, **seen)
    with pytest.raises(DreamsmkError):
        params(binding, **other)


def test_true_and_one_stay_apart() -> None:
    binding = Binding({}, "data_from_prompt")
    assert params(binding, extra={"a": True})["extra"]["a"] is True
    assert params(binding, extra={"a": 1})["extra"]["a"] is not True


def test_what_one_job_does_to_its_parameters_reaches_no_other() -> None:
    binding = Binding({}, "data_from_prompt")
    params(binding, extra={"a": [1]})["extra"]["a"].append(2)
    assert params(binding, extra={"a": [1]})["extra"]["a"] == [1]
