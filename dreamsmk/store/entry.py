"""One entry of the action store, as a value and as a file.

Contract: a file that is no entry, or only a part of one, is no entry: its job runs again. A file that a newer dreamsmk
wrote is an error.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from dreamsmk.errors import StoreError
from dreamsmk.store.files import write_json

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

    @property
    def content_kind(self) -> Literal["tree", "bytes"]:
        """What `content` is the digest of."""
        return "tree" if self.kind == "folder" else "bytes"

    @property
    def digests(self) -> dict[str, str]:
        """All that is known of it, as the memo takes it."""
        known: dict[str, str] = {self.content_kind: self.content}
        if self.kind == "table":
            known["rows"] = self.digest
        return known


@dataclass(frozen=True, slots=True)
class Action:
    """One entry of the store."""

    fingerprint: str
    outputs: Mapping[str, Output]


def write_action(path: Path, action: Action) -> None:
    """Writes an entry, atomically."""
    outputs = {role: asdict(output) for role, output in action.outputs.items()}
    write_json(path, {"version": VERSION, "outputs": outputs})


def parse_action(content: bytes, fingerprint: str, path: Path) -> Action | None:
    """Returns the entry that a file's content is, or None if it is none.

    Raises:
        StoreError: A newer dreamsmk wrote it.
    """
    try:
        entry = json.loads(content)
        version = int(entry["version"])
        if version <= VERSION:
            outputs = {str(role): Output(**output) for role, output in entry["outputs"].items()}
            return Action(fingerprint, outputs)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    raise StoreError(
        f"this entry has version {version}, and this dreamsmk knows up to {VERSION}",
        where=str(path),
        hint="upgrade dreamsmk, or set DREAMSMK_HOME to another folder",
    )
