"""Why a job will run, in a few words: what of its fingerprint differs from that of the target's last record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dreamsmk.smk.forced import is_forced
from dreamsmk.smk.graph import Graph, Job
from dreamsmk.smk.identify import Identified
from dreamsmk.store import Records


def why(
    graph: Graph, job: Job, makers: Sequence[str], *, records: Records | None, identified: Identified | None
) -> str:
    """Returns Snakemake's reason, in short words.

    Args:
        graph: The graph of jobs.
        job: A job that will run.
        makers: The rules that will make inputs of it anew.
        records: How targets were made, for a job of ours.
        identified: The job's identity, for a job of ours.
    """
    reason = graph.dag.reason(job)
    if graph.incomplete(job):
        return "stopped last time"
    if is_forced(job):
        return "forced"
    changes: list[str] = []
    if records is not None and identified is not None:
        record = records.last_at(Path(str(job.output[0])))
        if record is not None:
            changes = list(_changes(record, identified.preimage.canonical(), with_inputs=not makers))
    is_missing = any(not Path(str(output)).exists() for output in job.output)
    if not changes and is_missing:
        changes.append("missing output")
    elif not changes and not makers:
        changes.extend(_words(reason))
    if makers and not (is_missing and changes == ["missing output"]):
        changes.append("after " + ", ".join(dict.fromkeys(makers)))
    return ", ".join(changes) or "input changed"


# Any (in these functions): JSON, and Snakemake's Reason.
def _changes(record: Mapping[str, Any], new: Mapping[str, Any], *, with_inputs: bool) -> Iterator[str]:
    old = record["preimage"]
    if old["task"] != new["task"]:
        yield "new version of the task"
    if params := _differing(old["params"], new["params"]):
        yield f"params: {_listed(params)} changed"
    if code := _differing(old.get("code") or {}, new.get("code") or {}):
        yield f"code: {_listed(code)} changed"
    for position in _differing(old["models"], new["models"]):
        before, after = (side["models"].get(position, {}) for side in (old, new))
        if fields := _differing(_flat(before), _flat(after)):
            yield f"model: {_listed(fields)} changed"
    if with_inputs and (roles := _differing(old["inputs"], new["inputs"])):
        yield "input changed" if len(new["inputs"]) == 1 else f"input changed: {_listed(roles)}"


def _flat(model: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the fields of a model with its sampling values beside them."""
    return {**{k: v for k, v in model.items() if k != "sampling"}, **(model.get("sampling") or {})}


def _differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    missing = object()
    return [name for name in dict.fromkeys([*new, *old]) if old.get(name, missing) != new.get(name, missing)]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")


def _words(reason: Any) -> Iterator[str]:
    if reason.updated_input or reason.updated_input_run or reason.input_changed:
        yield "input changed"
    if reason.params_changed:
        yield "params changed"
    if reason.code_changed:
        yield "code changed"
    if reason.software_stack_changed:
        yield "software environment changed"
    if reason.noio or reason.nooutput:
        yield "always runs"
