"""What an HTTP status of a service means for the request that got it.

Contract: 408, 409, 425, 429 and 5xx may pass by themselves and become `ServiceUnavailable`, with the time that the
service asks to wait. All other statuses will come again and become `RequestRejected`. So does a 429 that says that
the account has no money left.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from dreamsmk.errors import ProviderError, RequestRejected, ServiceUnavailable

PASSING_STATUSES = frozenset({408, 409, 425, 429})
SPENT_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
MAX_WORDS = 400

HINTS = {
    401: "check the API key",
    402: "the account has no money left",
    403: "the API key may not use this model",
    404: "check the model's name and base_url",
    413: "shorten the prompt",
}


def status_error(
    status: int, words: str, headers: Mapping[str, str], *, service: str, code: str | None = None
) -> ProviderError:
    """Returns the exception for a reply that is not 2xx.

    Args:
        status: The HTTP status.
        words: What the service says, already without the API key.
        headers: The reply's headers, whose names are looked up in lower case.
        service: The provider's name.
        code: The service's own code for the error, where it gives one.
    """
    what = f"{service} says {status}: {one_line(words)}"
    if status not in PASSING_STATUSES and status < 500:
        return RequestRejected(what, status=status, hint=HINTS.get(status, ""))
    if code in SPENT_CODES:
        return RequestRejected(what, status=status, hint="the account's quota is spent")
    return ServiceUnavailable(what, status=status, retry_after_seconds=retry_after_seconds(headers))


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Returns how long a service asks to wait, in seconds.

    It stands in `retry-after-ms`, or in `retry-after` as seconds or as a date.
    """
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        seconds = _number(headers.get(name))
        if seconds is not None:
            return max(0.0, seconds * unit)
    try:
        moment = parsedate_to_datetime(headers.get("retry-after", ""))
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (aware - datetime.now(UTC)).total_seconds())


def one_line(words: str) -> str:
    """Returns a service's words on one line of bounded length, as messages of three lines need them."""
    line = " ".join(words.split())
    return line if len(line) <= MAX_WORDS else line[: MAX_WORDS - 1] + "…"


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None
