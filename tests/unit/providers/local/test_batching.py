from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dreamsmk.errors import RequestRejected
from dreamsmk.providers.local.batching import BatchLimits, by_length, in_batches, is_out_of_memory


class Machine:
    """Answers a row of length n after n % 5 steps, and holds batches of so many rows times their greatest length."""

    def __init__(self, holds: int, error: Exception | None = None, *, is_open: bool = True) -> None:
        self.holds, self.error, self.can_fill_up = holds, error or MemoryError(), is_open
        self.left: dict[int, int] = {}
        self.sizes: list[tuple[int, int]] = []
        self.freed = 0

    @property
    def rows(self) -> list[int]:
        return list(self.left)

    @property
    def is_open(self) -> bool:
        return self.can_fill_up or not self.left

    def admit(self, rows: Sequence[int]) -> None:
        assert self.is_open
        self.left.update({row: length(row) % 5 + 1 for row in rows})
        self.sizes.append((max(map(length, self.left)), len(self.left)))
        if len(self.left) * max(map(length, self.left)) > self.holds:
            raise self.error

    def advance(self) -> list[int]:
        steps = min(self.left.values(), default=0)
        self.left = {row: left - steps for row, left in self.left.items()}
        done = [row for row, left in self.left.items() if left == 0]
        self.left = {row: left for row, left in self.left.items() if left}
        return done

    def clear(self) -> tuple[list[int], list[int]]:
        rows, self.left = self.rows, {}
        return [], rows

    def free(self) -> None:
        self.freed += 1


def length(row: int) -> int:
    # rows are told apart by their last two digits
    return row // 100


def rows_of(*lengths: int) -> list[int]:
    return [100 * length + place for place, length in enumerate(sorted(lengths, reverse=True))]


def run(machine: Machine, rows: Sequence[int], limits: BatchLimits) -> dict[int, RequestRejected | None]:
    answered = list(in_batches(rows, limits, machine, length, free=machine.free))
    assert len(answered) == len(rows)
    return dict(answered)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_memory_that_runs_out_halves_the_batch_and_every_row_is_answered(error: Exception) -> None:
    machine, limits = Machine(30, error), BatchLimits(8)
    assert set(run(machine, rows_of(*[10] * 8), limits).values()) == {None}
    assert machine.sizes[:3] == [(10, 8), (10, 4), (10, 2)]
    assert all(rows <= 2 for _, rows in machine.sizes[2:])
    assert machine.freed == 2


def test_a_batch_that_was_too_big_limits_no_shorter_rows() -> None:
    machine, limits = Machine(80), BatchLimits(8)
    run(machine, rows_of(*[20] * 8, *[10] * 16), limits)
    assert [limits.rows_at(tokens) for tokens in (10, 19, 20, 99)] == [8, 8, 4, 4]
    assert (10, 8) in machine.sizes
    run(machine, rows_of(*[20] * 8), limits)
    assert machine.freed == 1


def test_a_row_that_does_not_fit_alone_is_handed_back_and_the_others_are_answered() -> None:
    rows = rows_of(50, 10, 10)
    answered = run(Machine(30), rows, BatchLimits(2))
    assert isinstance(answered[rows[0]], RequestRejected)
    assert [answered[row] for row in rows[1:]] == [None, None]


def test_places_that_become_free_are_filled_while_others_go_on() -> None:
    machine = Machine(10**6)
    run(machine, rows_of(*range(10, 30)), BatchLimits(4))
    assert max(rows for _, rows in machine.sizes) == 4
    assert len(machine.sizes) > 5
    closed = Machine(10**6, is_open=False)
    run(closed, rows_of(*range(10, 30)), BatchLimits(4))
    assert [rows for _, rows in closed.sizes] == [4] * 5


@given(st.lists(st.integers(1, 60), max_size=30), st.integers(1, 9), st.integers(20, 300), st.booleans())
def test_every_row_is_answered_once_whatever_the_memory(
    lengths: list[int], most: int, holds: int, is_open: bool
) -> None:
    rows = rows_of(*lengths)
    answered = run(Machine(holds, is_open=is_open), rows, BatchLimits(most))
    for row in rows:
        assert (answered[row] is None) == (length(row) <= holds)


def test_other_errors_pass_through() -> None:
    with pytest.raises(RuntimeError, match="shape"):
        list(in_batches([900], BatchLimits(2), Machine(3, RuntimeError("shape mismatch")), length))
    assert not is_out_of_memory(RuntimeError("shape mismatch"))


def test_groups_are_sorted_from_the_longest_to_the_shortest() -> None:
    lengths = [3, 9, 1, 7]
    assert by_length([0, 1, 2, 3], lengths.__getitem__, lambda index: index % 2) == [[0, 2], [1, 3]]
