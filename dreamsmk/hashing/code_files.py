"""Where the modules of a project lie, as its imports will find them.

Contract: only files below the folders that a script's imports start from are modules of the project; what is not found
there (the standard library, installed packages) is outside, and its code is not read. Everything that was looked at,
found or not, is remembered, so that a later look can tell by `stat` alone that nothing has changed.
"""

from __future__ import annotations

import os
import stat
import sys
import time
from dataclasses import dataclass, field
from functools import cache
from importlib.machinery import PathFinder
from importlib.util import decode_source
from pathlib import Path

from dreamsmk.errors import SettingsError
from dreamsmk.hashing.signatures import Signature, read_status, signature_of

# Recorded by its version, as every package is: a project that has a clone of it beside its scripts is no exception.
_OUTSIDE = frozenset({"dreamsmk"})

# What a path was: a file's signature, "folder", or None for nothing.
Seen = Signature | str | None


@dataclass(frozen=True, slots=True)
class Place:
    """A module or package of the project.

    Attributes:
        file: Its file; None for a folder without `__init__.py`.
        folders: Where its submodules lie.
    """

    file: Path | None
    folders: tuple[Path, ...] = ()


def import_roots(script: Path, base: Path) -> list[Path]:
    """Returns the folders that the imports of a script start from, first to last.

    Args:
        script: The script.
        base: The project's root.
    """
    package = script.parent
    while (package / "__init__.py").is_file():
        package = package.parent
    return list(dict.fromkeys([package, script.parent, base]))


@dataclass(slots=True)
class Files:
    """The files of a project, as one look at them shows.

    Attributes:
        roots: The folders that absolute imports start from.
        seen: What every path was that was looked at.
        is_settled: Whether later writes must have changed what was seen.
    """

    roots: list[Path]
    seen: dict[str, Seen] = field(default_factory=dict)
    is_settled: bool = True

    def read(self, path: Path) -> str:
        """Returns the text of a file.

        Raises:
            SettingsError: It cannot be read.
        """
        try:
            self.look(path)
            return decode_source(path.read_bytes())
        except (OSError, SyntaxError, ValueError) as exc:
            raise SettingsError(f"the file cannot be read: {exc}", where=str(path)) from exc

    def look(self, path: Path) -> Seen:
        """Returns what a path is."""
        name = os.fspath(path)
        if name not in self.seen:
            now = time.time_ns()
            found = _look(name)
            self.is_settled &= not isinstance(found, Signature) or found.is_settled(now)
            self.seen[name] = found
        return self.seen[name]

    def is_unchanged(self) -> bool:
        """Tells whether all that was seen is still so."""
        return self.is_settled and all(_look(path) == found for path, found in self.seen.items())

    def absolute(self, module: str) -> Place | None:
        """Returns the place of a module by its full name."""
        first, *rest = module.split(".")
        if first in _OUTSIDE:
            return None
        return self._below(self._child(tuple(self.roots), first), rest)

    def relative(self, file: Path, level: int, module: str) -> Place | None:
        """Returns the place of a module by its name relative to a file's."""
        folder = file.parent
        for _ in range(level - 1):
            folder = folder.parent
        package = Place(init if self._is_file(init := folder / "__init__.py") else None, (folder,))
        return self._below(package, module.split(".") if module else [])

    def submodule(self, place: Place, name: str) -> Place | None:
        """Returns the place of a module in a package."""
        return self._child(place.folders, name)

    def _below(self, place: Place | None, names: list[str]) -> Place | None:
        for name in names:
            place = self._child(place.folders, name) if place else None
        return place

    def _child(self, folders: tuple[Path, ...], name: str) -> Place | None:
        parts = []
        for folder in folders:
            if self._is_file(init := folder / name / "__init__.py"):
                return Place(init, (folder / name,))
            if self._is_file(file := folder / f"{name}.py"):
                return Place(file)
            if self.look(folder / name) == "folder":
                parts.append(folder / name)
        return Place(None, tuple(parts)) if parts else None

    def _is_file(self, path: Path) -> bool:
        return isinstance(self.look(path), Signature)


@cache
def is_installed(module: str) -> bool:
    """Tells whether a module is of the standard library, or of a package of this Python; it is not imported."""
    first = module.partition(".")[0]
    if first in sys.stdlib_module_names or first in sys.modules:
        return True
    return PathFinder.find_spec(first) is not None


def _look(path: str) -> Seen:
    try:
        status = read_status(path)
    except (OSError, ValueError):
        return None
    if stat.S_ISDIR(status.st_mode):
        return "folder"
    return signature_of(status) if stat.S_ISREG(status.st_mode) else path
