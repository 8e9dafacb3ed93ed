"""What `dreamsmk explain` says of a target: what made it, from what, and the parts of its fingerprint.

Contract: for the user's own terminal, so paths stand as they were recorded. Pure: no clock, no files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from dreamsmk.cards.markup import duration, moment, number
from dreamsmk.cards.pieces import is_piece, without_number
from dreamsmk.cards.trace import Edge, Step, Target, Trace

_WIDTH = 100


# Any: JSON.
def explain_json(trace: Trace) -> list[dict[str, Any]]:
    """Returns, for each target, its record, the steps before it and the sources, as JSON."""
    found = []
    for target in trace.targets:
        numbers = _ancestors(trace, trace.step(target.fingerprint))
        found.append(
            {
                "target": target.path,
                "role": target.role,
                "fingerprint": target.fingerprint,
                "record": dict(trace.step(target.fingerprint).record),
                "ancestors": [_brief(step) for step in trace.steps if step.number in numbers],
                "sources": [
                    {"path": source.path, "digest": source.digest}
                    for source in trace.sources
                    if numbers & {number for number, _ in source.used_by}
                ],
                "workflow_fingerprint": trace.workflow_fingerprint(),
            }
        )
    return found


def explain_text(trace: Trace) -> str:
    """Returns the same for people, without a line break at the end."""
    return "\n\n".join(_explain(trace, target) for target in trace.targets)


def _explain(trace: Trace, target: Target) -> str:
    step = trace.step(target.fingerprint)
    record, output = step.record, target.output
    rows = f", {number(output['rows'])} rows" if output.get("rows") is not None else ""
    columns = f"  columns      {', '.join(output['columns'])}" if output.get("columns") else ""
    lines = [
        target.path,
        f"  made by      {step.name} ({record['task']['name']}, version {record['task'].get('version', '?')})",
        f"  finished     {moment(record['finished_at'])}, after {duration(float(record['duration_seconds']))}",
        f"  content      {output['kind']}{rows}, {output['digest']}",
        _cut(columns),
        f"  fingerprint  {step.fingerprint}, which covers",
        *(_cut(f"    {line}") for line in _parts(record["preimage"])),
        *(f"  model        {line}" for line in _models(record)),
        f"  workflow     {trace.workflow_fingerprint()}",
        "  comes from",
        *_tree(trace, step),
    ]
    return "\n".join(line for line in lines if line)


# Any: JSON.
def _parts(preimage: Mapping[str, Any]) -> list[str]:
    """Returns one line for each part of a fingerprint, so that two explanations can be compared with diff."""
    lines = [f"task {preimage['task']['name']} {preimage['task'].get('version', '')}".rstrip()]
    for name in ("params", "models", "code"):
        values = sorted((preimage.get(name) or {}).items())
        lines += [f"{name}.{key} = {_short(value)}" for key, value in values if value not in (None, [], {})]
        if unset := [key for key, value in values if value in (None, [], {})]:
            lines.append(f"{name} that are not set: {', '.join(unset)}")
    for role, digests in sorted((preimage.get("inputs") or {}).items()):
        several = len(digests) > 1
        lines += [f"inputs.{role}{f'[{i}]' if several else ''} = {digest}" for i, digest in enumerate(digests)]
    return lines


# Any: JSON.
def _models(record: Mapping[str, Any]) -> list[str]:
    lines = []
    for alias, model in sorted((record.get("models") or {}).items()):
        calls = model.get("calls") or {}
        usage = calls.get("usage") or {}
        reported = ", ".join(sorted(calls.get("reported") or {}))
        said = f"{alias}: {model['spec']['model']}" + (f", reported as {reported}" if reported else "")
        if calls.get("requests"):
            said += f"; {number(calls['requests'])} calls, {number(calls.get('hits', 0))} from the cache"
            said += f"; {number(usage.get('input_tokens', 0))} tokens in, {number(usage.get('output_tokens', 0))} out"
        lines.append(said)
    return lines


def _tree(trace: Trace, root: Step) -> list[str]:
    """Returns the ancestors as a tree. A step that was already drawn is only named, so that the tree stays short."""
    lines = [f"    {_node(root)}"]
    drawn = {root.number}
    stack = [("    ", *_branches(root))]
    while stack:
        margin, count, edges = stack[-1]
        upcoming = next(edges, None)
        if upcoming is None:
            stack.pop()
            continue
        position, (edge, pieces) = upcoming
        is_last = position == count - 1
        head = f"{margin}{'└─' if is_last else '├─'} {edge.role}: "
        if edge.producer is None:
            lines.append(f"{head}{edge.path} (source)")
            continue
        maker = trace.step(edge.producer)
        again = maker.number in drawn
        told = f" (one of {pieces} pieces)" if pieces > 1 else ""
        lines.append(f"{head}{edge.path}{told}, {_node(maker)}{' (see above)' if again and maker.inputs else ''}")
        if not again:
            drawn.add(maker.number)
            stack.append((margin + ("   " if is_last else "│  "), *_branches(maker)))
    return lines


def _branches(step: Step) -> tuple[int, Iterator[tuple[int, tuple[Edge, int]]]]:
    """Returns how many inputs of a step are drawn, and those: the first of the pieces of a table stands for all."""
    drawn: dict[object, list[Edge]] = {}
    for position, edge in enumerate(step.inputs):
        drawn.setdefault((edge.role, without_number(edge.path)) if is_piece(edge.path) else position, []).append(edge)
    return len(drawn), enumerate((edges[0], len(edges)) for edges in drawn.values())


def _node(step: Step) -> str:
    return f"{step.name} {step.fingerprint[:13]}…"


def _ancestors(trace: Trace, root: Step) -> set[int]:
    found: set[int] = set()
    pending = [root]
    while pending:
        step = pending.pop()
        if step.number not in found:
            found.add(step.number)
            pending += [trace.step(edge.producer) for edge in step.inputs if edge.producer]
    return found


# Any: JSON.
def _brief(step: Step) -> dict[str, Any]:
    inputs = [{"role": e.role, "path": e.path, "digest": e.digest, "made_by": e.producer} for e in step.inputs]
    outputs = {role: {"path": o["path"], "digest": o["digest"]} for role, o in step.record["outputs"].items()}
    return {
        "name": step.name,
        "task": dict(step.record["task"]),
        "fingerprint": step.fingerprint,
        "finished_at": step.record["finished_at"],
        "inputs": inputs,
        "outputs": outputs,
    }


# Any: JSON.
def _short(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _cut(line: str) -> str:
    return line if len(line) <= _WIDTH else line[: _WIDTH - 1] + "…"
