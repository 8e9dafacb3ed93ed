from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from dreamsmk.errors import RequestRejected
from dreamsmk.providers.local.batching import BatchSize, by_length, in_batches, is_out_of_memory


class Memory:
    """Answers batches whose rows together are not more than it holds."""

    def __init__(self, holds: int, error: Exception) -> None:
        self.holds, self.error, self.batches, self.freed = holds, error, [], 0

    def answer(self, batch: Sequence[int]) -> list[int]:
        self.batches.append(len(batch))
        if sum(batch) > self.holds:
            raise self.error
        return [-row for row in batch]

    def free(self) -> None:
        self.freed += 1


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_memory_that_runs_out_halves_this_and_all_later_batches(error: Exception) -> None:
    memory, size = Memory(3, error), BatchSize(8)
    assert list(in_batches([1] * 8, size, memory.answer, free=memory.free)) == [(1, -1)] * 8
    assert memory.batches == [8, 4, 2, 2, 2, 2]
    assert (size.rows, memory.freed) == (2, 2)


def test_a_row_that_does_not_fit_alone_is_handed_back_and_the_others_are_answered() -> None:
    memory = Memory(3, MemoryError())
    replies = list(in_batches([9, 1, 1], BatchSize(2), memory.answer))
    assert isinstance(replies[0][1], RequestRejected)
    assert replies[1:] == [(1, -1), (1, -1)]


def test_other_errors_pass_through() -> None:
    with pytest.raises(RuntimeError, match="shape"):
        list(in_batches([9], BatchSize(2), Memory(3, RuntimeError("shape mismatch")).answer))
    assert not is_out_of_memory(RuntimeError("shape mismatch"))


def test_groups_are_sorted_from_the_longest_to_the_shortest() -> None:
    lengths = [3, 9, 1, 7]
    assert by_length([0, 1, 2, 3], lengths.__getitem__, lambda index: index % 2) == [[0, 2], [1, 3]]
