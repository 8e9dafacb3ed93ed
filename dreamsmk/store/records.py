"""Records: how each target was made, found again from the target's own content.

Contract: a record is written once, when its job finishes, and never changed. It is looked up by what a file contains,
so that it is found after a target was renamed, or the whole project moved; where several fingerprints gave the same
content, the one that was last put at that very path is meant, else the latest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dreamsmk.errors import IdentityError, StoreError
from dreamsmk.hashing import DigestMemo, digest_bytes
from dreamsmk.store.files import write_bytes, write_json
from dreamsmk.store.home import Home

VERSION = 1


class Records:
    """The records in a home.

    Args:
        home: The folder of dreamsmk's state.
        memo: Gives the digests of the files that are asked about.
    """

    def __init__(self, home: Home, memo: DigestMemo) -> None:
        self._home = home
        self._memo = memo

    # Any: JSON.
    def write(self, record: Mapping[str, Any]) -> None:
        """Keeps the record of a finished job."""
        fingerprint = record["fingerprint"]
        write_json(self._home.record(fingerprint), record)
        for output in record["outputs"].values():
            write_bytes(self._home.maker(output["digest"], fingerprint), b"")

    def placed(self, fingerprint: str, targets: Mapping[str, tuple[Path, str]]) -> None:
        """Notes that outputs of a fingerprint now stand at these paths, each with its digest."""
        for path, digest in targets.values():
            value = {"path": str(path), "at": str(path.absolute()), "fingerprint": fingerprint, "digest": digest}
            # not durable: where it is lost, the record is found by the content alone
            write_json(self._home.target(self._name(path)), value, is_durable=False)

    def load(self, fingerprint: str) -> dict[str, Any] | None:
        """Returns the record of a fingerprint."""
        try:
            record: dict[str, Any] = json.loads(self._home.record(fingerprint).read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        if not isinstance(record, dict) or "record_version" not in record:
            return None
        if record["record_version"] > VERSION:
            raise StoreError(
                f"this record has version {record['record_version']}, and this dreamsmk knows up to {VERSION}",
                where=str(self._home.record(fingerprint)),
                hint="upgrade dreamsmk",
            )
        return record

    def producer(self, path: Path) -> dict[str, Any] | None:
        """Returns the record of the job that made a file or folder; None for a source."""
        try:
            digest = self._memo.of(path)
        except (OSError, IdentityError):
            return None
        return self.by_digest(digest, str(path))

    def by_digest(self, digest: str, path: str) -> dict[str, Any] | None:
        """Returns the record of the job that gave this content, that at `path` before others."""
        current = self._current(Path(path))
        if current and current["digest"] == digest and (record := self.load(current["fingerprint"])):
            return record
        found = [record for fingerprint in self._home.makers_of(digest) if (record := self.load(fingerprint))]
        return max(found, key=lambda r: (str(r["finished_at"]), r["fingerprint"]), default=None)

    # Any: JSON.
    def placed_at(self, path: Path) -> dict[str, Any] | None:
        """Returns the `fingerprint` and `digest` of what was last put at a path, whatever stands there now."""
        return self._current(path)

    def last_at(self, path: Path) -> dict[str, Any] | None:
        """Returns the record of what was last put at a path, whatever stands there now."""
        current = self._current(path)
        return self.load(current["fingerprint"]) if current else None

    def _name(self, path: Path) -> str:
        """Names a path relative to the home's folder, so that a project that was moved keeps what it knew."""
        absolute, root = path.absolute(), self._home.path.parent
        named = absolute.relative_to(root) if absolute.is_relative_to(root) else absolute
        return digest_bytes(str(named).encode("utf-8", "surrogateescape"))

    def _current(self, path: Path) -> dict[str, Any] | None:
        return read_placed(self._home.target(self._name(path)))


def open_records(home: Path) -> Records:
    """Returns the records in a home folder."""
    opened = Home(Path(home).absolute())
    return Records(opened, DigestMemo(opened.digests))


# Any: JSON.
def read_placed(path: Path) -> dict[str, Any] | None:
    """Returns what a file of `Home.targets` says was put somewhere; None where it says nothing."""
    try:
        placed: dict[str, Any] = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return placed if isinstance(placed, dict) and {"path", "fingerprint", "digest"} <= placed.keys() else None
