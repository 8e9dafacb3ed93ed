"""The stat memo: digests of files and folders that have not changed since they were read.

Contract: a digest is remembered with the signature (device, inode, size, mtime, ctime) that the path had when it was
read, and is given again only for that very signature, and only where every later write must have changed it (see
`signatures`). A folder is known by the signatures of all its files; when some changed, only those are read again.
Nothing here loads polars unless a table has to be read.

Paths below the memo's root are stored relative to it, so that a project that was moved keeps its memo.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from dreamsmk.errors import IdentityError
from dreamsmk.hashing.digests import Algorithm, digest_file
from dreamsmk.hashing.memo_database import Entry, MemoDatabase
from dreamsmk.hashing.observations import Observation, observe
from dreamsmk.hashing.signatures import wait_for_tick, while_unchanged
from dreamsmk.hashing.trees import TreeFile, combine, digest_files

Kind = Literal["auto", "bytes", "rows", "tree"]
Slot = Literal["bytes", "rows", "tree"]

PathLike = str | os.PathLike[str]
# Reading a smaller file twice costs less than waiting for the clock.
_WAIT_FROM_BYTES = 16 * 1024 * 1024
_DIGEST = re.compile(r"(?:(tree|rows)-)?(xxh3:[0-9a-f]{32}|sha256:[0-9a-f]{64})")


class DigestMemo:
    """Digests by path, read once for each change of the content; for any number of threads and processes.

    Args:
        db_path: The SQLite file of the memo, made when it is first used.
        root: The folder that paths are stored relative to; the one above that of the memo file if not given.
    """

    def __init__(self, db_path: PathLike, *, root: PathLike | None = None) -> None:
        path = Path(os.path.abspath(db_path))
        self._database = MemoDatabase(path)
        above = os.path.abspath(root if root is not None else path.parent.parent)
        self._root = os.fsencode(above).rstrip(b"/") + b"/"

    def of(self, path: PathLike, kind: Kind = "auto", algorithm: Algorithm = "xxh3") -> str:
        """Returns the digest of a path's content now; what is not known is read.

        Args:
            path: A file or a folder.
            kind: `auto` is `tree` for a folder, `rows` for `*.parquet` and `bytes` for every other file.
            algorithm: What the digest is made with.

        Raises:
            IdentityError: It cannot be read, is not of that kind, or does not stop changing.
            TableError: `rows` of what is not a Parquet file.
            StoreError: The memo file cannot be used.
        """
        observed = observe(path)
        slot = _slot(path, kind, observed.is_folder)
        known = self._known(path, slot, algorithm, observed)
        return known if known is not None else self._measure(Path(path), slot, algorithm)

    def known(self, path: PathLike, kind: Kind = "auto", algorithm: Algorithm = "xxh3") -> str | None:
        """Returns the digest of a path's content now where no content must be read for it, else None."""
        try:
            observed = observe(path)
            slot = _slot(path, kind, observed.is_folder)
        except IdentityError:
            return None
        return self._known(path, slot, algorithm, observed)

    def last(self, path: PathLike, kind: Kind = "auto", algorithm: Algorithm = "xxh3") -> str | None:
        """Returns the digest that a path was last seen with, whatever is there now; None where it never was seen."""
        kinds: tuple[str, ...] = ("tree", "rows" if _is_parquet(path) else "bytes") if kind == "auto" else (kind,)
        slots = {f"{each}-{algorithm}" for each in kinds}
        return next((entry.digest for entry in self._database.entries_of(self._key(path)) if entry.slot in slots), None)

    def note(self, path: PathLike, digests: Mapping[str, str]) -> None:
        """Remembers digests that its writer knows, without reading the content.

        To be called once the content is complete and in its place: what is noted holds for the signature it has then.

        Args:
            path: The file or folder.
            digests: The digests, under any names: the beginning of each says what it is of.

        Raises:
            IdentityError: The path cannot be read, or a digest is none that it can have.
        """
        observed = observe(path)
        is_settled = observed.is_settled_for_writer(time.time_ns())
        key = self._key(path)
        self._database.put(
            [
                Entry(key, _slot_of_digest(digest, path, observed.is_folder), observed.signature, is_settled, digest)
                for digest in digests.values()
            ]
        )

    @contextmanager
    def carried(self, path: PathLike) -> Iterator[None]:
        """Keeps a path's digests over a block that changes times alone, such as `os.utime`.

        They are kept where the same files, of the same sizes, are there after the block. Nothing else may write them
        meanwhile. A path that is missing before or after is left alone.
        """
        before = _observed_or_none(path)
        key = self._key(path)
        entries = self._database.entries_of(key) if before is not None else []
        yield
        after = _observed_or_none(path)
        if before is None or after is None or not before.differs_only_in_times(after):
            return
        is_settled = after.is_settled_for_writer(time.time_ns())
        self._database.put(
            [
                entry._replace(signature=after.signature, is_settled=is_settled)
                for entry in entries
                if entry.is_settled and entry.signature == before.signature
            ]
        )

    def close(self) -> None:
        """Closes the memo file; it is opened again when it is next used."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _known(self, path: PathLike, slot: Slot, algorithm: Algorithm, observed: Observation) -> str | None:
        entry = self._database.entry(self._key(path), f"{slot}-{algorithm}")
        if entry is None or not entry.is_settled or entry.signature != observed.signature:
            return None
        return entry.digest

    def _measure(self, path: Path, slot: Slot, algorithm: Algorithm) -> str:
        """Reads the content, and remembers what it found."""

        def compute(observed: Observation) -> tuple[str, list[Entry], int]:
            if slot == "tree":
                read_at_ns = time.time_ns()
                digest, entries = self._read_tree(path, observed.files, algorithm)
                return digest, entries, read_at_ns
            wait_for_tick(observed.files[0].signature, at_least_bytes=_WAIT_FROM_BYTES)
            read_at_ns = time.time_ns()
            return _read_file(path, slot, algorithm), [], read_at_ns

        observed, (digest, entries, read_at_ns) = while_unchanged(path, lambda: observe(path), compute)
        is_settled = observed.is_settled(read_at_ns)
        own = Entry(self._key(path), f"{slot}-{algorithm}", observed.signature, is_settled, digest)
        self._database.put([own, *entries])
        return digest

    def _read_tree(self, folder: Path, files: Sequence[TreeFile], algorithm: Algorithm) -> tuple[str, list[Entry]]:
        """Returns a folder's digest, and an entry for each file that had to be read for it."""
        slot = f"bytes-{algorithm}"
        stored = {entry.path: entry for entry in self._database.entries_below(self._key(folder) + b"/", slot)}
        digests: dict[str, str] = {}
        for file in files:
            entry = stored.get(self._key(file.path))
            if entry is not None and entry.is_settled and entry.signature == file.signature.packed():
                digests[file.path] = entry.digest
        unread = [file for file in files if file.path not in digests]
        read_at_ns = time.time_ns()
        digests.update(
            zip([file.path for file in unread], digest_files([file.path for file in unread], algorithm), strict=True)
        )
        entries = [
            Entry(
                self._key(file.path),
                slot,
                file.signature.packed(),
                file.signature.is_settled(read_at_ns),
                digests[file.path],
            )
            for file in unread
        ]
        return combine(files, [digests[file.path] for file in files], algorithm), entries

    def _key(self, path: PathLike) -> bytes:
        return os.fsencode(os.path.abspath(path)).removeprefix(self._root)


def _read_file(path: Path, slot: Slot, algorithm: Algorithm) -> str:
    if slot == "bytes":
        return digest_file(path, algorithm)
    from dreamsmk.hashing.rows import digest_rows

    return digest_rows(path, algorithm)


def _observed_or_none(path: PathLike) -> Observation | None:
    try:
        return observe(path)
    except IdentityError:
        return None


def _slot(path: PathLike, kind: Kind, is_folder: bool) -> Slot:
    if kind == "auto":
        return "tree" if is_folder else "rows" if _is_parquet(path) else "bytes"
    if is_folder != (kind == "tree"):
        raise IdentityError(f"a {'folder' if is_folder else 'file'} has no digest of its {kind}", where=os.fspath(path))
    return kind


def _is_parquet(path: PathLike) -> bool:
    return os.fspath(path).lower().endswith(".parquet")


def _slot_of_digest(digest: str, path: PathLike, is_folder: bool) -> str:
    match = _DIGEST.fullmatch(digest)
    if match is None or (match[1] == "tree") != is_folder:
        raise IdentityError(f"{digest!r} is no digest of a {'folder' if is_folder else 'file'}", where=os.fspath(path))
    return f"{match[1] or 'bytes'}-{match[2].partition(':')[0]}"
