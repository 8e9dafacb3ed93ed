"""How a table is cut into pieces."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamsmk.tasks.shaping.shard import stretch


@given(height=st.integers(0, 10**7), pieces=st.integers(1, 300), is_steady=st.booleans())
def test_pieces_follow_each_other_and_are_the_whole_table(height: int, pieces: int, is_steady: bool) -> None:
    cut = [stretch(f"{n}-of-{pieces}", height, is_steady=is_steady) for n in range(1, pieces + 1)]
    assert cut[0][0] == 0
    assert cut[-1][1] == height
    assert all(before[1] == after[0] for before, after in pairwise(cut))
    assert all(start <= stop for start, stop in cut)
    largest = max(stop - start for start, stop in cut)
    equal = -(-height // pieces)
    assert largest <= (equal * 17 / 16 + 1 if is_steady else equal)


@given(height=st.integers(1, 10**7), pieces=st.integers(1, 300), more=st.integers(1, 50))
def test_where_the_size_stays_rows_at_the_end_change_the_last_pieces_alone(height: int, pieces: int, more: int) -> None:
    before, after = (
        [stretch(f"{n}-of-{pieces}", h, is_steady=True) for n in range(1, pieces + 1)] for h in (height, height + more)
    )
    if before[0][1] == after[0][1]:
        changed = [old for old, new in zip(before, after, strict=True) if old != new]
        assert all(stop == height for _, stop in changed)


@pytest.mark.parametrize(("height", "pieces"), [(10_000, 8), (1_000_000, 64), (22, 4)])
def test_a_row_more_leaves_the_size_of_steady_pieces_as_a_rule(height: int, pieces: int) -> None:
    assert stretch(f"1-of-{pieces}", height, is_steady=True) == stretch(f"1-of-{pieces}", height + 1, is_steady=True)
