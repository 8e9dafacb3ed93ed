"""Answers rows in batches of like length, and in smaller ones where memory runs out.

Contract: every row is answered once. Memory that runs out halves the batch, for this and all later batches; a row that
does not fit alone is handed back as rejected, and the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from dreamsmk.errors import RequestRejected

Row = TypeVar("Row")
Reply = TypeVar("Reply")


@dataclass(slots=True)
class BatchSize:
    """How many rows are answered at once; it only ever shrinks."""

    rows: int


def in_batches(
    rows: Sequence[Row],
    size: BatchSize,
    answer: Callable[[Sequence[Row]], Sequence[Reply]],
    *,
    free: Callable[[], None] = lambda: None,
) -> Iterator[tuple[Row, Reply | RequestRejected]]:
    """Answers rows, `size.rows` at a time, in their order.

    Args:
        rows: The rows.
        size: The size of batches, made smaller in place.
        answer: Answers one batch: a reply a row, in their order.
        free: Gives memory back after it ran out.
    """
    start = 0
    while start < len(rows):
        batch = rows[start : start + size.rows]
        try:
            replies: Sequence[Reply | RequestRejected] = answer(batch)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            rejected = _too_big(error)
            # the frames that the exception holds keep the batch in memory
            error.__traceback__ = None
            replies = [rejected] if len(batch) == 1 else []
        if not replies:
            free()
            size.rows = max(1, len(batch) // 2)
            continue
        yield from zip(batch, replies, strict=True)
        start += len(batch)


def by_length(
    indices: Sequence[int], length: Callable[[int], int], group: Callable[[int], Hashable]
) -> list[list[int]]:
    """Returns indices in groups that may share a batch, each from the longest to the shortest.

    The longest come first, so that memory runs out at once or never.
    """
    groups: dict[Hashable, list[int]] = {}
    for index in indices:
        groups.setdefault(group(index), []).append(index)
    return [sorted(members, key=length, reverse=True) for members in groups.values()]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out; on the CPU torch raises a plain `RuntimeError`."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    words = str(error)
    return "not enough memory" in words or "can't allocate memory" in words or "out of memory" in words


def _too_big(error: BaseException) -> RequestRejected:
    rejected = RequestRejected(
        "one request alone does not fit into memory", hint="shorten its prompt, or give the model a lower max_tokens"
    )
    rejected.__cause__ = error
    return rejected
