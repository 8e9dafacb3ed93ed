"""Why a job of an opened workflow would run, or would not: its record compared with what it would be now.

Contract: nothing is run and nothing but the stat memo is written; tables are read only to count the rows that differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dreamsmk.cards import CodeChange, Difference, InputChange, Outlook, State, preimage_differences, row_changes
from dreamsmk.errors import DreamsmkError, IdentityError, TableError
from dreamsmk.hashing import DigestMemo
from dreamsmk.smk.graph import Graph, Job
from dreamsmk.smk.identify import Identified
from dreamsmk.store import Home, Records
from dreamsmk.tables import is_table_path, row_count

# Any: JSON, as the store keeps it.
Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Lookout:
    """Says what would become of the jobs of a graph.

    Attributes:
        graph: The opened workflow.
        home: The folder of dreamsmk's state.
        memo: The digests of files.
    """

    graph: Graph
    home: Home
    memo: DigestMemo

    def of(self, job: Job, path: Path | None = None) -> Outlook:
        """Returns the outlook of a job.

        Args:
            job: A job of the graph.
            path: The output that is asked about, where the job has several.
        """
        waits_for = tuple(dict.fromkeys(str(maker.rule.name) for maker in self.graph.waits_for(job)))
        outputs = tuple(str(output) for output in job.output)
        target = path or (Path(outputs[0]) if outputs else None)
        identified, fault = self._identified(job)
        record = self.record(target, identified) if target else None
        common: dict[str, Any] = {  # Any: the fields of Outlook
            "rule": str(job.rule.name),
            "outputs": outputs,
            "state": self._state(target, record),
            "reason": self.graph.reason(job),
            "waits_for": waits_for,
        }
        runs = self.graph.needrun(job)
        if identified is None:
            return Outlook(verdict="runs" if runs else "stays", fault=fault, **common)
        changes = tuple(preimage_differences(record["preimage"], identified.preimage.canonical())) if record else ()
        return Outlook(
            verdict=self._verdict(identified, changes, bool(waits_for)) if runs else "stays",
            fingerprint=identified.fingerprint,
            changes=changes,
            inputs=self._inputs(job, record, changes),
            code=_code(identified, record, changes),
            aliases=identified.aliases,
            **common,
        )

    def before(self, job: Job) -> list[Outlook]:
        """Returns the outlooks of all ancestors of a job that Snakemake would look at, makers first."""
        ancestors = self._ancestors(job)
        return [self.of(other) for other in self.graph.jobs if other in ancestors and self.graph.needrun(other)]

    # Any: JSON.
    def record(self, path: Path, identified: Identified | None) -> dict[str, Any] | None:
        """Returns the record of what was last put at a path; else of what made, or would make, what is there."""
        records = Records(self.home, self.memo)
        known = records.last_at(path) or records.producer(path)
        return known or (records.load(identified.fingerprint) if identified is not None else None)

    def _identified(self, job: Job) -> tuple[Identified | None, str]:
        """Returns what a job is now; or None for a rule of the user's, and for a job that has no identity, and why."""
        if self.graph.binding(job) is None:
            return None, ""
        try:
            return self.graph.identify(job), ""
        except DreamsmkError as exc:
            return None, " ".join(str(exc).splitlines())

    def _verdict(self, identified: Identified, changes: Sequence[Difference], waits: bool) -> Any:
        # Any: the Literal of Outlook
        if waits:
            return "runs" if any(change.path[0] != "inputs" for change in changes) else "may run"
        stored = self.home.action(identified.fingerprint).is_file() and self.home.blob(identified.fingerprint).is_dir()
        return "restored" if stored else "runs"

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
        text = (record.get("facts", {}).get("prompts") or {}).get(role)
        stored = self._stored(str(change.before), str(old.get("path", "")))
        is_there = path is not None and path.is_file()
        return InputChange(
            path=str(path or ""),
            path_before=str(old.get("path", "")),
            rows=_rows(path) if path is not None and is_there else None,
            rows_before=old.get("rows"),
            changes=row_changes(stored, path) if stored and path is not None and is_there else None,
            texts=(text, path.read_text(encoding="utf-8").strip()) if text and path is not None and is_there else None,
        )

    def _stored(self, digest: str, path: str) -> Path | None:
        """Returns the store's copy of a table of this content, if there still is one."""
        record = Records(self.home, self.memo).by_digest(digest, path) if digest.startswith("rows-") else None
        if record is None:
            return None
        role = next(role for role, output in record["outputs"].items() if output["digest"] == digest)
        blob = self.home.blob(record["fingerprint"]) / role
        return blob if blob.is_file() else None

    def _ancestors(self, job: Job) -> set[Job]:
        found: set[Job] = set()
        pending = self.graph.makers(job)
        while pending:
            maker = pending.pop()
            if maker not in found:
                found.add(maker)
                pending += self.graph.makers(maker)
        return found


def _code(identified: Identified, record: Record | None, changes: Sequence[Difference]) -> dict[str, CodeChange]:
    """Returns both versions of the functions that differ, where both were kept."""
    before = (record or {}).get("code") or {}
    after = getattr(identified, "code", None) or {}
    return dict(_code_changes(before, after, changes))


def _code_changes(
    before: Mapping[str, Any], after: Mapping[str, Any], changes: Sequence[Difference]
) -> Iterator[tuple[str, CodeChange]]:
    for change in changes:
        if change.path[0] == "code" and (position := change.path[1]) in before and position in after:
            yield change.name, CodeChange(before[position].get("sources") or {}, after[position].get("sources") or {})


def _rows(path: Path) -> int | None:
    if not is_table_path(path) or path.suffix == ".txt":
        return None
    try:
        return row_count(path)
    except TableError:
        return None
