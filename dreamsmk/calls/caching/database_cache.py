"""The call cache over a database: what is the same for every database.

Contract: as `calls.cache` says. A reply that was put and is not written yet counts as stored in everything that is
asked of this object.
"""

from __future__ import annotations

import json
import weakref
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from types import TracebackType
from typing import Self

from dreamsmk.calls.caching import queries
from dreamsmk.calls.caching.cache import ALL, CallRow, ModelCalls, RuleCalls, Selection, StoredCall
from dreamsmk.calls.caching.database import Database
from dreamsmk.calls.caching.reply_json import decoded
from dreamsmk.calls.caching.row_check import checked
from dreamsmk.calls.caching.writing import Entry, ReplyWriter
from dreamsmk.requests import Request, Response, Usage

KEYS_PER_SELECT = 2000
ROWS_PER_PAGE = 1000
# Replies that may wait for the disk before further calls are made: where it is slow, they would come to any number.
MAX_UNWRITTEN = 4000
# A transaction each, so that jobs that write meanwhile wait for no more than one.
ROWS_PER_DROP = 5000
# Replies, of all models, that are looked at to learn how long those of one model are.
LATEST_REPLIES = 10_000


class DatabaseCallCache:
    """A call cache in a database.

    Args:
        database: The database; it is closed with this.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._dialect = database.dialect
        self._replies = queries.replies(self._dialect)
        self._existing = queries.existing(self._dialect)
        self._writer = ReplyWriter(database)
        # On exit, or where `close` was forgotten: what was put is written.
        self._finalizer = weakref.finalize(self, self._writer.close)

    def get_many(self, keys: Sequence[str]) -> dict[str, Response]:
        """Returns the replies that are stored, by key."""
        found = self._writer.unwritten(keys)
        wanted = [key for key in keys if key not in found] if found else keys
        for start in range(0, len(wanted), KEYS_PER_SELECT):
            chunk = wanted[start : start + KEYS_PER_SELECT]
            rows = self._database.select(self._replies, self._dialect.keys(chunk))
            found.update([(key, decoded(response)) for key, response in rows])
        return found

    def existing(self, keys: Sequence[str]) -> set[str]:
        """Returns those of the keys that a reply is stored under, without reading any reply."""
        found = set(self._writer.unwritten(keys))
        for start in range(0, len(keys), KEYS_PER_SELECT):
            chunk = keys[start : start + KEYS_PER_SELECT]
            found.update([key for (key,) in self._database.select(self._existing, self._dialect.keys(chunk))])
        return found

    def put(
        self,
        key: str,
        request: Request,
        response: Response,
        *,
        rule: str = "",
        body: bytes | None = None,
        replaces: bool = False,
    ) -> None:
        """Stores one reply, unless there is one under that key and this is not to replace it; see `Replies.put`."""
        self._writer.add(Entry(key, request, response, rule, body, replaces))

    def flush(self) -> None:
        """Returns when every reply that was put is durable."""
        self._writer.group.flush()

    def refuse(self, requests: Sequence[Request]) -> None:
        """Lets every request be asked; see `Replies.refuse`."""

    def claim(self, keys: Sequence[str], *, anew: bool = False) -> set[str]:
        """Claims the right to make calls, once what was put before is nearly written; see `Replies.claim`."""
        self._writer.group.wait_for_room(MAX_UNWRITTEN)
        claimed = self._writer.claims.claim(keys)
        if claimed and not anew:
            # Its maker may have stored the reply, and given its claim back, between the caller's look and the claim.
            stored = self.existing(list(claimed))
            self._writer.claims.release(list(stored))
            claimed -= stored
        return claimed

    def release(self, keys: Sequence[str]) -> None:
        """Gives claims up; see `Replies.release`."""
        self._writer.claims.release(keys)

    def stats(self, selection: Selection = ALL, *, by_rule: bool = False) -> list[ModelCalls]:
        """Returns what is stored of each model; see `CallCache.stats`."""
        self.flush()
        rows = self._database.select(*queries.stats(self._dialect, selection, by_rule=by_rule))
        found = [
            ModelCalls(
                provider, model, calls, Usage(*map(int, tokens)), first_at, last_at, url, rule, int(retries), latency
            )
            for provider, model, url, rule, calls, *tokens, retries, latency, first_at, last_at in rows
        ]
        return sorted(found, key=lambda each: (each.provider, each.model, each.base_url or "", each.rule or ""))

    def lately(self, provider: str, model: str) -> list[RuleCalls]:
        """Returns what the latest replies of a model came to, by rule."""
        self.flush()
        rows = self._database.select(*queries.lately(self._dialect, provider, model, LATEST_REPLIES))
        return [RuleCalls(rule, calls, Usage(*map(int, tokens))) for rule, calls, *tokens in rows]

    def stored(self, *, model: str | None = None, containing: str = "", limit: int = 1000) -> list[StoredCall]:
        """Returns calls that are stored, the newest first; see `CallCache.stored`."""
        self.flush()
        selection = Selection(model=model, containing=containing)
        rows = self._database.select(*queries.stored(self._dialect, selection, limit))
        return [StoredCall(key, json.loads(request), created_at, rule) for key, request, created_at, rule in rows]

    def newest(self, selection: Selection = ALL, *, limit: int) -> list[CallRow]:
        """Returns whole calls, the newest first."""
        self.flush()
        return [CallRow(*row) for row in self._database.select(*queries.newest(self._dialect, selection, limit))]

    def beginning(self, start: str, *, limit: int) -> list[CallRow]:
        """Returns whole calls whose key begins with a text."""
        self.flush()
        return [CallRow(*row) for row in self._database.select(*queries.beginning(self._dialect, start, limit))]

    def rows(self, selection: Selection = ALL) -> Iterator[CallRow]:
        """Yields whole calls, the oldest first, without ever holding all of them."""
        self.flush()
        number = -1
        while page := self._database.select(*queries.page(self._dialect, selection, number, ROWS_PER_PAGE)):
            number = page[-1][0]
            yield from (CallRow(*columns) for _, *columns in page)

    def count(self, selection: Selection = ALL) -> int:
        """Returns how many calls are stored."""
        self.flush()
        calls: int = self._database.select(*queries.count(self._dialect, selection))[0][0]
        return calls

    def add_rows(self, rows: Iterable[CallRow]) -> int:
        """Stores whole calls that another cache gave; see `CallCache.add_rows`."""
        # What was put before comes before.
        self.flush()
        source, added = iter(rows), 0
        while chunk := list(islice(source, ROWS_PER_PAGE)):
            added += self._database.store([(False, [checked(row) for row in chunk])])
        return added

    def drop(self, selection: Selection) -> int:
        """Deletes calls for ever and returns how many there were."""
        self.flush()
        left, newest = self._database.select(*queries.count(self._dialect, selection))[0]
        dropped = 0
        while left > 0:
            gone = self._database.delete(*queries.drop(self._dialect, selection, newest, ROWS_PER_DROP))
            dropped += gone
            left = left - gone if gone else 0
        return dropped

    def vacuum(self) -> None:
        """Gives the space of deleted calls back to the file system."""
        self.flush()
        self._database.vacuum()

    def close(self) -> None:
        """Flushes and closes; harmless when closed already."""
        self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
