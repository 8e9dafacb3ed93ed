"""The collector: entries that nobody will miss, and what killed jobs left.

Contract: it never breaks a build. It takes the lock of a fingerprint before it touches anything of it, and leaves alone
what is locked, and entries that were used after it had looked. An entry goes before its outputs do, and those go in one
step (`trash`). Replies in the call cache are never touched; records stay unless they are asked for.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from dreamsmk.hashing import DigestMemo
from dreamsmk.store.copies import size_of
from dreamsmk.store.files import is_leftover, remove
from dreamsmk.store.home import Home, Part
from dreamsmk.store.inventory import StoredEntry, stored_entries, task_of
from dreamsmk.store.locks import try_locked
from dreamsmk.store.placements import open_placements
from dreamsmk.store.reachable import possible_paths, reachable
from dreamsmk.store.records import Records
from dreamsmk.store.trash import discard, empty_trash

DAY_SECONDS = 86400
# Nobody takes longer between writing a temporary file and giving it its name.
_LEAST_LEFTOVER_SECONDS = 3600

Kind = Literal["entry", "output without entry", "scratch", "record", "lock", "temporary file", "trash"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What to collect.

    Without one of the first three no entry goes. With several, an entry goes only if all of them say so.

    Attributes:
        older_than_seconds: Entries that were not used for so long.
        max_size_bytes: Entries that were used longest ago, until those that are left hold no more than this.
        is_unreachable: Entries that no target on disk stands for, nor any that was made from them.
        grace_seconds: How long a killed job's scratch folder and temporary files are kept.
        with_records: Whether records go too, of what has no entry and is not reachable.
        is_dry_run: Whether only to say what would go.
    """

    older_than_seconds: float | None = None
    max_size_bytes: int | None = None
    is_unreachable: bool = False
    grace_seconds: float = 7 * DAY_SECONDS
    with_records: bool = False
    is_dry_run: bool = False

    @property
    def chooses_entries(self) -> bool:
        """Whether any entry can go."""
        return self.is_unreachable or self.older_than_seconds is not None or self.max_size_bytes is not None


@dataclass(frozen=True, slots=True)
class Collected:
    """One thing that went, or would.

    Attributes:
        name: A fingerprint or a path.
        task: Of an entry; else empty.
        freed_bytes: Less than its size where a target shares its files by hard links.
    """

    kind: Kind
    name: str
    task: str
    freed_bytes: int


@dataclass(slots=True)
class Collection:
    """All that went, or would.

    Attributes:
        in_use: How many things were left alone because a process held or used them.
        entries_left: How many entries the store still has.
        size_bytes_left: How much those hold.
    """

    collected: list[Collected] = field(default_factory=list)
    in_use: int = 0
    entries_left: int = 0
    size_bytes_left: int = 0


def collect(home: Home, memo: DigestMemo, policy: Policy) -> Collection:
    """Collects what a policy says, and what killed jobs left.

    Raises:
        StoreError: A newer dreamsmk wrote an entry; or something cannot be removed.
    """
    collector = _Collector(home, memo, policy)
    collector.collect_entries()
    collector.collect_blobs()
    collector.collect_scratch()
    if policy.with_records:
        collector.collect_records()
    collector.collect_temporary_files()
    collector.collect_locks()
    collector.empty_trash()
    return collector.collection


class _Collector:
    def __init__(self, home: Home, memo: DigestMemo, policy: Policy) -> None:
        self.collection = Collection()
        self._home = home
        self._memo = memo
        self._policy = policy
        self._now = time.time()
        self._records = Records(home, memo)
        self._trash_before = size_of(home.trash)
        self._locks_before = frozenset(home.fingerprints("locks"))
        self._reachable: set[str] | None = None
        self._gone: set[str] = set()  # entries that went, or would

    def collect_entries(self) -> None:
        """Drops the entries that the policy chooses."""
        entries = stored_entries(self._home)
        size_bytes = sum(entry.size_bytes for entry in entries)
        most = self._policy.max_size_bytes
        for entry in filter(self._is_chosen, entries) if self._policy.chooses_entries else ():
            if most is not None and size_bytes <= most:
                break
            if self._drop_entry(entry):
                size_bytes -= entry.size_bytes
        self.collection.entries_left = len(entries) - len(self._gone)
        self.collection.size_bytes_left = size_bytes

    def collect_blobs(self) -> None:
        """Removes outputs without an entry: a job was killed before it entered them, or the entry was dropped."""
        self._collect_unheld(
            "blobs", "output without entry", self._home.blob, lambda fingerprint: not self._has_entry(fingerprint)
        )

    def collect_scratch(self) -> None:
        """Removes what killed jobs left to go on from, once nobody has for as long as the grace lasts."""
        self._collect_unheld("scratch", "scratch", self._home.scratch, self._is_scratch_stale)

    def collect_records(self) -> None:
        """Removes the records of what has neither an entry nor a target on disk that goes back to it."""

        def is_needless(fingerprint: str) -> bool:
            return fingerprint not in self._reached() and not self._has_entry(fingerprint)

        for fingerprint in self._unheld("records", is_needless):
            record = self._records.load(fingerprint) or {"outputs": {}}
            self._note("record", fingerprint, size_of(self._home.record(fingerprint)))
            if not self._policy.is_dry_run:
                for output in record["outputs"].values():
                    remove(self._home.maker(output["digest"], fingerprint))
                remove(self._home.record(fingerprint))

    def collect_temporary_files(self) -> None:
        """Removes temporary files that killed processes left in the home and beside targets."""
        for path in sorted(set(self._temporary_files())):
            # a hard link has the old modification time of what it is linked to
            with suppress(FileNotFoundError):
                if self._now - path.lstat().st_ctime > max(self._policy.grace_seconds, _LEAST_LEFTOVER_SECONDS):
                    self._note("temporary file", str(path), size_of(path, only_unshared=True))
                    if not self._policy.is_dry_run:
                        remove(path)

    def collect_locks(self) -> None:
        """Removes the files of locks that nobody holds, those that the collector made itself too."""
        for fingerprint in self._unheld("locks", lambda _: True):
            if fingerprint in self._locks_before:
                self._note("lock", fingerprint, 0)
            if not self._policy.is_dry_run:
                remove(self._home.lock(fingerprint))  # while it is held

    def empty_trash(self) -> None:
        """Removes what was moved into the trash, by this collector or by one that was killed."""
        if self._trash_before:
            self._note("trash", str(self._home.trash), self._trash_before)
        if not self._policy.is_dry_run:
            empty_trash(self._home)

    def _is_chosen(self, entry: StoredEntry) -> bool:
        oldest = self._policy.older_than_seconds
        if oldest is not None and self._now - entry.used_ns / 1e9 < oldest:
            return False
        return not (self._policy.is_unreachable and entry.fingerprint in self._reached())

    def _drop_entry(self, entry: StoredEntry) -> bool:
        action = self._home.action(entry.fingerprint)
        blob = self._home.blob(entry.fingerprint)
        with self._lock(entry.fingerprint) as is_held:
            if not is_held or _modified_ns(action) != entry.used_ns:
                self.collection.in_use += 1
                return False
            self._gone.add(entry.fingerprint)
            task = task_of(entry.fingerprint, self._records)
            self._note("entry", entry.fingerprint, size_of(blob, only_unshared=True), task)
            if not self._policy.is_dry_run:
                remove(action)
                discard(self._home, blob)
        return True

    def _collect_unheld(
        self, part: Part, kind: Kind, place: Callable[[str], Path], is_garbage: Callable[[str], bool]
    ) -> None:
        for fingerprint in self._unheld(part, is_garbage):
            self._note(kind, fingerprint, size_of(place(fingerprint), only_unshared=True))
            if not self._policy.is_dry_run:
                discard(self._home, place(fingerprint))

    def _unheld(self, part: Part, is_garbage: Callable[[str], bool]) -> Iterator[str]:
        """Yields the fingerprints with garbage in a part of the home, each while its lock is held."""
        for fingerprint in self._home.fingerprints(part):
            if fingerprint in self._gone and part == "blobs":
                continue  # a dry run counted it with its entry
            if not is_garbage(fingerprint):
                continue
            with self._lock(fingerprint) as is_held:
                if not is_held:
                    self.collection.in_use += 1
                elif is_garbage(fingerprint):  # still
                    yield fingerprint

    def _lock(self, fingerprint: str) -> AbstractContextManager[bool]:
        path = self._home.lock(fingerprint)
        if self._policy.is_dry_run and not path.exists():
            return nullcontext(True)  # a dry run makes no files
        return try_locked(path)

    def _has_entry(self, fingerprint: str) -> bool:
        return fingerprint not in self._gone and self._home.action(fingerprint).exists()

    def _is_scratch_stale(self, fingerprint: str) -> bool:
        folder = self._home.scratch(fingerprint)
        paths = [
            folder,
            *(Path(above) / name for above, *below in os.walk(folder) for names in below for name in names),
        ]
        newest_ns = max(_modified_ns(path) or 0 for path in paths)
        return self._now - newest_ns / 1e9 > self._policy.grace_seconds

    def _temporary_files(self) -> Iterator[Path]:
        for folder in self._home.folders_of_files():
            yield from (folder / name for name in _names(folder) if is_leftover(name))
        listed: dict[Path, list[str]] = {}
        for placed in open_placements(self._home).all():
            for target in possible_paths(placed, self._home):
                if target.parent not in listed:
                    listed[target.parent] = [name for name in _names(target.parent) if is_leftover(name)]
                yield from (target.parent / name for name in listed[target.parent] if is_leftover(name, target))

    def _reached(self) -> set[str]:
        if self._reachable is None:
            self._reachable = reachable(self._home, self._memo)
        return self._reachable

    def _note(self, kind: Kind, name: str, freed_bytes: int, task: str = "") -> None:
        self.collection.collected.append(Collected(kind, name, task, freed_bytes))


def _modified_ns(path: Path) -> int | None:
    try:
        return path.lstat().st_mtime_ns
    except FileNotFoundError:
        return None


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []
