"""What is known, before the run, of the files that its jobs are going to make.

Contract: an output that the store has counts as if it were there already, by its digest and by its content, so that
what is made of it can be planned exactly. Of any other output that will be made only the rows are carried forward, and
how long a text in it will be.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dreamsmk.hashing import Algorithm, DigestMemo, Kind
from dreamsmk.smk.binding import Binding
from dreamsmk.store import Action, Home


@dataclass(slots=True)
class Expected:
    """One output of a job that will run.

    Attributes:
        content: A file with the content that it will have, where the store has it.
        digests: Its digests by algorithm, where the store has it.
        rows: How many rows it will have.
        text_tokens: How many tokens one of the texts that a model wrote into it will have.
    """

    content: Path | None = None
    digests: Mapping[Algorithm, str] = field(default_factory=dict)
    rows: int | None = None
    text_tokens: float | None = None


class Ahead:
    """The outputs of the jobs that are planned so far.

    Args:
        folder: A folder for links and placeholders that live as long as the plan is made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files: dict[str, Expected] = {}
        self._memos: dict[Home, ForeseeingMemo] = {}

    def expected(self, path: Path) -> Expected | None:
        """Returns what is known of an output; None for a file that no job will make."""
        return self._files.get(os.path.abspath(path))

    def is_unsettled(self, path: Path) -> bool:
        """Says whether a file will be made anew, with a content that nobody knows yet."""
        expected = self.expected(path)
        return expected is not None and expected.content is None

    def readable(self, path: Path) -> Path:
        """Returns where the content that a settled file will have can be read now."""
        expected = self.expected(path)
        return path if expected is None or expected.content is None else expected.content

    def make(self, path: Path, rows: int | None = None, text_tokens: float | None = None) -> None:
        """Notes an output that will be made anew."""
        self._files[os.path.abspath(path)] = Expected(rows=rows, text_tokens=text_tokens)

    def place(self, path: Path) -> Path:
        """Returns where the content that an output will have may be written now."""
        return self.folder / f"{len(self._files)}-made{path.suffix}"

    def settle(self, path: Path, content: Path, digest: str, rows: int) -> None:
        """Notes an output that will be made anew, and what it will hold."""
        self._files[os.path.abspath(path)] = Expected(content, {"xxh3": digest}, rows)

    # Any: JSON.
    def restore(
        self, binding: Binding, action: Action, outputs: Mapping[str, Path], record: Mapping[str, Any] | None
    ) -> None:
        """Notes outputs that will be put back from the store."""
        recorded = (record or {}).get("outputs") or {}
        for role, path in outputs.items():
            of_role = recorded.get(role) or {}
            digests: dict[Algorithm, str] = {"xxh3": action.outputs[role].digest}
            if "sha256" in of_role:
                digests["sha256"] = of_role["sha256"]
            blob = binding.home.blob(action.fingerprint) / role
            self._files[os.path.abspath(path)] = Expected(self._link(blob, path), digests, of_role.get("rows"))

    def memo(self, binding: Binding) -> DigestMemo:
        """Returns a memo that gives outputs of the store the digests that they will have."""
        home = binding.home
        if home not in self._memos:
            self._memos[home] = ForeseeingMemo(home, self._files)
        return self._memos[home]

    def _link(self, blob: Path, target: Path) -> Path:
        """Links a stored output under its target's suffix, by which tables are read."""
        link = self.folder / f"{len(self._files)}{target.suffix}"
        link.symlink_to(blob)
        return link


class ForeseeingMemo(DigestMemo):
    """A stat memo in which some files already have the content that they will get.

    Args:
        home: Where the memo lies.
        files: What is known of files that will be made, by absolute path.
    """

    def __init__(self, home: Home, files: Mapping[str, Expected]) -> None:
        super().__init__(home.digests)
        self._files = files

    def of(self, path: os.PathLike[str] | str, kind: Kind = "auto", algorithm: Algorithm = "xxh3") -> str:
        """Returns the digest that a path will have."""
        return self._foreseen(path, algorithm) or super().of(path, kind, algorithm)

    def last(self, path: os.PathLike[str] | str, kind: Kind = "auto", algorithm: Algorithm = "xxh3") -> str | None:
        """Returns the digest that a path will have, or else had last."""
        return self._foreseen(path, algorithm) or super().last(path, kind, algorithm)

    def _foreseen(self, path: os.PathLike[str] | str, algorithm: Algorithm) -> str | None:
        expected = self._files.get(os.path.abspath(path))
        return expected.digests.get(algorithm) if expected is not None else None
