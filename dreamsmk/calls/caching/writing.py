"""The writing half of a call cache: replies on their way to the disk, and the claims that end there.

Contract: whoever put a reply finds it at once, written or not; the first one under a key stays here as in the database,
unless one replaces it. A claim on a call ends once its reply is durable. This half knows nothing of the cache object,
so that a forgotten cache can be collected.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from dreamsmk.calls.caching.claims import Claims
from dreamsmk.calls.caching.database import Database, Row
from dreamsmk.calls.caching.group_commit import GroupCommit
from dreamsmk.calls.caching.reply_json import encoded
from dreamsmk.hashing import canonical_bytes
from dreamsmk.requests import Request, Response


class Entry(NamedTuple):
    """A reply as it was put."""

    key: str
    request: Request
    response: Response
    rule: str
    body: bytes | None
    replaces: bool


class ReplyWriter:
    """Writes replies in groups.

    Args:
        database: Where they go; it is closed with this.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._unwritten: dict[str, Response] = {}
        self.claims = Claims(database.book())
        self.group: GroupCommit[Entry] = GroupCommit(self._write)

    def add(self, entry: Entry) -> None:
        """Takes one reply; never waits for the disk."""
        with self._lock:
            if entry.replaces:
                self._unwritten[entry.key] = entry.response
            else:
                self._unwritten.setdefault(entry.key, entry.response)
        self.group.add(entry)

    def unwritten(self, keys: Sequence[str]) -> dict[str, Response]:
        """Returns the replies that are not yet in the database."""
        if not self._unwritten:
            return {}
        with self._lock:
            return {key: self._unwritten[key] for key in keys if key in self._unwritten}

    def close(self) -> None:
        """Writes what was added, gives the claims back and closes the database."""
        try:
            self.group.close()
        finally:
            try:
                self.claims.close()
            finally:
                self._database.close()

    def _write(self, entries: list[Entry]) -> None:
        self._database.store(
            [(replaces, [_row(entry) for entry in group]) for replaces, group in groupby(entries, _replaces)]
        )
        with self._lock:
            for entry in entries:
                # One that replaces it may have been put since, and is not in the database yet.
                if self._unwritten.get(entry.key) is entry.response:
                    del self._unwritten[entry.key]
        self.claims.release([entry.key for entry in entries])


def _replaces(entry: Entry) -> bool:
    return entry.replaces


def _row(entry: Entry) -> Row:
    request, response = entry.request, entry.response
    body = canonical_bytes(request.canonical()) if entry.body is None else entry.body
    model = request.model
    return Row(
        entry.key,
        body.decode(),
        encoded(response),
        response.created_at,
        entry.rule,
        model.model,
        model.provider,
        model.base_url,
        response,
    )
