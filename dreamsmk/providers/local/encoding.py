"""What models that read one text and write none have in common: their one message, their device, their batches.

Contract: a text that is longer than the model reads is cut, and its reply says so (`finish_reason` is `length`); its
usage counts the tokens that were read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from dreamsmk.errors import RequestRejected, SettingsError
from dreamsmk.providers.base import Capabilities, check_request
from dreamsmk.providers.local.batching import BatchLimits, by_length, in_batches
from dreamsmk.providers.local.rejections import Rejections
from dreamsmk.requests import Request, Response, Usage
from dreamsmk.settings import ModelSpec


@dataclass(frozen=True, slots=True)
class Reading:
    """How much of a text a model reads.

    Attributes:
        tokens: The tokens that it reads.
        is_cut: Whether the text has more.
    """

    tokens: int
    is_cut: bool

    @classmethod
    def of(cls, tokens: int, limit: float | None) -> Reading:
        """Returns what is read of so many tokens, where the model reads `limit` at most."""
        if limit is None or tokens <= limit:
            return cls(tokens, False)
        return cls(int(limit), True)

    @property
    def finish_reason(self) -> str:
        """`length` for a text that was cut, else `stop`."""
        return "length" if self.is_cut else "stop"

    @property
    def usage(self) -> Usage:
        """The tokens that were read; none is written."""
        return Usage(input_tokens=self.tokens)


def check_one_text(request: Request, capabilities: Capabilities) -> None:
    """Raises `RequestRejected` for a request that is not made of one user message with a text."""
    check_request(request, capabilities)
    if len(request.messages) > 1:
        raise RequestRejected(
            f"the provider {request.model.provider!r} reads one message, and the request has {len(request.messages)}",
            hint="leave the system prompt out",
        )


# Answers some requests at once, told by index; a reply or the reason why there is none for each, in their order.
Answer = Callable[[Sequence[int]], Sequence[Response | RequestRejected]]


def answered_by_length(
    readings: Mapping[int, Reading], answer: Answer, limits: BatchLimits, rejections: Rejections
) -> Iterator[tuple[int, Response]]:
    """Yields the replies of requests, told by index, in batches of like length.

    Args:
        readings: What is read of each request to answer.
        answer: Answers some of them.
        limits: How many are answered at once; what is learned where memory runs out stays in it.
        rejections: Takes what is refused.
    """
    batch = _WholeBatch(answer)

    def length(index: int) -> int:
        return readings[index].tokens

    (group,) = by_length(list(readings), length, lambda _: None)
    for index, refused in in_batches(group, limits, batch, length, free=free_memory):
        reply = refused or batch.replies.pop(index)
        if isinstance(reply, RequestRejected):
            rejections.add(reply)
        else:
            yield index, reply


class _WholeBatch:
    """A batch whose rows are all done after one pass; a `batching.Batch`."""

    is_open = True

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.rows: list[int] = []
        self.replies: dict[int, Response | RequestRejected] = {}

    def admit(self, rows: Sequence[int]) -> None:
        self.rows.extend(rows)

    def advance(self) -> list[int]:
        self.replies.update(zip(self.rows, self._answer(self.rows), strict=True))
        return self.clear()[1]

    def clear(self) -> tuple[list[int], list[int]]:
        rows, self.rows = self.rows, []
        return [], rows


def check_one_device(spec: ModelSpec) -> None:
    """Raises `SettingsError` for a spec that wants copies of the model on several devices."""
    if spec.devices:
        raise SettingsError(
            f"the provider {spec.provider!r} runs one copy of a model", where="devices", hint="give one `device`"
        )


def free_memory() -> None:
    """Gives memory that nothing holds any more back to the system."""
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
