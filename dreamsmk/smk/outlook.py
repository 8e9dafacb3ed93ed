"""Why a job of an opened workflow would run, or would not: its record compared with what it would be now.

Contract: nothing is run and nothing but the stat memo is written; tables are read only to count the rows that differ.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dreamsmk.cards import (
    CodeChange,
    Difference,
    InputChange,
    Outlook,
    State,
    Verdict,
    preimage_differences,
    row_changes,
)
from dreamsmk.errors import DreamsmkError, IdentityError, TableError
from dreamsmk.hashing import DigestMemo
from dreamsmk.smk.binding import open_memo
from dreamsmk.smk.graph import Graph, Job
from dreamsmk.smk.identify import Identified
from dreamsmk.smk.planning.ahead import Ahead
from dreamsmk.store import ActionStore, Home, Records
from dreamsmk.tables import is_table_path, row_count

# Any: JSON, as the store keeps it.
Record = Mapping[str, Any]


def look_out(graph: Graph, job: Job, home: Home, path: Path | None = None) -> tuple[Outlook, list[Outlook]]:
    """Returns what would become of a job, and of those of its ancestors that Snakemake would look at, makers first.

    What the store has counts as if it were put back already, so that a job behind it is known for sure.

    Args:
        graph: The opened workflow.
        job: A job of the graph.
        home: The folder of dreamsmk's state.
        path: The output that is asked about, where the job has several.
    """
    with tempfile.TemporaryDirectory(prefix="dreamsmk-explain-") as folder:
        lookout = _Lookout(graph, home, Ahead(Path(folder)))
        ancestors = _ancestors(graph, job)
        before = [lookout.of(other) for other in graph.jobs if other in ancestors and graph.needrun(other)]
        return lookout.of(job, path), before


@dataclass(frozen=True, slots=True)
class _Lookout:
    """Says what would become of the jobs of a graph, one after another, makers first."""

    graph: Graph
    home: Home
    ahead: Ahead

    @property
    def memo(self) -> DigestMemo:
        """The digests of files as they are now."""
        return open_memo(self.home)

    def of(self, job: Job, path: Path | None = None) -> Outlook:
        """Returns the outlook of a job, and notes what it will make."""
        outputs = tuple(str(output) for output in job.output)
        target = path or (Path(outputs[0]) if outputs else None)
        identified, fault = self._identified(job)
        record = self.record(target, identified) if target else None
        waits_for = self._waits_for(job)
        common: dict[str, Any] = {  # Any: the fields of Outlook
            "rule": str(job.rule.name),
            "outputs": outputs,
            "state": self._state(target, record),
            "reason": self.graph.reason(job),
            "waits_for": waits_for,
        }
        if identified is None:
            runs = self.graph.needrun(job)
            for output in outputs if runs else ():
                self.ahead.make(Path(output))
            return Outlook(verdict="runs" if runs else "stays", fault=fault, **common)
        changes = tuple(preimage_differences(record["preimage"], identified.preimage.canonical())) if record else ()
        return Outlook(
            verdict=self._verdict(job, identified, changes, bool(waits_for)),
            fingerprint=identified.fingerprint,
            changes=changes,
            inputs=self._inputs(job, record, changes),
            code=_code(identified, record, changes),
            aliases=identified.aliases,
            **common,
        )

    # Any: JSON.
    def record(self, path: Path, identified: Identified | None) -> dict[str, Any] | None:
        """Returns the record of what was last put at a path; else of what made, or would make, what is there."""
        records = Records(self.home, self.memo)
        known = records.last_at(path) or records.producer(path)
        return known or (records.load(identified.fingerprint) if identified is not None else None)

    def _identified(self, job: Job) -> tuple[Identified | None, str]:
        """Returns what a job is now; or None for a rule of the user's, and for a job that has no identity, and why."""
        binding = self.graph.binding(job)
        if binding is None:
            return None, ""
        try:
            return self.graph.identify(job, self.ahead.memo(binding)), ""
        except DreamsmkError as exc:
            return None, " ".join(str(exc).splitlines())

    def _waits_for(self, job: Job) -> tuple[str, ...]:
        """Returns the rules that will make inputs of a job, with a content that nobody knows yet."""
        unsettled = [self.graph.job_for(str(file)) for file in job.input if self.ahead.is_unsettled(Path(str(file)))]
        return tuple(dict.fromkeys(str(maker.rule.name) for maker in unsettled if maker is not None))

    def _verdict(self, job: Job, identified: Identified, changes: Sequence[Difference], waits: bool) -> Verdict:
        if not self.graph.needrun(job):
            return "stays"
        binding, outputs = self.graph.binding(job), self.graph.outputs(job)
        action = None if waits else ActionStore(self.home, self.memo).peek(identified.fingerprint)
        if action is not None and binding is not None and outputs.keys() <= action.outputs.keys():
            stored = Records(self.home, self.memo).load(identified.fingerprint)
            self.ahead.restore(binding, action, outputs, stored)
            return "restored"
        for output in outputs.values():
            self.ahead.make(output)
        return "may run" if waits and all(change.path[0] == "inputs" for change in changes) else "runs"

    def _state(self, path: Path | None, record: Record | None) -> State:
        if path is None or record is None:
            return "not recorded"
        if not path.exists():
            return "missing"
        try:
            digest = self.memo.of(path)
        except (OSError, IdentityError):
            return "changed"
        return "as made" if any(output["digest"] == digest for output in record["outputs"].values()) else "changed"

    def _inputs(self, job: Job, record: Record | None, changes: Sequence[Difference]) -> dict[str, InputChange]:
        if record is None:
            return {}
        now = self.graph.inputs(job)
        return {change.name: self._input(change, record, now) for change in changes if change.path[0] == "inputs"}

    def _input(self, change: Difference, record: Record, now: Mapping[str, list[Path]]) -> InputChange:
        role, _, position = change.path[1].partition("[")
        number = int(position.rstrip("]") or 0)
        entries = record["inputs"].get(role, [])
        old: Record = entries[number] if number < len(entries) else {}
        paths = now.get(role, [])
        path = paths[number] if number < len(paths) else None
        content = self.ahead.readable(path) if path is not None else None
        text = (record.get("facts", {}).get("prompts") or {}).get(role)
        stored = self._stored(str(change.before), str(old.get("path", "")))
        is_there = content is not None and content.is_file()
        return InputChange(
            path=str(path or ""),
            path_before=str(old.get("path", "")),
            rows=_rows(content) if content is not None and is_there else None,
            rows_before=old.get("rows"),
            changes=row_changes(stored, content) if stored and content is not None and is_there else None,
            texts=(text, content.read_text(encoding="utf-8").strip()) if text and content and is_there else None,
        )

    def _stored(self, digest: str, path: str) -> Path | None:
        """Returns the store's copy of a table of this content, if there still is one."""
        record = Records(self.home, self.memo).by_digest(digest, path) if digest.startswith("rows-") else None
        if record is None:
            return None
        role = next(role for role, output in record["outputs"].items() if output["digest"] == digest)
        blob = self.home.blob(record["fingerprint"]) / role
        return blob if blob.is_file() else None


def _ancestors(graph: Graph, job: Job) -> set[Job]:
    found: set[Job] = set()
    pending = graph.makers(job)
    while pending:
        maker = pending.pop()
        if maker not in found:
            found.add(maker)
            pending += graph.makers(maker)
    return found


def _code(identified: Identified, record: Record | None, changes: Sequence[Difference]) -> dict[str, CodeChange]:
    """Returns both versions of the functions that differ, where both are known."""
    before: Mapping[str, Record] = (record or {}).get("code") or {}
    after = {position: {"parts": code.parts, "sources": code.sources} for position, code in identified.code.items()}
    return {
        change.name: CodeChange.of(before[change.path[1]], after[change.path[1]])
        for change in changes
        if change.path[0] == "code" and change.path[1] in before and change.path[1] in after
    }


def _rows(path: Path) -> int | None:
    if not is_table_path(path) or path.suffix == ".txt":
        return None
    try:
        return row_count(path)
    except TableError:
        return None
