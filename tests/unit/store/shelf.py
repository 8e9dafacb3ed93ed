"""A store with a few entries, made as a job makes them."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dreamsmk.hashing import DigestMemo, digest_bytes
from dreamsmk.store import Action, ActionStore, Home, Records
from dreamsmk.store.copies import COPY_LIMIT_BYTES
from dreamsmk.store.records import VERSION

LARGE = COPY_LIMIT_BYTES + 1


def fingerprint_of(name: str) -> str:
    return digest_bytes(name.encode())


def large_content(seed: int) -> bytes:
    return random.Random(seed).randbytes(1024) * (LARGE // 1024 + 1)


@dataclass
class Shelf:
    """A home, its store and its records."""

    home: Home
    memo: DigestMemo
    store: ActionStore
    records: Records

    @classmethod
    def at(cls, path: Path) -> Shelf:
        home = Home(path)
        memo = DigestMemo(home.digests)
        return cls(home, memo, ActionStore(home, memo), Records(home, memo))

    def make(self, fingerprint: str, outputs: Mapping[str, bytes | Mapping[str, bytes]]) -> dict[str, Path]:
        """Writes outputs into the scratch folder: bytes are a file, a mapping is a folder."""
        folder = self.home.scratch(fingerprint) / "outputs"
        made = {}
        for role, content in outputs.items():
            made[role] = folder / role
            files = {"": content} if isinstance(content, bytes) else content
            for name, text in files.items():
                path = made[role] / name if name else made[role]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(text)
        return made

    def keep(self, fingerprint: str, outputs: Mapping[str, bytes | Mapping[str, bytes]]) -> Action:
        made = self.make(fingerprint, outputs)
        kinds = {role: "file" if isinstance(content, bytes) else "folder" for role, content in outputs.items()}
        with self.store.lock(fingerprint):
            return self.store.keep(fingerprint, made, kinds)

    def job(
        self, name: str, content: bytes, target: Path | None = None, inputs: Mapping[str, str] | None = None
    ) -> Action:
        """Keeps one output with a record, and puts it at a target."""
        fingerprint = fingerprint_of(name)
        action = self.keep(fingerprint, {"file": content})
        self.records.write(record(action, task=name, inputs=inputs or {}))
        if target is not None:
            self.store.put_back(action, {"file": target})
            self.records.placed(fingerprint, {"file": (target, action.outputs["file"].digest)})
        return action


def record(action: Action, *, task: str, inputs: Mapping[str, str], finished_at: str = "2026-01-01") -> dict[str, Any]:
    return {
        "record_version": VERSION,
        "fingerprint": action.fingerprint,
        "task": {"name": task, "version": "1"},
        "inputs": {role: [{"path": role, "digest": digest}] for role, digest in inputs.items()},
        "outputs": {role: {"digest": output.digest} for role, output in action.outputs.items()},
        "finished_at": finished_at,
    }


def tree_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
