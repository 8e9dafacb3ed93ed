"""Call caches side by side: `python -m benchmarks.stores ours|bare COUNT FOLDER` prints what one of them does.

`ours` is `SqliteCallCache`: rows are put one by one, as replies arrive, and the clock stops when all of them are on the
disk; they are read by another cache object, 1,000 keys at a time, as replies. `bare` is `sqlite3` with the same table,
the same PRAGMAs and transactions of 1,000 rows; it reads the same keys with the same statement, as text that nobody
looks into, and once more with each text read as JSON.
"""

from __future__ import annotations

import gc
import json
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from benchmarks.workload import MODEL, stored_reply, stored_rows
from dreamsmk.calls import SqliteCallCache
from dreamsmk.requests import Message, ModelIdentity, Request, Response

ROWS_AT_ONCE = 1000
_TABLE = """
CREATE TABLE calls (key TEXT NOT NULL PRIMARY KEY, request TEXT NOT NULL, response TEXT NOT NULL,
created_at TEXT NOT NULL, rule TEXT NOT NULL, model TEXT NOT NULL, provider TEXT NOT NULL)
"""
_INSERT = "INSERT INTO calls VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING"
_SELECT = "SELECT key, response FROM calls WHERE key IN (SELECT value FROM json_each(?))"


def seconds_of(step: Callable[[], object]) -> float:
    """Returns how long a step takes."""
    gc.collect()
    started = time.perf_counter()
    step()
    return time.perf_counter() - started


def ours(count: int, folder: Path) -> dict[str, float]:
    """Measures `SqliteCallCache`."""
    identity = ModelIdentity("openai", MODEL)
    rows = []
    for number, (key, body, _) in enumerate(stored_rows(count)):
        request = Request(identity, (Message("user", json.loads(body)["messages"][0]["content"]),))
        rows.append((key, request, Response.from_json(stored_reply(number)), body.encode()))
    assert rows[0][1].key() == rows[0][0], "the benchmark's keys are not those of dreamsmk"

    def put() -> None:
        for key, request, response, body in rows:
            writing.put(key, request, response, rule="benchmark", body=body)
        writing.flush()

    with SqliteCallCache(folder / "ours.db") as writing:
        put_seconds = seconds_of(put)

    def get() -> None:
        for keys in groups([row[0] for row in rows]):
            assert len(reading.get_many(keys)) == len(keys)

    with SqliteCallCache(folder / "ours.db") as reading:
        return {"put": count / put_seconds, "get": count / seconds_of(get)}


def bare(count: int, folder: Path) -> dict[str, float]:
    """Measures `sqlite3` itself."""
    rows = [
        (key, request, reply, "2026-01-01T00:00:00+00:00", "benchmark", MODEL, "openai")
        for key, request, reply in stored_rows(count)
    ]
    writing = _opened(folder / "bare.db")
    writing.execute(_TABLE)

    def put() -> None:
        for start in range(0, count, ROWS_AT_ONCE):
            writing.execute("BEGIN IMMEDIATE")
            writing.executemany(_INSERT, rows[start : start + ROWS_AT_ONCE])
            writing.execute("COMMIT")

    put_seconds = seconds_of(put)
    writing.close()
    reading = _opened(folder / "bare.db")

    def get(use: Callable[[str], object] | None) -> None:
        for keys in groups([row[0] for row in rows]):
            found = dict(reading.execute(_SELECT, (json.dumps(keys),)).fetchall())
            if use is not None:
                found = {key: use(text) for key, text in found.items()}
            assert len(found) == len(keys)

    get_seconds = seconds_of(lambda: get(None))
    parsed_seconds = seconds_of(lambda: get(json.loads))
    reading.close()
    return {"put": count / put_seconds, "get": count / get_seconds, "get_parsed": count / parsed_seconds}


def groups(keys: list[str]) -> Iterator[list[str]]:
    """Yields the keys, `ROWS_AT_ONCE` at a time."""
    rest = iter(keys)
    while group := list(islice(rest, ROWS_AT_ONCE)):
        yield group


def _opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "cache_size=-32768"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


if __name__ == "__main__":
    print(json.dumps({"ours": ours, "bare": bare}[sys.argv[1]](int(sys.argv[2]), Path(sys.argv[3]))))
