"""The identity of user code: a function, and everything in the project that decides what it does.

Contract: the digest covers the function and every statement of the project that it refers to, directly or not: its
helpers in any module, constants, decorators, default arguments, classes and their bases, and what else changes those
when a module is imported. It is blind to comments, docstrings (unless the code reads them) and formatting, to where
the files lie, and to code that is never reached; it is the same on every Python that dreamsmk runs on. It stops at the
standard library and at installed packages, whose versions are recorded. Where the text alone does not tell what is
used, all of a module counts, and a note says so. No user code is executed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dreamsmk.errors import SettingsError, nearest
from dreamsmk.hashing.code_facts import Reference
from dreamsmk.hashing.code_files import Files, import_roots
from dreamsmk.hashing.code_links import Links, Node, Outside, Target, Whole
from dreamsmk.hashing.code_syntax import digest_code

FORM = "dreamsmk code 1"


@dataclass(frozen=True, slots=True)
class CodeIdentity:
    """What a function is.

    Attributes:
        digest: `sha256:` and 64 hexadecimal digits.
        parts: Digest of each statement that takes part, by `path/to/file.py:name`.
        sources: The source of each part, by the same names.
        notes: What could not be followed, one sentence each.
    """

    digest: str
    parts: Mapping[str, str]
    sources: Mapping[str, str]
    notes: tuple[str, ...]


# Many jobs of one workflow share a function.
_identified: dict[tuple[str, Path], tuple[Files, CodeIdentity]] = {}


def identify_function(reference: str, *, base: Path) -> CodeIdentity:
    """Returns the identity of a user's function.

    Args:
        reference: `path/to/file.py:name`, the path relative to `base`.
        base: The project's root, which absolute imports are resolved against beside the script's own folder.

    Raises:
        SettingsError: There is no such file or function, or a file that takes part is no valid Python.
    """
    root = Path(os.path.abspath(base))
    known = _identified.get((reference, root))
    if known is not None and known[0].is_unchanged():
        return known[1]
    script, name = locate_function(reference, base=root)
    files = Files(import_roots(script, root))
    for folder in (script.parent, *script.parent.parents):
        if files.look(folder / "__init__.py") is None:
            break
    identity = _identify(Links(files, root), script, name, reference)
    _identified[reference, root] = (files, identity)
    return identity


def locate_function(reference: str, *, base: Path) -> tuple[Path, str]:
    """Returns the file and the name of a reference.

    Raises:
        SettingsError: It is no reference, or there is no such file.
    """
    path, colon, name = reference.rpartition(":")
    if not colon or not path.endswith(".py") or not name.isidentifier():
        raise SettingsError(f"{reference!r} names no function", hint="write it as scripts/steps.py:name")
    script = Path(os.path.abspath(base / path))
    if not script.is_file():
        folder = script.parent
        there = [os.path.relpath(each, base) for each in folder.glob("*.py")] if folder.is_dir() else []
        raise SettingsError(f"there is no file {path!r}", where=reference, hint=nearest(path, there))
    return script, name


def _identify(links: Links, script: Path, name: str, reference: str) -> CodeIdentity:
    start = links.resolve(script, Reference(name))
    is_bound = name in links.module(script).bindings
    if not is_bound and all(isinstance(target, Outside) for target in start):
        raise SettingsError(
            f"{links.label(script)} has no function {name!r}",
            where=reference,
            hint=nearest(name, _names(links, script)),
        )
    walk = _Walk(links)
    walk.add(name, start)
    walk.add_changes(script)
    return walk.identity()


def _names(links: Links, script: Path) -> list[str]:
    """Returns the functions and classes of a file, else all its names."""
    module = links.module(script)
    kinds = ("FunctionDef", "AsyncFunctionDef", "ClassDef")
    defined = [unit.names[0] for unit in module.units if type(unit.node).__name__ in kinds]
    return defined or list(module.bindings)


@dataclass(slots=True)
class _Walk:
    """A walk from a function over all that it refers to, in an order that the code alone decides."""

    links: Links
    numbers: dict[Node, int] = field(default_factory=dict)
    outside: set[str] = field(default_factory=set)
    pieces: list[bytes | str] = field(default_factory=list)
    notes: dict[str, None] = field(default_factory=dict)

    def add(self, text: str, targets: list[Target]) -> None:
        """Walks from some targets on, until nothing new is found."""
        waiting = self._enter(text, targets)
        while waiting:
            node = waiting.pop(0)
            self.pieces.append(f"node {self.numbers[node]}")
            for edge, led in self.links.edges(node):
                waiting.extend(self._enter(edge, led))

    def add_changes(self, script: Path) -> None:
        """Adds the statements that change, when their module is imported, something that was reached."""
        candidates = list(self._candidates(script))
        changes = {node: list(_changed(self.links, node)) for node in candidates}
        is_growing = True
        while is_growing:
            is_growing = False
            for node in candidates:
                if node not in self.numbers and any(self._is_reached(target) for target in changes[node]):
                    self.add("changed by", [node])
                    is_growing = True

    def identity(self) -> CodeIdentity:
        """Returns what was found."""
        units = {node: self.links.unit(node) for node in self.numbers}
        with_docstrings = any(unit.facts.reads_docstrings for unit in units.values())
        parts: dict[str, str] = {}
        sources: dict[str, str] = {}
        for node, unit in units.items():
            label = self._label(node, parts)
            taken = sorted({t.name for _, targets in self.links.edges(node) for t in targets if isinstance(t, Outside)})
            futures = self.links.module(node.file).futures
            form = unit.form(with_docstrings=with_docstrings)
            parts[label] = digest_code([FORM, form, "outside", *taken, "futures", *futures])
            sources[label] = self.links.module(node.file).source(node.position)
        notes = [f"{reason}: all of its module counts as part of the function" for reason in self.notes]
        notes += [f"{missing}: its code is no part of the fingerprint" for missing in self.links.missing]
        return CodeIdentity(digest_code([FORM, *parts.values(), *self.pieces]), parts, sources, tuple(notes))

    def _enter(self, text: str, targets: list[Target]) -> list[Node]:
        """Numbers what an edge leads to, and returns what is new."""
        new: list[Node] = []
        self.pieces.append(text)
        for target in targets:
            if isinstance(target, Whole):
                self.notes[target.reason] = None
                new += self._enter("all", list(self.links.expand(target)))
            elif isinstance(target, Outside):
                self.outside.add(target.name)
                self.pieces.append(f"outside {target.name}")
            else:
                if target not in self.numbers:
                    self.numbers[target] = len(self.numbers)
                    new.append(target)
                self.pieces.append(f"to {self.numbers[target]}")
        return new

    def _candidates(self, script: Path) -> Iterator[Node]:
        starts = dict.fromkeys([script, *(node.file for node in self.numbers)])
        for file in dict.fromkeys(each for start in starts for each in self.links.executed(start)):
            for index, unit in enumerate(self.links.module(file).units):
                if unit.facts.runs:
                    yield Node(file, index)

    def _is_reached(self, target: Target) -> bool:
        if isinstance(target, Outside):
            return target.name.partition(".")[0] in {name.partition(".")[0] for name in self.outside}
        if isinstance(target, Whole):
            return any(node.file == target.file for node in self.numbers)
        return target in self.numbers

    def _label(self, node: Node, taken: Mapping[str, str]) -> str:
        names = ", ".join(self.links.unit(node).names[:3]) or "(top level)"
        label = f"{self.links.label(node.file)}:{names}"
        again = sum(each == label or each.startswith(f"{label} (") for each in taken)
        return f"{label} ({again + 1})" if again else label


def _changed(links: Links, start: Node) -> Iterator[Target]:
    """Yields all that a statement may change, itself or in what it refers to."""
    found = {start: None}
    waiting = [start]
    while waiting:
        node = waiting.pop()
        yield from links.mutated(node)
        for _, targets in links.edges(node):
            for target in targets:
                if isinstance(target, Node) and target not in found:
                    found[target] = None
                    waiting.append(target)
