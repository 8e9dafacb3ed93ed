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
from dreamsmk.hashing import DigestMemo
from dreamsmk.store.files import write_bytes, write_json
from dreamsmk.store.home import Home
from dreamsmk.store.placements import Placement, open_placements

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
        open_placements(self._home).put(
            Placement(str(path), str(path.absolute()), fingerprint, digest) for path, digest in targets.values()
        )

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
        current = open_placements(self._home).at(Path(path))
        if current and current.digest == digest and (record := self.load(current.fingerprint)):
            return record
        found = [record for fingerprint in self._home.makers_of(digest) if (record := self.load(fingerprint))]
        return max(found, key=lambda r: (str(r["finished_at"]), r["fingerprint"]), default=None)

    # Any: JSON.
    def last_at(self, path: Path) -> dict[str, Any] | None:
        """Returns the record of what was last put at a path, whatever stands there now."""
        current = open_placements(self._home).at(path)
        return self.load(current.fingerprint) if current else None


def open_records(home: Path) -> Records:
    """Returns the records in a home folder."""
    opened = Home(Path(home).absolute())
    return Records(opened, DigestMemo(opened.digests))
