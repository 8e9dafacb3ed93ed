"""Where dreamsmk keeps its state, and what lies where in it.

    calls.db         replies of models, by key
    digests.db       digests of files, by stat signature
    actions/         what each fingerprint gave: role, kind, digest
    blobs/           the outputs themselves, by fingerprint and role
    records/         how each target was made
    scratch/         outputs and checkpoints of jobs that have not finished, by fingerprint
    locks/ leases/   one file a fingerprint; one file a device

Contract: nothing but this file knows these names.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

VERSION = 1


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

    def target(self, name: str) -> Path:
        """What was last put at a path; `name` is a digest of that path."""
        return self.path / "records" / "targets" / _sharded(name).with_suffix(".json")

    def scratch(self, fingerprint: str) -> Path:
        """The folder in which a job works; a killed job's successor finds it as it was left."""
        return self.path / "scratch" / _sharded(fingerprint)

    def lock(self, fingerprint: str) -> Path:
        """The lock of a fingerprint."""
        return self.path / "locks" / _name(fingerprint)

    def lease(self, device: str) -> Path:
        """The lease of a device."""
        return self.path / "leases" / device


def _name(digest: str) -> str:
    return digest.replace(":", "-")


def _sharded(digest: str) -> Path:
    name = _name(digest)
    return Path(name.rsplit("-", 1)[-1][:2]) / name
