"""Calls to a model in this process: gathered in chunks, generated in the calling thread.

Contract: each reply is kept as soon as the model yields it. A chunk is large, so that a provider can sort it by length
and fill its batches. When a chunk fails for good, its unanswered half is tried again in halves, until the requests
that fail stand alone: the others get their replies.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from dreamsmk.calls.bounds.budget import Amount
from dreamsmk.calls.bounds.spending import Spending
from dreamsmk.calls.call import Call, Keep
from dreamsmk.calls.retry import is_for_all
from dreamsmk.errors import ProviderError
from dreamsmk.providers.base import LocalProvider
from dreamsmk.requests import Response

BATCHES_PER_CHUNK = 32
LOOKAHEAD_ROWS = 8192
# So many requests that fail one by one before the model has answered anything: it is the model that fails.
FAILURES_BEFORE_ANY_REPLY = 3


class LocalBatches:
    """Carries calls out with a local model.

    Args:
        provider: The model; its spec gives the batch size.
        keep: Puts a reply in the cache.
        spending: The budgets to hold.
    """

    def __init__(self, provider: LocalProvider, keep: Keep, *, spending: Spending | None = None) -> None:
        self._provider = provider
        self._keep = keep
        self._spending = spending
        self._reserved: dict[str, Amount] = {}
        self._chunk_rows = BATCHES_PER_CHUNK * provider.spec.batch_size
        self.lookahead_rows = max(LOOKAHEAD_ROWS, 4 * self._chunk_rows)
        self._queue: deque[Call] = deque()
        # Halves of chunks that failed; they go first.
        self._halves: deque[list[Call]] = deque()
        self._chunk: list[Call] = []
        self._replies: Iterator[tuple[int, Response]] | None = None
        self._unanswered = 0
        self._has_answered = False
        self._failures = 0
        self.is_stopped = False

    def has_room(self) -> bool:
        """Whether the next chunk is not full yet."""
        return len(self._queue) < self._chunk_rows

    def submit(self, calls: Sequence[Call]) -> None:
        """Takes calls over."""
        self._queue.extend(calls)

    def collect(self, *, wait_seconds: float) -> list[Call]:
        """Lets the model generate until it yields a reply or a call fails."""
        while wait_seconds and not self.is_stopped:
            replies = self._replies or self._start()
            if replies is None:
                # The first call that is left does not fit into the budget, or there is none.
                return [self._queue.popleft()] if self.is_stopped else []
            done = self._step(replies)
            if done is not None:
                self._settle(done)
                return [done]
        return []

    def stop(self, grace_seconds: float | None) -> None:
        """Lets go of the running chunk: whatever it yielded is kept already."""
        self.is_stopped = True
        self._replies = None
        if self._spending is not None:
            for reserved in self._reserved.values():
                self._spending.settle(reserved, [])
            self._reserved.clear()

    def _start(self) -> Iterator[tuple[int, Response]] | None:
        """Starts the next chunk, if there is one."""
        if self._halves:
            self._chunk = self._halves.popleft()
        else:
            self._chunk = self._next_chunk()
        for call in self._chunk:
            call.attempts = 1
        self._unanswered = len(self._chunk)
        if self._chunk:
            self._replies = self._provider.generate([call.request for call in self._chunk])
        return self._replies

    def _next_chunk(self) -> list[Call]:
        """Takes as many of the next calls as a chunk holds, and the budgets."""
        chunk: list[Call] = []
        while self._queue and len(chunk) < self._chunk_rows:
            call = self._queue[0]
            if self._spending is not None:
                reserved = self._spending.reserve([call.request])
                if reserved is None:
                    if not chunk:
                        call.error = self._spending.error([call.request])
                        self.is_stopped = True
                    break
                self._reserved[call.key] = reserved
            chunk.append(self._queue.popleft())
        return chunk

    def _settle(self, call: Call) -> None:
        if self._spending is not None:
            self._spending.settle(self._reserved.pop(call.key), [] if call.response is None else [call.response])

    def _step(self, replies: Iterator[tuple[int, Response]]) -> Call | None:
        """Takes the running chunk one reply further."""
        try:
            index, response = next(replies)
        except StopIteration:
            self._replies = None
            counts = f"{self._unanswered} of {len(self._chunk)}"
            raise ProviderError(f"the model left {counts} requests unanswered") from None
        except ProviderError as exc:
            self._replies = None
            return self._fail(exc)
        call = self._chunk[index]
        call.response = response
        self._has_answered = True
        self._keep(call)
        self._unanswered -= 1
        if not self._unanswered:
            # Lets the generator come to its end now, not when somebody next asks for something.
            self._replies = None
            next(replies, None)
        return call

    def _fail(self, error: ProviderError) -> Call | None:
        """Halves what the failed chunk left unanswered; returns the call that failed, where it stands alone."""
        left = [call for call in self._chunk if not call.is_done]
        if len(left) > 1 and not is_for_all(error):
            middle = len(left) // 2
            self._halves.extendleft((left[middle:], left[:middle]))
            return None
        self._failures += 1
        is_broken = not self._has_answered and self._failures >= FAILURES_BEFORE_ANY_REPLY
        if is_broken or is_for_all(error):
            self.is_stopped = True
        left[0].error = error
        return left[0]
