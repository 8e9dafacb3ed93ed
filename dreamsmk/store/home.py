"""Where dreamsmk keeps its state, and what lies where in it.

    calls.db         replies of models, by key
    batches.db       batches that were submitted to services
    limits.db        rates and budgets that the jobs share
    digests.db       digests of files, by stat signature
    actions/         what each fingerprint gave: role, kind, digest
    blobs/           the outputs themselves, by fingerprint and role
    records/         how each target was made
    placements.db    what was last put at each path
    scratch/         outputs and checkpoints of jobs that have not finished, by fingerprint
    locks/           one file a fingerprint
    failures/        rows that failed in jobs that have no log, by fingerprint
    trash/           what is being deleted: moved here in one step, then removed file by file

Contract: nothing but this file knows these names.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

# What lies in the home one file or folder a fingerprint.
Part = Literal["actions", "blobs", "records", "scratch", "locks"]


@dataclass(frozen=True, slots=True)
class Home:
    """The folder of dreamsmk's state."""

    path: Path

    @classmethod
    def of(cls, configured: str | None = None) -> Home:
        """Returns the home: as configured, else `DREAMSMK_HOME`, else `.dreamsmk` beside the workflow's results."""
        return cls(Path(configured or os.environ.get("DREAMSMK_HOME") or ".dreamsmk").absolute())

    @property
    def calls(self) -> Path:
        """The call cache."""
        return self.path / "calls.db"

    @property
    def batches(self) -> Path:
        """What is known of the batches at services."""
        return self.path / "batches.db"

    @property
    def limits(self) -> Path:
        """The rates and budgets that all jobs share."""
        return self.path / "limits.db"

    @property
    def digests(self) -> Path:
        """The stat memo."""
        return self.path / "digests.db"

    def action(self, fingerprint: str) -> Path:
        """The entry of a fingerprint in the action store."""
        return self.path / "actions" / _sharded(fingerprint).with_suffix(".json")

    def blob(self, fingerprint: str) -> Path:
        """The folder with the outputs of a fingerprint, one entry a role."""
        return self.path / "blobs" / _sharded(fingerprint)

    def record(self, fingerprint: str) -> Path:
        """The record of a fingerprint."""
        return self.path / "records" / _sharded(fingerprint).with_suffix(".json")

    def makers(self, digest: str) -> Path:
        """The folder whose entries name the fingerprints that gave an output of this digest."""
        return self.path / "records" / "by_output" / _sharded(digest)

    def maker(self, digest: str, fingerprint: str) -> Path:
        """The empty file that says that a fingerprint gave an output of this digest."""
        return self.makers(digest) / _name(fingerprint)

    @property
    def placements(self) -> Path:
        """What was last put at each path."""
        return self.path / "placements.db"

    def scratch(self, fingerprint: str) -> Path:
        """The folder in which a job works; a killed job's successor finds it as it was left."""
        return self.path / "scratch" / _sharded(fingerprint)

    def lock(self, fingerprint: str) -> Path:
        """The lock of a fingerprint."""
        return self.path / "locks" / _name(fingerprint)

    def failures(self, fingerprint: str) -> Path:
        """The table of the rows that failed in a job that has no log."""
        return self.path / "failures" / f"{_name(fingerprint)}.parquet"

    @property
    def trash(self) -> Path:
        """The folder of what is being deleted."""
        return self.path / "trash"

    def discarded(self) -> Path:
        """Returns an unused name in the trash."""
        return self.trash / uuid.uuid4().hex

    def fingerprints(self, part: Part) -> Iterator[str]:
        """Yields the fingerprints that have something in a part of the home, sorted."""
        folders = [self.path / part] if part == "locks" else _shards(self.path / part)
        for folder in folders:
            for name in _names(folder):
                if name.startswith(_FINGERPRINT_START):
                    yield _digest(name.removesuffix(".json"))

    def makers_of(self, digest: str) -> list[str]:
        """Returns the fingerprints that gave an output of this digest, sorted."""
        return [_digest(name) for name in _names(self.makers(digest)) if name[0] != "."]

    def folders_of_files(self) -> Iterator[Path]:
        """Yields the folders in which dreamsmk writes small files of its own."""
        for part in ("actions", "records"):
            yield from _shards(self.path / part)
        yield self.path / "failures"

    def sizes(self) -> dict[str, list[Path]]:
        """Returns the paths of each part of the home, by its name."""
        folders = ("actions", "blobs", "records", "scratch", "failures", "trash")
        parts = {name: [self.path / name] for name in folders}
        for database in (self.calls, self.batches, self.limits, self.digests, self.placements):
            # SQLite keeps what is not in the file yet beside it
            parts[database.stem] = [database.with_name(database.name + end) for end in ("", "-wal", "-shm")]
        claims = self.calls.with_name(self.calls.name + ".claims")
        parts["calls"] += [claims.with_name(claims.name + end) for end in ("", "-wal", "-shm")]
        return parts


_FINGERPRINT_START = "xxh3-"


def _name(digest: str) -> str:
    return digest.replace(":", "-")


def _sharded(digest: str) -> Path:
    name = _name(digest)
    return Path(name.rsplit("-", 1)[-1][:2]) / name


def _digest(name: str) -> str:
    """Returns the digest that a name stands for: `xxh3-12ab` is `xxh3:12ab`."""
    return ":".join(name.rsplit("-", 1))


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _shards(folder: Path) -> list[Path]:
    return [folder / name for name in _names(folder) if len(name) == 2]
