"""From targets to their sources: every record that had a part in making them, once, in the order of making.

Contract: the walk follows what the records say, not the workflow that is there today: an input is matched with the
record that made it by its content digest. It goes through data and through models alike, so that a student model leads
to its training, to the data that it learned from, and to the model that wrote that data. Inputs that no record made are
the sources. The result depends on the records and the order of the targets alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from dreamsmk.errors import CardError
from dreamsmk.hashing import canonical_bytes, digest_bytes

# Any: JSON, as the store keeps it.
Record = Mapping[str, Any]

WORKFLOW_FINGERPRINT_VERSION = 1


class RecordSource(Protocol):
    """Where records are looked up."""

    def producer(self, path: Path) -> Record | None:
        """Returns the record that made a file or folder: by its content, then by its path."""
        ...

    def by_digest(self, digest: str, path: str) -> Record | None:
        """Returns the record with an output of this content, the one at `path` where several have it."""
        ...


@dataclass(frozen=True, slots=True)
class Edge:
    """One input of a step.

    Attributes:
        entry: What the step's record says of the input: path, kind, digest, size.
        producer: The fingerprint of the step that made it; `None` for a source.
    """

    role: str
    entry: Record
    producer: str | None

    @property
    def path(self) -> str:
        """The path that the step read it at."""
        return str(self.entry["path"])

    @property
    def digest(self) -> str:
        """The digest of its content."""
        return str(self.entry["digest"])


@dataclass(frozen=True, slots=True)
class Step:
    """One record, and where its inputs came from. `number` counts from 1 in the order of making."""

    number: int
    record: Record
    inputs: tuple[Edge, ...]

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the computation."""
        return str(self.record["fingerprint"])

    @property
    def name(self) -> str:
        """The rule's name, or the task's where the rule has none."""
        return str(self.record.get("rule") or self.record["task"]["name"].rpartition(":")[2])

    # Any: JSON.
    @property
    def facts(self) -> Mapping[str, Any]:
        """What the task said of its work."""
        return self.record.get("facts") or {}


@dataclass(frozen=True, slots=True)
class Target:
    """A file or folder that was asked for, and which output of which step it is."""

    path: str
    role: str
    fingerprint: str
    output: Record


@dataclass(frozen=True, slots=True)
class Source:
    """A file or folder that was read and that no record made.

    Attributes:
        used_by: The numbers of the steps that read it, with the role that they read it in.
    """

    entry: Record
    used_by: tuple[tuple[int, str], ...]

    @property
    def path(self) -> str:
        """The path that it was first read at."""
        return str(self.entry["path"])

    @property
    def digest(self) -> str:
        """The digest of its content."""
        return str(self.entry["digest"])


@dataclass(frozen=True, slots=True)
class Trace:
    """The targets, all steps that made them (makers before what was made of theirs), and the sources."""

    targets: tuple[Target, ...]
    steps: tuple[Step, ...]
    sources: tuple[Source, ...]

    def step(self, fingerprint: str) -> Step:
        """Returns the step of a fingerprint."""
        return next(step for step in self.steps if step.fingerprint == fingerprint)

    def workflow_fingerprint(self) -> str:
        """Returns the fingerprint of the whole workflow.

        It is the SHA-256 of the canonical JSON of all fingerprints and of the roles in which one went into another,
        sorted: equal for two workflows exactly when they compute the same from the same sources, wherever their files
        lie and whatever their rules are called.
        """
        edges = [
            [step.fingerprint, edge.role, position, edge.producer or edge.digest]
            for step in self.steps
            for position, edge in enumerate(step.inputs)
        ]
        value = {
            "v": WORKFLOW_FINGERPRINT_VERSION,
            "targets": sorted([target.fingerprint, target.role] for target in self.targets),
            "steps": sorted(step.fingerprint for step in self.steps),
            "inputs": sorted(edges, key=lambda edge: [str(part) for part in edge]),
        }
        return digest_bytes(canonical_bytes(value), "sha256")

    def identity(self) -> str:
        """Returns a digest of everything that the records say, times and machines included.

        A card shows more than what a fingerprint covers, so a rule that writes cards depends on this.
        """
        records = [dict(step.record) for step in self.steps]
        targets = [[target.path, target.role, target.fingerprint] for target in self.targets]
        return digest_bytes(canonical_bytes({"records": records, "targets": targets}), "sha256")


def trace(targets: Sequence[Path], records: RecordSource) -> Trace:
    """Returns the ancestry of files or folders.

    Raises:
        CardError: No record made one of them.
    """
    walk = _Walk(records)
    found = []
    for path in targets:
        record = records.producer(path)
        if record is None:
            raise CardError(
                "no record says how this was made",
                where=str(path),
                hint="give a target of the workflow, and run the workflow first",
            )
        walk.visit(record)
        found.append(_target(path, record))
    return Trace(tuple(found), tuple(walk.steps.values()), _sources(walk.steps.values()))


@dataclass(slots=True)
class _Open:
    """A record whose inputs are being followed."""

    record: Record
    pending: Iterator[tuple[str, Record]]
    edges: list[Edge] = field(default_factory=list)


class _Walk:
    """Depth first, without recursion: a workflow of many rounds can be thousands of steps deep."""

    def __init__(self, records: RecordSource) -> None:
        self.records = records
        self.steps: dict[str, Step] = {}

    def visit(self, root: Record) -> None:
        if root["fingerprint"] in self.steps:
            return
        stack = [_Open(root, _inputs(root))]
        open_fingerprints = {str(root["fingerprint"])}
        while stack:
            top = stack[-1]
            upcoming = next(top.pending, None)
            if upcoming is None:
                stack.pop()
                fingerprint = str(top.record["fingerprint"])
                open_fingerprints.discard(fingerprint)
                self.steps[fingerprint] = Step(len(self.steps) + 1, top.record, tuple(top.edges))
                continue
            role, entry = upcoming
            maker = self.records.by_digest(str(entry["digest"]), str(entry["path"]))
            # A step whose output equals its input (a filter that kept every row) must not become its own ancestor.
            if maker is not None and maker["fingerprint"] in open_fingerprints:
                maker = None
            top.edges.append(Edge(role, entry, str(maker["fingerprint"]) if maker is not None else None))
            if maker is not None and maker["fingerprint"] not in self.steps:
                stack.append(_Open(maker, _inputs(maker)))
                open_fingerprints.add(str(maker["fingerprint"]))


def _inputs(record: Record) -> Iterator[tuple[str, Record]]:
    """Yields all inputs by role, then the local model folders that the models of the record name beside them."""
    seen = set()
    for role, entries in sorted((record.get("inputs") or {}).items()):
        for entry in entries:
            seen.add(PurePosixPath(str(entry["path"])))
            yield role, entry
    for _, model in sorted((record.get("models") or {}).items()):
        for role in ("model", "adapter"):
            path, digest = model.get("spec", {}).get(role), str(model.get("identity", {}).get(role) or "")
            if path and is_digest(digest) and PurePosixPath(str(path)) not in seen:
                seen.add(PurePosixPath(str(path)))
                yield role, {"path": path, "kind": "folder", "digest": digest}


def is_digest(text: str) -> bool:
    """Whether a model's identity is the digest of a local folder rather than a name."""
    return text.startswith(("sha256:", "xxh3:", "tree-sha256:", "tree-xxh3:"))


def _target(path: Path, record: Record) -> Target:
    outputs: Mapping[str, Record] = record["outputs"]
    asked = PurePosixPath(path.as_posix())
    for role, output in sorted(outputs.items()):
        recorded = PurePosixPath(str(output["path"]))
        if asked == recorded or asked.parts[-len(recorded.parts) :] == recorded.parts:
            return Target(path.as_posix(), role, str(record["fingerprint"]), output)
    if len(outputs) > 1 and path.exists():
        digest = _digest(path)
        outputs = {r: o for r, o in outputs.items() if o["digest"] == digest} or outputs
    role = min(outputs)
    return Target(path.as_posix(), role, str(record["fingerprint"]), outputs[role])


def _digest(path: Path) -> str:
    from dreamsmk.hashing import digest_file, digest_rows, digest_tree

    if path.is_dir():
        return digest_tree(path)
    return digest_rows(path) if path.suffix == ".parquet" else digest_file(path)


def _sources(steps: Iterable[Step]) -> tuple[Source, ...]:
    entries: dict[str, Record] = {}
    used_by: dict[str, list[tuple[int, str]]] = {}
    for step in steps:
        for edge in step.inputs:
            if edge.producer is None:
                entries.setdefault(edge.digest, edge.entry)
                uses = used_by.setdefault(edge.digest, [])
                if (step.number, edge.role) not in uses:
                    uses.append((step.number, edge.role))
    return tuple(Source(entry, tuple(used_by[digest])) for digest, entry in entries.items())
