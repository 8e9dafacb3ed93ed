"""A row that got no reply it could use: data like a reply, never a null text that passes for one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from dreamsmk.requests.request import Request
from dreamsmk.requests.response import Response

# `rejected` and `unavailable` are the service's; the others are of replies that came and cannot be used.
FailureKind = Literal["rejected", "unavailable", "length", "content_filter", "refusal", "empty", "schema", "other"]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a row has no reply.

    Attributes:
        kind: What failed, in one word.
        reason: What failed, in one line, with the provider's own words.
        status: The HTTP status, where there was one.
        response: The reply that cannot be used, where there is one. It was paid for and is in the cache.
    """

    kind: FailureKind
    reason: str
    status: int | None = None
    response: Response | None = None


# Looks at a reply: None where it is good, a `Failure` where the row fails with it, or the request to go on with (a
# repair, the next turn), whose reply then takes its place. The number is how many replies the row had before.
Judge = Callable[[Request, Response, int], Request | Failure | None]
