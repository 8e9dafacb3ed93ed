"""Calls that wait for a batch, gathered until it is full.

Contract: calls of one gathering go to one path of one model, and together keep to the service's limits of one batch.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from dreamsmk.calls.call import Call
from dreamsmk.errors import RequestRejected
from dreamsmk.providers.batches import BatchService, custom_id


@dataclass(slots=True)
class Gathering:
    """The next batch of one path.

    Attributes:
        group: The path.
        calls: Its calls, in order.
        lines: What stands in the input for each of them.
        lines_bytes: How long those are together.
    """

    group: str
    calls: list[Call] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)
    lines_bytes: int = 0

    def has_room(self, line: bytes, service: BatchService) -> bool:
        """Whether one more call keeps to the limits."""
        count = len(self.lines) + 1
        size_bytes = service.INPUT.size_bytes(count, self.lines_bytes + len(line))
        return count <= service.limits.calls and size_bytes <= service.limits.size_bytes

    def add(self, call: Call, line: bytes) -> None:
        """Adds a call."""
        self.calls.append(call)
        self.lines.append(line)
        self.lines_bytes += len(line)

    def keep_only(self, keys: set[str]) -> None:
        """Lets go of all calls but those of some keys."""
        kept = [(call, line) for call, line in zip(self.calls, self.lines, strict=True) if call.key in keys]
        self.calls, self.lines = [call for call, _ in kept], [line for _, line in kept]
        self.lines_bytes = sum(map(len, self.lines))

    def halves(self) -> tuple[Gathering, Gathering]:
        """Returns its calls as two."""
        middle = len(self.calls) // 2
        first, second = Gathering(self.group), Gathering(self.group)
        for number, (call, line) in enumerate(zip(self.calls, self.lines, strict=True)):
            (first if number < middle else second).add(call, line)
        return first, second


class Gatherings:
    """All calls that wait for a batch.

    Args:
        service: Whose limits hold.
    """

    def __init__(self, service: BatchService) -> None:
        self._service = service
        self._filling: dict[str, Gathering] = {}
        # Those that nothing is added to any more.
        self._full: list[Gathering] = []

    def __bool__(self) -> bool:
        return bool(self._filling or self._full)

    def add(self, call: Call) -> None:
        """Adds a call.

        Raises:
            RequestRejected: The request cannot be said in this API, or fills more than a batch by itself.
        """
        line = line_of(call, self._service)
        group = self._service.group(call.request)
        filling = self._filling.get(group)
        if filling is not None and not filling.has_room(line, self._service):
            self._full.append(self._filling.pop(group))
            filling = None
        if filling is None:
            filling = self._filling[group] = Gathering(group)
        filling.add(call, line)

    def take(self, *, full: bool) -> Gathering | None:
        """Returns the next one to be submitted, if there is one; with `full`, only one that can take no more."""
        if self._full:
            return self._full.pop(0)
        if full or not self._filling:
            return None
        return self._filling.pop(next(iter(self._filling)))

    def put_back(self, *gatherings: Gathering) -> None:
        """Keeps what was not submitted, to come next."""
        self._full[:0] = gatherings

    def take_calls(self) -> list[Call]:
        """Returns all calls and forgets them."""
        calls = [call for gathering in (*self._full, *self._filling.values()) for call in gathering.calls]
        self._full.clear()
        self._filling.clear()
        return calls


def line_of(call: Call, service: BatchService) -> bytes:
    """Returns what stands in a batch for a call.

    Raises:
        RequestRejected: The request cannot be said in this API, or fills more than a batch by itself.
    """
    line = service.line(custom_id(call.key), call.request)
    if service.INPUT.size_bytes(1, len(line)) > service.limits.size_bytes:
        raise RequestRejected("the request is longer than a whole batch may be", hint="ask it with `mode: live`")
    return line
