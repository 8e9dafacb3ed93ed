from __future__ import annotations

from collections.abc import Sequence

import pytest

from dreamsmk.errors import RequestRejected
from dreamsmk.providers.local.batching import BatchLimits
from dreamsmk.providers.local.encoding import Reading, answered_by_length
from dreamsmk.providers.local.rejections import Rejections
from dreamsmk.requests import Response, Usage

LENGTHS = [3, 9, 1, 7, 7, 2, 8]
READINGS = {index: Reading(tokens, False) for index, tokens in enumerate(LENGTHS)}


def reply(index: int) -> Response:
    return Response(str(index), "stop", "m", Usage(), "", 0.0)


def test_a_reading_ends_at_the_limit() -> None:
    assert Reading.of(5, 8) == Reading.of(5, None) == Reading(5, False)
    assert Reading.of(8, 8) == Reading(8, False)
    assert Reading.of(9, 8) == Reading(8, True)
    assert Reading.of(9, float("inf")) == Reading(9, False)
    assert (Reading(8, True).finish_reason, Reading(8, False).finish_reason) == ("length", "stop")
    assert Reading(8, True).usage == Usage(input_tokens=8)


def test_batches_are_of_like_length_and_each_row_keeps_its_reply() -> None:
    batches: list[list[int]] = []

    def answer(batch: Sequence[int]) -> list[Response]:
        batches.append([LENGTHS[i] for i in batch])
        return [reply(i) for i in batch]

    replies = dict(answered_by_length(READINGS, answer, BatchLimits(3), Rejections()))
    assert {index: one.text for index, one in replies.items()} == {i: str(i) for i in range(7)}
    assert batches == [[9, 8, 7], [7, 3, 2], [1]]


def test_memory_that_runs_out_halves_batches_of_that_length_and_loses_no_row() -> None:
    sizes: list[int] = []

    def answer(batch: Sequence[int]) -> list[Response]:
        sizes.append(len(batch))
        if len(batch) > 2 and max(LENGTHS[i] for i in batch) > 6:
            raise RuntimeError("out of memory")
        return [reply(i) for i in batch]

    limits = BatchLimits(7)
    assert sorted(dict(answered_by_length(READINGS, answer, limits, Rejections()))) == list(range(7))
    assert sizes[:3] == [7, 3, 1]
    assert limits.rows_at(2) == 7


def test_a_row_that_does_not_fit_alone_is_refused_and_the_others_are_answered() -> None:
    def answer(batch: Sequence[int]) -> list[Response]:
        if 1 in batch:
            raise MemoryError
        return [reply(i) for i in batch]

    rejections = Rejections()
    assert sorted(dict(answered_by_length(READINGS, answer, BatchLimits(4), rejections))) == [0, 2, 3, 4, 5, 6]
    with pytest.raises(RequestRejected, match="does not fit into memory"):
        rejections.raise_first()


def test_several_refusals_are_told_as_one() -> None:
    rejections = Rejections()
    rejections.raise_first()
    rejections.add(RequestRejected("too long", hint="shorten it"))
    rejections.add(RequestRejected("no message"))
    with pytest.raises(RequestRejected, match=r"too long \(2 requests were rejected\)\nhint: shorten it"):
        rejections.raise_first()
