"""What the calls of one model came to: how many, how many were paid for, and what was answered.

Contract: `requests` counts rows, `hits` the rows that were answered without sending anything (from the cache, or by
an identical request of the same run), `sent` the calls that were sent, each counted once whatever it was repeated,
`retries` the repeats. `usage`, `reported`, `finish_reasons` and the latency speak of every row that was answered, hits
included, so that they are the same for a run that was interrupted ten times; `sent_usage` is what this run paid for.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from dreamsmk.requests import Response, Usage


@dataclass(slots=True)
class Tally:
    """Counts of the calls of one model.

    Attributes:
        failed: Rows that got no reply.
        reported: Rows by the model that the provider says has answered.
        finish_reasons: Rows by why the reply ended.
        total_latency_seconds: Sum over the answered rows.
    """

    requests: int = 0
    hits: int = 0
    sent: int = 0
    retries: int = 0
    failed: int = 0
    usage: Usage = field(default_factory=Usage)
    sent_usage: Usage = field(default_factory=Usage)
    reported: Counter[str] = field(default_factory=Counter)
    finish_reasons: Counter[str] = field(default_factory=Counter)
    total_latency_seconds: float = 0.0

    @property
    def answered(self) -> int:
        """How many rows got a reply."""
        return sum(self.finish_reasons.values())

    @property
    def sent_tokens(self) -> int:
        """Tokens, in and out, that this run paid for."""
        return self.sent_usage.input_tokens + self.sent_usage.output_tokens

    def add_hit(self, response: Response) -> None:
        """Counts a row that the cache answered."""
        self.hits += 1
        self._add(response, 1)

    def add_call(self, attempts: int, response: Response | None, rows: int) -> None:
        """Counts a call, sent `attempts` times, that answered or failed `rows` rows."""
        if attempts:
            self.sent += 1
            self.retries += attempts - 1
        if response is None:
            self.failed += rows
            return
        self.hits += rows - 1
        self.sent_usage += response.usage
        self._add(response, rows)

    # Any: JSON.
    def to_json(self) -> dict[str, Any]:
        """Returns the counts as a plain JSON value; `latency_seconds` is the mean of the answered rows."""
        value = asdict(self)
        total = value.pop("total_latency_seconds")
        value["reported"] = dict(sorted(self.reported.items()))
        value["finish_reasons"] = dict(sorted(self.finish_reasons.items()))
        value["latency_seconds"] = round(total / self.answered, 6) if self.answered else 0.0
        return value

    def _add(self, response: Response, rows: int) -> None:
        for _ in range(rows):
            self.usage += response.usage
        self.reported[response.model] += rows
        self.finish_reasons[response.finish_reason] += rows
        self.total_latency_seconds += response.latency_seconds * rows
