"""Answers rows in batches of like length, filled up as rows end, and in smaller ones where memory runs out.

Contract: every row is answered once. Memory that runs out at a batch halves it, for that length of prompt and all
longer ones: shorter rows keep the batch size that they had. The rows of the failed batch that were not done yet are
begun again; a row that does not fit alone is handed back as rejected, and the others go on.

transformers' own continuous batching (`generate_batch`, 5.23) does not take this place. Its logits processors are told
neither the request nor the step that a row of logits belongs to, so that noise by request, schemas, stop texts and
log-probabilities cannot be had; it knows no sequence-to-sequence models, and memory that runs out ends it for good. Nor
is it faster on a CPU: SmolLM2-135M answered 48 prompts greedily in 38 s of CPU time there, and in 27 s here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Protocol, TypeVar

from dreamsmk.errors import RequestRejected

Row = TypeVar("Row")
# A batch is filled up once this share of its places is free: each filling costs a pass over prompts and a copy.
FREE_SHARE = 4


class Batch(Protocol[Row]):
    """A changing set of rows that tokens are generated for, all at the same pace."""

    @property
    def rows(self) -> Sequence[Row]:
        """The rows that need more tokens."""

    @property
    def is_open(self) -> bool:
        """Whether rows can be put beside those that are there; always where there are none."""

    def admit(self, rows: Sequence[Row]) -> None:
        """Begins rows."""

    def advance(self) -> list[Row]:
        """Goes on until a row is done, or more; returns those that are."""

    def clear(self) -> tuple[list[Row], list[Row]]:
        """Lets go of everything; returns the rows that are done, and those that were not."""


class BatchLimits:
    """How many rows are answered at once, by the length of the longest prompt among them.

    Args:
        most: The most rows, whatever their length.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._learned: dict[int, int] = {}

    def rows_at(self, length: int) -> int:
        """Returns how many rows are answered at once where the longest prompt has so many tokens."""
        return min([self._most, *(rows for failed, rows in self._learned.items() if failed <= length)])

    def learn(self, length: int, rows: int) -> None:
        """Takes note that so many rows were too many where the longest prompt had so many tokens."""
        self._learned[length] = max(1, rows // 2)


def in_batches(
    rows: Sequence[Row],
    limits: BatchLimits,
    batch: Batch[Row],
    length: Callable[[Row], int],
    *,
    free: Callable[[], None] = lambda: None,
) -> Iterator[tuple[Row, RequestRejected | None]]:
    """Answers rows, first ones first.

    Args:
        rows: The rows, from the longest to the shortest.
        limits: How many rows are answered at once; what is learned stays in it.
        batch: Generates; it is empty before and after.
        length: Tokens of a row's prompt.
        free: Gives memory back after it ran out.

    Yields:
        Each row once it is done, or with the reason why it cannot be answered.
    """
    waiting = deque(rows)
    while waiting or batch.rows:
        try:
            begun = _next_rows(waiting, limits, batch, length)
            if begun:
                batch.admit(begun)
            done = batch.advance()
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            rejected = _too_big(error)
            # the frames that the exception holds keep the batch in memory
            error.__traceback__ = None
            done, failed = batch.clear()
            free()
            if len(failed) == 1:
                yield failed[0], rejected
            else:
                limits.learn(max(map(length, failed)), len(failed))
                waiting.extendleft(sorted(failed, key=length))
        yield from ((row, None) for row in done)


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


def _next_rows(waiting: deque[Row], limits: BatchLimits, batch: Batch[Row], length: Callable[[Row], int]) -> list[Row]:
    """Takes as many of the waiting rows as there is room for, where it is worth it."""
    if not waiting or not batch.is_open:
        return []
    most = limits.rows_at(max(map(length, [*batch.rows, waiting[0]])))
    room = most - len(batch.rows)
    if batch.rows and room < max(1, most // FREE_SHARE):
        return []
    return [waiting.popleft() for _ in range(min(room, len(waiting)))]


def _too_big(error: BaseException) -> RequestRejected:
    rejected = RequestRejected(
        "one request alone does not fit into memory", hint="shorten its prompt, or give the model a lower max_tokens"
    )
    rejected.__cause__ = error
    return rejected
