from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from dreamsmk.errors import RequestRejected, ServiceUnavailable
from dreamsmk.providers.http_status import MAX_WORDS, retry_after_seconds, status_error


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 413, 422])
def test_what_will_come_again_is_rejected(status: int) -> None:
    error = status_error(status, "no", {}, service="openai")
    assert isinstance(error, RequestRejected)
    assert error.status == status


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 529])
def test_what_may_pass_is_unavailable(status: int) -> None:
    error = status_error(status, "later", {"retry-after": "2"}, service="openai")
    assert isinstance(error, ServiceUnavailable)
    assert (error.status, error.retry_after_seconds) == (status, 2.0)


def test_an_account_without_money_is_rejected_though_it_says_429() -> None:
    assert isinstance(status_error(429, "", {}, service="openai", code="insufficient_quota"), RequestRejected)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
    ],
)
def test_retry_after_is_read(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_seconds(headers) == seconds


def test_retry_after_may_be_a_date_to_come() -> None:
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert retry_after_seconds({"retry-after": moment}) == pytest.approx(60, abs=2)


def test_a_page_of_words_becomes_one_line_of_bounded_length() -> None:
    error = status_error(400, "a line\n\n" * 500, {}, service="openai")
    assert "\n" not in error.what
    assert len(error.what) < MAX_WORDS + 50
