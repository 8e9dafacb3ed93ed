"""Where a reference leads: through imports, packages and re-exports, to the statements that give its meaning.

Contract: a reference leads to every statement that may bind it, to a name outside the project, or, where that cannot
be known, to a whole module with the reason in words. It never leads nowhere without a word, but for names that Python
itself gives.
"""

from __future__ import annotations

import builtins
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from dreamsmk.errors import SettingsError
from dreamsmk.hashing.code_facts import Reference
from dreamsmk.hashing.code_files import Files, Place, is_installed
from dreamsmk.hashing.code_modules import Module, Unit, take_apart
from dreamsmk.hashing.code_scopes import Imported


class Node(NamedTuple):
    """One statement of one file."""

    file: Path
    position: int


class Outside(NamedTuple):
    """A name outside the project."""

    name: str


class Whole(NamedTuple):
    """All of a file, since nobody can tell what of it is used."""

    file: Path
    reason: str


Target = Node | Outside | Whole
Asked = set[tuple[Path, tuple[str, ...]]]


@dataclass(slots=True)
class Links:
    """The statements of a project and what they lead to.

    Attributes:
        files: The project's files.
        base: The project's root, which paths in names and notes are relative to.
        missing: What is imported and found nowhere, in words.
    """

    files: Files
    base: Path
    missing: dict[str, None] = field(default_factory=dict)
    _modules: dict[Path, Module] = field(default_factory=dict)
    _edges: dict[Node, list[tuple[str, list[Target]]]] = field(default_factory=dict)

    def label(self, file: Path) -> str:
        """Returns how a file is called in names and messages."""
        relative = os.path.relpath(file, self.base)
        return file.name if relative.startswith("..") else Path(relative).as_posix()

    def module(self, file: Path) -> Module:
        """Returns a file, taken apart."""
        if file not in self._modules:
            self._modules[file] = take_apart(self.files.read(file), self.label(file))
        return self._modules[file]

    def unit(self, node: Node) -> Unit:
        """Returns a statement."""
        return self.module(node.file).units[node.position]

    def edges(self, node: Node) -> list[tuple[str, list[Target]]]:
        """Returns what a statement refers to, each with where it leads."""
        if node not in self._edges:
            facts = self.unit(node).facts
            edges = [(str(reference), self.resolve(node.file, reference)) for reference in facts.references]
            for what, reference in facts.blind:
                reason = f"{what} in {self.label(node.file)} cannot be followed"
                targets = self.resolve(node.file, reference) if reference else []
                named = [Whole(t.file, reason) if isinstance(t, Whole) else t for t in targets]
                is_module = any(isinstance(target, Whole) for target in named)
                edges.append((what, named if is_module else [*named, Whole(node.file, reason)]))
            self._edges[node] = [(text, targets) for text, targets in edges if targets]
        return self._edges[node]

    def mutated(self, node: Node) -> Iterator[Target]:
        """Yields what a statement may change."""
        for reference, is_certain in self.unit(node).facts.mutations.items():
            for target in self.resolve(node.file, reference):
                if is_certain or not isinstance(target, Outside):
                    yield target

    def resolve(self, file: Path, reference: Reference) -> list[Target]:
        """Returns where a reference in a file leads."""
        if reference.imported is not None:
            found = list(self._through_import(file, reference.imported, reference.attributes, set()))
        else:
            found = list(self._name(file, reference.name, reference.attributes, set()))
        return list(dict.fromkeys(found))

    def expand(self, whole: Whole) -> Iterator[Target]:
        """Yields all that a whole module is made of, and what it takes of others by name."""
        module = self.module(whole.file)
        for index, unit in enumerate(module.units):
            if not unit.is_import:
                yield Node(whole.file, index)
            for name, imports in unit.imports.items():
                for imported in imports:
                    if imported.name not in (None, "*"):
                        targets = self.resolve(whole.file, Reference(name, (), imported))
                        yield from (target for target in targets if not isinstance(target, Whole))

    def executed(self, start: Path) -> list[Path]:
        """Returns the files that are executed when a file is imported, itself and their packages' included."""
        found: dict[Path, None] = {}
        waiting = [start]
        while waiting:
            file = waiting.pop()
            if file in found:
                continue
            try:
                imported = self.module(file).imported
            except SettingsError:
                continue  # where it is really needed, what takes names of it says so
            found[file] = None
            waiting.extend(reversed([each for one in imported for each in self._files_of(file, one)]))
        return list(found)

    def _files_of(self, file: Path, imported: Imported) -> Iterator[Path]:
        """Yields the files that an import executes, packages first."""
        names = [*imported.module.split("."), *([imported.name] if imported.name else [])]
        relative, level = self.files.relative, imported.level
        place = relative(file, level, "") if level else self.files.absolute(names.pop(0))
        for name in [None, *names]:
            if name:
                place = self.files.submodule(place, name) if place else None
            if place and place.file:
                yield place.file

    def _name(self, file: Path, name: str, attributes: tuple[str, ...], asked: Asked) -> Iterator[Target]:
        """Yields what a name means in a module."""
        if (file, (name, *attributes)) in asked:
            return
        asked.add((file, (name, *attributes)))
        module = self.module(file)
        for index in module.bindings.get(name, ()):
            unit = module.units[index]
            if not unit.is_import:
                yield Node(file, index)
            for imported in unit.imports.get(name, ()):
                yield from self._through_import(file, imported, attributes, asked)
        for star in module.stars:
            yield from self._through_star(file, star, (name, *attributes), asked)
        if name not in module.bindings and module.makes_names and not hasattr(builtins, name):
            yield Whole(file, f"{name!r} in {self.label(file)} cannot be followed")

    def _through_star(self, file: Path, star: Imported, names: tuple[str, ...], asked: Asked) -> Iterator[Target]:
        place = self._place(file, star)
        if place is None:
            if names[0] not in self.module(file).bindings:
                yield Outside(f"{star.module}.*")
        elif place.file and (names[0] in self.module(place.file).bindings or self.module(place.file).stars):
            yield from self._name(place.file, names[0], names[1:], asked)

    def _through_import(
        self, file: Path, imported: Imported, attributes: tuple[str, ...], asked: Asked
    ) -> Iterator[Target]:
        place = self._place(file, imported)
        if place is None:
            yield Outside(str(imported))
            return
        names = (*((imported.name,) if imported.name else ()), *attributes)
        while place is not None:
            # `from . import text` in a package binds a name of the package to its own submodule
            if place.file and names and (place.file, names) not in asked and self._has(place.file, names[0]):
                yield from self._name(place.file, names[0], names[1:], asked)
                return
            below = self.files.submodule(place, names[0]) if names else None
            if below is None:
                break
            place, names = below, names[1:]
        yield from self._end(place, names, imported)

    def _end(self, place: Place, names: tuple[str, ...], imported: Imported) -> Iterator[Target]:
        """Yields what is meant by a module itself, or by a name that it does not seem to have."""
        if place.file is None:
            # a mere folder, which a package of the same name that is installed would win over
            yield Outside(str(imported))
        elif not names:
            yield Whole(place.file, f"{self.label(place.file)} is used as a value")
        elif names[0] == "__dict__" or not (names[0].startswith("__") and names[0].endswith("__")):
            yield Whole(place.file, f"{names[0]!r} of {self.label(place.file)} cannot be followed")

    def _has(self, file: Path, name: str) -> bool:
        """Tells whether a module binds a name, itself or by a star import from the project."""
        waiting, seen = [file], set()
        while waiting:
            each = waiting.pop()
            if each in seen:
                continue
            seen.add(each)
            module = self.module(each)
            if name in module.bindings:
                return True
            places = [self._place(each, star) for star in module.stars]
            waiting.extend(place.file for place in places if place and place.file)
        return False

    def _place(self, file: Path, imported: Imported) -> Place | None:
        if imported.level:
            place = self.files.relative(file, imported.level, imported.module)
        else:
            place = self.files.absolute(imported.module)
            if place is None and not is_installed(imported.module) and imported.module in self.module(file).required:
                self.missing[f"the module {imported.module!r} that {self.label(file)} imports is not found"] = None
        return place
