"""Two targets compared: how far they are the same, and the first thing, from the sources on, in which they are not.

The levels, from the strongest on:

    same bytes       the files are the same, byte for byte
    same rows        the tables hold the same rows, in the same order
    same inputs      the same recipe from the same sources, and other outputs all the same (a model that samples)
    same plan        the same recipe from other sources
    different plan   another recipe: a task, a parameter, a model, a function, or which step feeds which

A recipe is everything in the fingerprints of a target and of its ancestors but the digests of data: those of sources
are the inputs, and those of what the ancestors made follow from both.

Contract: pure: works on records, wherever they came from; the names of rules, aliases and files count for nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from dreamsmk.cards.difference import ABSENT, Difference, difference_lines, preimage_differences
from dreamsmk.cards.outlook import CodeChange, code_lines
from dreamsmk.cards.trace import Edge, Step, Trace, is_digest

Level = Literal["same bytes", "same rows", "same inputs", "same plan", "different plan"]
LEVELS: tuple[Level, ...] = ("same bytes", "same rows", "same inputs", "same plan", "different plan")

_MODEL_PREFIXES = ("model_", "adapter_")
# A card depends on its targets' records, times and machines included.
_FOLLOWS_FROM_INPUTS = {("card", "records")}

# The steps of both sides by their fingerprints.
_Steps = tuple[Mapping[str, Step], Mapping[str, Step]]


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two targets.

    Attributes:
        path: Where it lies.
        content: Digest of its bytes or its tree; empty where it is gone and was not recorded.
        rows: Digest of its rows, where it is a table; else as `content`.
        trace: Its ancestry; None where no record says how it was made.
    """

    path: str
    content: str
    rows: str
    trace: Trace | None


@dataclass(frozen=True, slots=True)
class Leaf:
    """One difference, and which level it decides.

    Attributes:
        part: `plan` for a part of the recipe, `source` for the content of a source.
        difference: Where and what; the path begins with the name of the step.
        path: Where the source lies, in the first workflow.
        code: What of a function differs.
    """

    part: Literal["plan", "source"]
    difference: Difference
    path: str = ""
    code: CodeChange | None = None

    # Any: JSON.
    def to_json(self) -> dict[str, Any]:
        """Returns the leaf as JSON."""
        found = {"part": self.part, **self.difference.to_json()}
        return found | ({"source": self.path} if self.path else {}) | ({"diff": self.code.diffs()} if self.code else {})


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two targets have in common.

    Attributes:
        leaves: All differences of recipe and sources, ancestors first.
        note: What could not be compared.
    """

    level: Level
    leaves: tuple[Leaf, ...] = ()
    note: str = ""

    @property
    def first(self) -> Leaf | None:
        """The first difference that decides the level."""
        wanted = "source" if self.level == "same plan" else "plan"
        return next((leaf for leaf in self.leaves if leaf.part == wanted), next(iter(self.leaves), None))


def compare(one: Side, other: Side) -> Comparison:
    """Compares two targets: their contents first, then how they were made."""
    leaves: tuple[Leaf, ...] = ()
    note = ""
    if one.trace is None or other.trace is None:
        unknown = [side.path for side in (one, other) if side.trace is None]
        note = f"no record says how {' and '.join(unknown)} was made: only the contents were compared"
    else:
        leaves = tuple(_leaves(one.trace, other.trace))
    if one.content and one.content == other.content:
        return Comparison("same bytes", leaves, note)
    if one.rows and one.rows == other.rows:
        return Comparison("same rows", leaves, note)
    if note or any(leaf.part == "plan" for leaf in leaves):
        return Comparison("different plan", leaves, note)
    return Comparison("same plan" if leaves else "same inputs", leaves, note)


def leaf_lines(leaf: Leaf) -> list[str]:
    """Returns a difference for people; that of a source names the file."""
    if leaf.code is not None:
        return list(code_lines(leaf.difference, leaf.code))
    first, *rest = difference_lines(leaf.difference)
    return [first.replace(":", f" ({leaf.path}):", 1) if leaf.path else first, *rest]


def weakest(levels: list[Level]) -> Level:
    """Returns the level that holds for all of several targets."""
    return max(levels, key=LEVELS.index, default="same bytes")


def _leaves(one: Trace, other: Trace) -> Iterator[Leaf]:
    first, second = one.targets[0], other.targets[0]
    if first.role != second.role:
        yield Leaf("plan", Difference(("output",), first.role, second.role))
    steps = {step.fingerprint: step for step in one.steps}, {step.fingerprint: step for step in other.steps}
    for left, right in _pairs(steps, (first.fingerprint, second.fingerprint)):
        yield from _recipe_leaves(left, right)
        yield from _edge_leaves(left, right, steps)


def _pairs(steps: _Steps, root: tuple[str, str]) -> Iterator[tuple[Step, Step]]:
    """Yields the steps that play the same part in both, makers first, without recursion."""
    seen = {root}
    stack = [(root, _produced(steps, root))]
    while stack:
        pair, pending = stack[-1]
        upcoming = next(pending, None)
        if upcoming is None:
            stack.pop()
            yield steps[0][pair[0]], steps[1][pair[1]]
        elif upcoming not in seen:
            seen.add(upcoming)
            stack.append((upcoming, _produced(steps, upcoming)))


def _produced(steps: _Steps, pair: tuple[str, str]) -> Iterator[tuple[str, str]]:
    left, right = _edges(steps[0][pair[0]]), _edges(steps[1][pair[1]])
    for name in (name for name in left if name in right):
        one, other = left[name].producer, right[name].producer
        if one is not None and other is not None:
            yield one, other


def _recipe_leaves(left: Step, right: Step) -> Iterator[Leaf]:
    name = _name(left, right)
    for found in preimage_differences(_recipe(left), _recipe(right)):
        if not (_is_model_digest(found) or found.path[0] == "inputs"):
            code = _code_change(left, right, found.path[1]) if found.path[0] == "code" else None
            yield Leaf("plan", Difference((name, *found.path), found.before, found.after), code=code)


def _code_change(left: Step, right: Step, position: str) -> CodeChange | None:
    before, after = ((step.record.get("code") or {}).get(position) for step in (left, right))
    return CodeChange.of(before, after) if before and after else None


def _edge_leaves(left: Step, right: Step, steps: _Steps) -> Iterator[Leaf]:
    ours, theirs = _edges(left), _edges(right)
    for name in [*ours, *(name for name in theirs if name not in ours)]:
        one, other = ours.get(name), theirs.get(name)
        path = (_name(left, right), "inputs", name)
        if one is None or other is None or (one.producer is None) != (other.producer is None):
            yield Leaf("plan", Difference(path, _origin(one, steps[0]), _origin(other, steps[1])))
        elif one.producer is None and one.digest != other.digest:
            yield Leaf("source", Difference(path, one.digest, other.digest), one.path)


def _edges(step: Step) -> dict[str, Edge]:
    """Returns the inputs of a step by role and position; a model's by its position in the parameters."""
    aliases: dict[str, str] = {}
    for position, alias in sorted((step.record.get("positions") or {}).items()):
        aliases.setdefault(str(alias), str(position))
    found: dict[str, Edge] = {}
    for edge in step.inputs:
        role = edge.role
        for prefix in _MODEL_PREFIXES:
            if role.startswith(prefix) and role.removeprefix(prefix) in aliases:
                role = f"{prefix}{aliases[role.removeprefix(prefix)]}"
        position = sum(1 for name in found if name.partition("[")[0] == role)
        found[f"{role}[{position}]" if position else role] = edge
    return found


# Any: JSON.
def _recipe(step: Step) -> dict[str, Any]:
    """Returns a preimage without its inputs, and without what a rule adds that follows from them."""
    preimage = step.record["preimage"]
    task = preimage["task"]["name"]
    params = {k: value for k, value in preimage["params"].items() if (task, k) not in _FOLLOWS_FROM_INPUTS}
    return {**preimage, "params": params, "inputs": {}}


def _is_model_digest(found: Difference) -> bool:
    """Whether only the content of a local model folder differs, which is an input of the step."""
    texts = [value for value in (found.before, found.after) if isinstance(value, str) and is_digest(value)]
    return found.path[0] == "models" and found.path[-1] in ("model", "adapter") and len(texts) == 2


def _origin(edge: Edge | None, steps: Mapping[str, Step]) -> Any:  # Any: text or ABSENT
    if edge is None:
        return ABSENT
    return f"made by {steps[edge.producer].name}" if edge.producer is not None else f"the source {edge.path}"


def _name(left: Step, right: Step) -> str:
    return left.name if left.name == right.name else f"{left.name}/{right.name}"
