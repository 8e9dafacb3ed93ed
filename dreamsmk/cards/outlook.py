"""Whether a job would run now, and why: the difference between what made its target and what would make it today.

Contract: pure; whoever opens the workflow fills these values in, and this file says them to people and machines. A
verdict is about work: `restored` costs no computation and no model call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from dreamsmk.cards.difference import ABSENT, Difference, difference_lines, text_diff
from dreamsmk.cards.markup import number
from dreamsmk.cards.rows import RowChanges

Verdict = Literal["stays", "restored", "may run", "runs"]
State = Literal["as made", "missing", "changed", "not recorded"]

_DIGEST_SHOWN = 22


@dataclass(frozen=True, slots=True)
class InputChange:
    """What is known of an input whose digest differs, beyond the digest.

    Attributes:
        path: Where it lies now.
        path_before: Where it lay when the target was made.
        rows: Its rows now, where it is a table.
        rows_before: Its rows then, where they were recorded.
        changes: Which rows differ, where both versions are still there.
        texts: Both versions, where it is a prompt or a template whose words were recorded.
    """

    path: str = ""
    path_before: str = ""
    rows: int | None = None
    rows_before: int | None = None
    changes: RowChanges | None = None
    texts: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class CodeChange:
    """The sources of those parts of a user function that differ, by name, then and now; empty where there was none."""

    before: Mapping[str, str]
    after: Mapping[str, str]

    # Any: JSON of a record.
    @classmethod
    def of(cls, before: Mapping[str, Any], after: Mapping[str, Any]) -> CodeChange:
        """Returns what differs between two functions, each with the digest and the source of its parts by name.

        A part whose digest is the same may well have other comments: that is no change.
        """
        old, new = before.get("parts") or {}, after.get("parts") or {}
        names = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
        return cls(
            {name: str((before.get("sources") or {}).get(name, "")) for name in names},
            {name: str((after.get("sources") or {}).get(name, "")) for name in names},
        )

    def diffs(self) -> dict[str, list[str]]:
        """Returns the unified diff of each part, by name."""
        return {name: list(text_diff(source, self.after[name])) for name, source in self.before.items()}


@dataclass(frozen=True, slots=True)
class Outlook:
    """What would become of one job.

    Attributes:
        rule: The rule's name.
        outputs: The paths that it makes.
        verdict: Whether it would run.
        state: What its target looks like, compared with the record.
        fingerprint: What the job's fingerprint would be now; empty for rules that are not ours.
        reason: Why Snakemake would look at it, in Snakemake's words; empty if it would not.
        waits_for: The rules whose outputs it reads and that come first.
        changes: The leaves of the preimage that differ; none where the job has no record.
        inputs: What is known of an input that differs, by the name of its difference.
        code: Sources of a function that differs, by the name of its difference.
        aliases: What the config calls the model at each position.
        fault: Why the job has no identity at all: a wrong parameter, an unknown model.
    """

    rule: str
    outputs: tuple[str, ...]
    verdict: Verdict
    state: State
    fingerprint: str = ""
    reason: str = ""
    waits_for: tuple[str, ...] = ()
    changes: tuple[Difference, ...] = ()
    inputs: Mapping[str, InputChange] = field(default_factory=dict)
    code: Mapping[str, CodeChange] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    fault: str = ""


def outlook_text(target: Outlook, before: Sequence[Outlook] = ()) -> str:
    """Returns the outlook of a target, and of the jobs that come before it, for people.

    Args:
        target: The job that makes the target.
        before: The jobs among its ancestors that Snakemake would look at, makers first.
    """
    lines = ["", f"  now          {headline(target)}", *(f"    {line}" for line in _change_lines(target))]
    for job in reversed(before):
        lines.append(f"  before it    {job.rule} ({', '.join(job.outputs)}) {headline(job)}")
        lines += [f"    {line}" for line in _change_lines(job)]
    return "\n".join(lines)


# Any: JSON.
def outlook_json(outlook: Outlook) -> dict[str, Any]:
    """Returns an outlook as JSON."""
    return {
        "rule": outlook.rule,
        "outputs": list(outlook.outputs),
        "fingerprint": outlook.fingerprint,
        "verdict": outlook.verdict,
        "target": outlook.state,
        "says": outlook.fault or headline(outlook),
        "snakemake": outlook.reason,
        "waits_for": list(outlook.waits_for),
        "changes": [_change_json(outlook, change) for change in outlook.changes],
    }


def headline(outlook: Outlook) -> str:
    """Returns in one sentence whether a job would run, and why."""
    if outlook.fault:
        return f"cannot run: {outlook.fault}"
    if outlook.verdict == "stays":
        return _staying(outlook)
    if outlook.verdict == "restored":
        why = {"missing": "the target is missing", "changed": "the target was changed by hand"}.get(outlook.state)
        why = why or (f"{_parts(outlook)} changed" if outlook.changes else _uncapped(outlook.reason))
        return f"would be put back from the store, nothing is computed: {why}"
    if outlook.verdict == "may run":
        return f"may run: it waits for {_several(outlook.waits_for)}, and runs if its input then differs"
    return f"would run: {_cause(outlook)}"


def _staying(outlook: Outlook) -> str:
    if outlook.state == "changed":
        return (
            "would not run, but the target is not what was made: it was changed by hand.\n"
            f"    Delete it and run snakemake, or run `snakemake --forcerun {outlook.rule}`, to have it as it was."
        )
    if outlook.changes:
        return f"Snakemake would not run it, though {_parts(outlook)} changed: it has no note of how this was made"
    if outlook.state == "not recorded":
        return "would not run: it is there, and no record says how it was made"
    return "nothing changed: it would not run"


def _cause(outlook: Outlook) -> str:
    causes = []
    if outlook.state == "not recorded":
        causes.append("it was never made here")
    elif outlook.changes:
        causes.append(f"{_parts(outlook)} changed")
    if outlook.waits_for:
        causes.append(f"it waits for {_several(outlook.waits_for)}")
    if not causes:
        gone = "its result is no longer in the store" if outlook.state != "as made" else ""
        causes = [part for part in (_uncapped(outlook.reason), gone) if part]
    return ", and ".join(causes)


def _parts(outlook: Outlook) -> str:
    """Returns what changed, in words: `its instruction`, `its model and 2 inputs`."""
    groups: dict[str, list[str]] = {}
    for change in outlook.changes:
        groups.setdefault(change.path[0], []).append(change.path[1] if len(change.path) > 1 else "")
    words = {"task": "the task itself", "code": "its code", "models": "its model", "outputs": "what it makes"}
    said = []
    for group, names in groups.items():
        distinct = list(dict.fromkeys(names))
        if group in ("params", "inputs"):
            kind = "input" if group == "inputs" else "parameter"
            said.append(f"its {kind} {distinct[0]!r}" if len(distinct) == 1 else f"{len(distinct)} of its {kind}s")
        else:
            said.append(words.get(group, group))
    return _several(said)


def _change_lines(outlook: Outlook) -> Iterator[str]:
    for change in outlook.changes:
        if change.path[0] == "inputs":
            yield from _input_lines(change, outlook.inputs.get(change.name, InputChange()))
        elif change.path[0] == "code":
            yield from code_lines(change, outlook.code.get(change.name))
        elif change.path[0] == "models":
            alias = outlook.aliases.get(change.path[1])
            first, *rest = difference_lines(change)
            yield first + (f"   (model {alias!r} of the config)" if alias else "")
            yield from rest
        else:
            yield from difference_lines(change)


def _input_lines(change: Difference, known: InputChange) -> Iterator[str]:
    where = known.path or known.path_before
    if known.path and known.path_before and known.path != known.path_before:
        where = f"{known.path_before} -> {known.path}"
    yield f"{change.name}: {where}" if where else f"{change.name}:"
    if known.texts:
        yield from (f"  {line}" for line in text_diff(*known.texts))
        return
    yield f"  content  {_digest(change.before)} -> {_digest(change.after)}"
    if known.rows is not None and known.rows_before is not None and known.rows != known.rows_before:
        yield f"  rows     {number(known.rows_before)} -> {number(known.rows)}"
    if known.changes is not None:
        yield f"  changes  {known.changes}"


def code_lines(change: Difference, known: CodeChange | None) -> Iterator[str]:
    """Yields the name of a function and the diff of each of its parts; both digests where no source was kept."""
    if known is None or not known.before:
        yield from difference_lines(change)
        return
    yield f"{change.name}:"
    for name, diff in known.diffs().items():
        yield f"  {name}"
        yield from (f"    {line}" for line in diff)


# Any: JSON.
def _change_json(outlook: Outlook, change: Difference) -> dict[str, Any]:
    found = change.to_json()
    if known := outlook.inputs.get(change.name):
        facts = {"path": known.path, "path_before": known.path_before}
        found["input"] = {name: value for name, value in facts.items() if value}
        counts = {"rows": known.rows, "rows_before": known.rows_before}
        found["input"] |= {name: value for name, value in counts.items() if value is not None}
        found["input"] |= {"changes": known.changes.to_json()} if known.changes else {}
        found |= {"diff": list(text_diff(*known.texts))} if known.texts else {}
    if code := outlook.code.get(change.name):
        found["diff"] = code.diffs()
    return found


def _digest(digest: object) -> str:
    if digest is ABSENT:
        return "(none)"
    text = str(digest)
    return text if len(text) <= _DIGEST_SHOWN or ":" not in text else text[:_DIGEST_SHOWN] + "…"


def _several(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _uncapped(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
