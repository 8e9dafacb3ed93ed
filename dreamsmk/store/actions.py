"""The action store: what each fingerprint gave, and putting it back.

Contract: an entry appears only after all its outputs are complete on disk, and an output is put back only while its
bytes are what they were when they were stored. An entry whose blob is missing or damaged (a target that shares the
blob's inode was edited in place, a disk failed) is dropped, which makes it a miss: it is never handed out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dreamsmk.errors import StoreError
from dreamsmk.hashing import DigestMemo
from dreamsmk.store.files import locked, place, remove, replace, write_json
from dreamsmk.store.home import Home

VERSION = 1


@dataclass(frozen=True, slots=True)
class Output:
    """One stored output.

    Attributes:
        kind: `table`, `file` or `folder`.
        digest: What jobs that read it depend on: its rows, its bytes or its tree.
        content: Digest of its bytes or its tree, which tells whether the stored copy is undamaged.
    """

    kind: str
    digest: str
    content: str


@dataclass(frozen=True, slots=True)
class Action:
    """One entry of the store."""

    fingerprint: str
    outputs: Mapping[str, Output]


class ActionStore:
    """The action store in a home.

    Args:
        home: The folder of dreamsmk's state.
        memo: Remembers digests, so that an undamaged blob is known by its stat alone.
    """

    def __init__(self, home: Home, memo: DigestMemo) -> None:
        self._home = home
        self._memo = memo

    def find(self, fingerprint: str) -> Action | None:
        """Returns the entry of a fingerprint if all its outputs are there and undamaged."""
        path = self._home.action(fingerprint)
        try:
            entry = json.loads(path.read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        if entry["version"] > VERSION:
            raise StoreError(
                f"this entry has version {entry['version']}, and this dreamsmk knows up to {VERSION}",
                where=str(path),
                hint="upgrade dreamsmk, or set DREAMSMK_HOME to another folder",
            )
        outputs = {role: Output(**output) for role, output in entry["outputs"].items()}
        for role, output in outputs.items():
            if not self._is_whole(self._home.blob(fingerprint) / role, output):
                self.forget(fingerprint)
                return None
        return Action(fingerprint, outputs)

    def keep(self, fingerprint: str, made: Mapping[str, Path], kinds: Mapping[str, str]) -> Action:
        """Moves finished outputs into the store and enters them.

        Args:
            fingerprint: The fingerprint that gave them; the caller holds its lock.
            made: The outputs by role, on the store's file system.
            kinds: `table`, `file` or `folder` by role.
        """
        outputs = {}
        blob = self._home.blob(fingerprint)
        remove(self._home.action(fingerprint))
        for role, path in made.items():
            replace(path, blob / role)
            content = self._memo.of(blob / role, "tree" if kinds[role] == "folder" else "bytes")
            digest = self._memo.of(blob / role, "rows") if kinds[role] == "table" else content
            outputs[role] = Output(kinds[role], digest, content)
        action = Action(fingerprint, outputs)
        write_json(
            self._home.action(fingerprint),
            {"version": VERSION, "outputs": {role: asdict(output) for role, output in outputs.items()}},
        )
        return action

    def put_back(self, action: Action, targets: Mapping[str, Path]) -> None:
        """Places every output of an entry at its target."""
        for role, target in targets.items():
            output = action.outputs[role]
            blob = self._home.blob(action.fingerprint) / role
            place(blob, target)
            self._memo.note(target, _digests(output))
            self._memo.note(blob, _digests(output))  # a hard link changed its ctime

    def in_place(self, action: Action, targets: Mapping[str, Path]) -> bool:
        """Says whether every target is known, by its stat alone, to be just what the entry holds."""
        return all(
            self._memo.known(target, _content_kind(action.outputs[role])) == action.outputs[role].content
            for role, target in targets.items()
        )

    def forget(self, fingerprint: str) -> None:
        """Drops an entry, so that its job runs again."""
        remove(self._home.action(fingerprint))

    # Any: a context manager of contextlib.
    def lock(self, fingerprint: str) -> Any:
        """Returns the lock of a fingerprint: two jobs that would make the same thing take turns."""
        return locked(self._home.lock(fingerprint))

    def _is_whole(self, blob: Path, output: Output) -> bool:
        try:
            return self._memo.of(blob, _content_kind(output)) == output.content
        except OSError:
            return False


def _content_kind(output: Output) -> Any:  # Any: the Literal of DigestMemo
    return "tree" if output.kind == "folder" else "bytes"


def _digests(output: Output) -> dict[str, str]:
    known = {_content_kind(output): output.content}
    if output.kind == "table":
        known["rows"] = output.digest
    return known
