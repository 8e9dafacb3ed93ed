"""What the store holds: entries with their sizes and last use, and the size of each part of the home.

Contract: looking changes nothing, and what another process removes meanwhile is left out.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime

from dreamsmk.store.copies import size_of
from dreamsmk.store.entry import parse_action
from dreamsmk.store.home import Home
from dreamsmk.store.records import Records

NO_RECORD = "(no record)"


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """One entry as the collector sees it.

    Attributes:
        size_bytes: Of all its outputs; what a target shares with it by a hard link or a reflink is counted too.
        used_ns: When it was entered or last found, in nanoseconds since 1970.
    """

    fingerprint: str
    size_bytes: int
    used_ns: int


@dataclass(frozen=True, slots=True)
class TaskUsage:
    """What the entries of one task hold together."""

    task: str
    entries: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class StoreStats:
    """What a home holds.

    Attributes:
        tasks: The largest first.
        parts: Bytes of each part of the home.
        oldest_use: When the entry that was used longest ago was used, ISO 8601; None without entries.
        newest_use: When an entry was last used.
    """

    entries: int
    size_bytes: int
    tasks: list[TaskUsage]
    parts: dict[str, int]
    oldest_use: str | None
    newest_use: str | None


def stored_entries(home: Home) -> list[StoredEntry]:
    """Returns all entries, the one used longest ago first.

    Raises:
        StoreError: A newer dreamsmk wrote one of them.
    """
    entries = []
    for fingerprint in home.fingerprints("actions"):
        path = home.action(fingerprint)
        try:
            used_ns = path.stat().st_mtime_ns
            parse_action(path.read_bytes(), fingerprint, path)
        except FileNotFoundError:
            continue
        entries.append(StoredEntry(fingerprint, size_of(home.blob(fingerprint)), used_ns))
    return sorted(entries, key=lambda entry: (entry.used_ns, entry.fingerprint))


def task_of(fingerprint: str, records: Records) -> str:
    """Returns the name of the task that an entry's record names."""
    record = records.load(fingerprint)
    return str(record["task"]["name"]) if record else NO_RECORD


def store_stats(home: Home, records: Records) -> StoreStats:
    """Returns what a home holds."""
    entries = stored_entries(home)
    by_task: dict[str, list[int]] = defaultdict(list)
    for entry in entries:
        by_task[task_of(entry.fingerprint, records)].append(entry.size_bytes)
    tasks = [TaskUsage(task, len(sizes), sum(sizes)) for task, sizes in by_task.items()]
    return StoreStats(
        entries=len(entries),
        size_bytes=sum(entry.size_bytes for entry in entries),
        tasks=sorted(tasks, key=lambda usage: (-usage.size_bytes, usage.task)),
        parts={part: sum(map(size_of, paths)) for part, paths in home.sizes().items()},
        oldest_use=_iso(entries[0].used_ns) if entries else None,
        newest_use=_iso(entries[-1].used_ns) if entries else None,
    )


def _iso(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns / 1e9, UTC).isoformat(timespec="seconds")
