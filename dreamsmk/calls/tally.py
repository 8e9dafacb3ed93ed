"""What the calls of one model came to: how many, how many were paid for, and what was answered.

Contract: `requests` counts rows and what judges went on with, `hits` those of them that were answered without sending
anything (from the cache, or by an identical request of the same run), `sent` the calls that were sent, each counted
once whatever it was repeated, `retries` the repeats. `usage`, `reported`, `finish_reasons`, what replies came to and
the latency speak of every reply, hits included, so that they are the same for a run that was interrupted ten times;
`sent_usage` is what this run paid for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from operator import attrgetter
from typing import Any

from dreamsmk.calls.call import Call
from dreamsmk.requests import Response, Usage
from dreamsmk.requests.failure import FailureKind

_TOKENS = [attrgetter(name) for name in Usage.__dataclass_fields__]
_MODEL, _FINISH_REASON, _LATENCY = attrgetter("model"), attrgetter("finish_reason"), attrgetter("latency_seconds")
_SCORES = ("embedding", "labels", "tool_calls")


@dataclass(slots=True)
class Tally:
    """Counts of the calls of one model.

    Attributes:
        followups: Requests that a judge went on with.
        failed: Rows that failed for good.
        failures: Those rows by what failed.
        refusals: Replies in which the model refused.
        empty: Replies without any text, or whatever else was wanted.
        truncated: Replies that were cut at the limit of new tokens.
        reported: Replies by the model that the provider says has answered.
        finish_reasons: Replies by why they ended.
        total_latency_seconds: Sum over the replies.
        max_latency_seconds: The longest of them.
    """

    requests: int = 0
    followups: int = 0
    hits: int = 0
    sent: int = 0
    retries: int = 0
    failed: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    refusals: int = 0
    empty: int = 0
    usage: Usage = field(default_factory=Usage)
    sent_usage: Usage = field(default_factory=Usage)
    reported: Counter[str] = field(default_factory=Counter)
    finish_reasons: Counter[str] = field(default_factory=Counter)
    total_latency_seconds: float = 0.0
    max_latency_seconds: float = 0.0

    @property
    def answered(self) -> int:
        """How many replies there are."""
        return sum(self.finish_reasons.values())

    @property
    def truncated(self) -> int:
        """Replies that were cut at the limit of new tokens."""
        return self.finish_reasons["length"]

    @property
    def sent_tokens(self) -> int:
        """Tokens, in and out, that this run paid for."""
        return self.sent_usage.input_tokens + self.sent_usage.output_tokens

    def add_hits(self, replies: Sequence[Response]) -> None:
        """Counts rows that the cache answered."""
        self.hits += len(replies)
        self._add(replies)

    def add_calls(self, calls: Sequence[Call]) -> None:
        """Counts calls that came to their end, each for all rows that have waited for it."""
        sent = [call for call in calls if call.attempts]
        self.sent += len(sent)
        self.retries += sum([call.attempts for call in sent]) - len(sent)
        self.sent_usage += self._add([call.response for call in sent if call.response is not None])
        for call in calls:
            shared = len(call.rows) - 1 if call.attempts else len(call.rows)
            if shared and call.response is not None:
                self.add_hits([call.response] * shared)

    def add_failure(self, kind: FailureKind) -> None:
        """Counts a row that failed for good."""
        self.failed += 1
        self.failures[kind] += 1

    # Any: JSON.
    def to_json(self) -> dict[str, Any]:
        """Returns the counts as a plain JSON value; `latency_seconds` is the mean of the replies."""
        value = asdict(self)
        total = value.pop("total_latency_seconds")
        for name in ("failures", "reported", "finish_reasons"):
            value[name] = dict(sorted(getattr(self, name).items()))
        value["truncated"] = value["finish_reasons"].get("length", 0)
        value["latency_seconds"] = round(total / self.answered, 6) if self.answered else 0.0
        value["max_latency_seconds"] = round(self.max_latency_seconds, 6)
        return value

    def _add(self, replies: Sequence[Response]) -> Usage:
        """Counts replies; returns the tokens of all of them."""
        # Many at a time, in loops of the interpreter's own: of a million rows each one passes here.
        if not replies:
            return Usage()
        usages = [reply.usage for reply in replies]
        usage = Usage(*[sum(map(tokens, usages)) for tokens in _TOKENS])
        self.usage += usage
        self.reported.update(map(_MODEL, replies))
        self.finish_reasons.update(map(_FINISH_REASON, replies))
        seconds = list(map(_LATENCY, replies))
        self.total_latency_seconds += sum(seconds)
        self.max_latency_seconds = max(self.max_latency_seconds, *seconds)
        for reply in replies:
            if reply.refusal is not None or reply.finish_reason == "refusal":
                self.refusals += 1
            elif (not reply.text or reply.text.isspace()) and not any(getattr(reply, name) for name in _SCORES):
                self.empty += 1
        return usage
