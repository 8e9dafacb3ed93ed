"""Which cache, and which calls of it: what the verbs of `dreamsmk cache` share.

Contract: looking makes nothing. A cache file that was named must be there; the one of the home need not be yet.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dreamsmk.calls import CallCache, ModelCalls, Selection, cost_of, is_there, is_url, open_cache
from dreamsmk.calls.bounds.prices import UNKNOWN, Cost
from dreamsmk.cli.quantities import duration_seconds
from dreamsmk.cli.target import add_home, open_home
from dreamsmk.errors import DreamsmkError, SettingsError
from dreamsmk.requests import Usage
from dreamsmk.settings import ModelSpec


def add_where(parser: argparse.ArgumentParser) -> None:
    """Adds the options that say which cache."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--file", help="the call cache, where the config's `cache:` names another")
    where.add_argument("--url", help="the call cache in PostgreSQL: postgresql://user@host/database")
    add_home(where)


def add_selection(parser: argparse.ArgumentParser) -> None:
    """Adds the options that say which calls."""
    which = parser.add_argument_group("which calls")
    which.add_argument("--model", help="those of this model id")
    which.add_argument("--provider", help="those of this provider")
    which.add_argument("--rule", help="those that this rule asked first")
    which.add_argument("--older-than", type=_moment, metavar="AGE", help="those before: 30d, 12h, 2w, or 2026-01-31")
    which.add_argument("--newer-than", type=_moment, metavar="AGE", help="those since: 30d, 12h, 2w, or 2026-01-31")
    which.add_argument("--containing", default="", metavar="TEXT", help="those whose request contains this")


def selection_of(given: argparse.Namespace) -> Selection:
    """Returns which calls were asked for."""
    # A text stands in the request's JSON with its quotes and line breaks escaped.
    return Selection(
        model=given.model,
        provider=given.provider,
        rule=given.rule,
        since=given.newer_than,
        until=given.older_than,
        containing=json.dumps(given.containing, ensure_ascii=False)[1:-1],
    )


def place_of(given: argparse.Namespace) -> str | Path:
    """Returns where the cache is.

    Raises:
        SettingsError: There is no such file, or no home.
    """
    if given.url is not None:
        if not is_url(given.url):
            raise SettingsError("this is no URL of a call cache", hint="write postgresql://user@host/database")
        return str(given.url)
    if given.file is None:
        return open_home(given.home).calls
    if is_url(given.file):
        return str(given.file)
    if not Path(given.file).is_file():
        raise SettingsError("there is no such call cache", where=given.file)
    return Path(given.file)


@contextmanager
def existing_cache(given: argparse.Namespace) -> Iterator[CallCache | None]:
    """Opens the cache for a look; gives None where none was made yet."""
    place = place_of(given)
    if not is_there(place):
        yield None
        return
    with open_cache(place) as cache:
        yield cache


def cost_of_calls(calls: ModelCalls) -> Cost:
    """Returns what calls cost by the price list of the day of the latest of them."""
    return listed_cost(calls.provider, calls.model, calls.base_url, calls.usage, calls=calls.calls, at=calls.last_at)


def listed_cost(provider: str, model: str, base_url: str | None, usage: Usage, *, calls: int, at: str) -> Cost:
    """Returns what calls cost by the price list; unknown for what no list names."""
    spec = ModelSpec(provider=provider, model=model, base_url=base_url)
    try:
        return cost_of(spec, usage, calls=calls, at=datetime.fromisoformat(at))
    except DreamsmkError:
        # A provider that this installation does not have.
        return UNKNOWN


def minute(moment: str) -> str:
    """Returns a time in UTC, ISO 8601, as people read it: `2026-11-20 22:07 UTC`."""
    return f"{moment[:10]} {moment[11:16]} UTC"


def _moment(text: str) -> str:
    """Returns a moment in UTC, ISO 8601, from an age or a date.

    Raises:
        argparse.ArgumentTypeError: It is neither.
    """
    if re.match(r"\d{4}-", text):
        try:
            moment = datetime.fromisoformat(text)
        except ValueError as exc:
            raise argparse.ArgumentTypeError(f"{text!r} is no date: write 2026-01-31 or 2026-01-31T12:00") from exc
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    else:
        moment = datetime.now(UTC) - timedelta(seconds=duration_seconds(text))
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")
