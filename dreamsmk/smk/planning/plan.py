"""What a run would do and what it would cost, worked out before anything is paid.

Contract: nothing is executed and no target, record, entry or reply is written. Where all that a job reads is settled
(it is there, or the store has it), its calls are counted, not guessed: they are the requests that the task itself would
make, less those whose reply is stored. Everything behind a job that must work is an estimate, and says so.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dreamsmk.calls import price_list
from dreamsmk.errors import MissingCredentials
from dreamsmk.settings import ModelSpec
from dreamsmk.smk.binding import Binding
from dreamsmk.smk.checks import cache_mode
from dreamsmk.smk.forced import is_forced
from dreamsmk.smk.graph import Graph, Job
from dreamsmk.smk.identify import spec_of
from dreamsmk.smk.planning.ahead import Ahead
from dreamsmk.smk.planning.asking import PlannedJob, estimated_lines, exact_lines
from dreamsmk.smk.planning.counting import CallCounter
from dreamsmk.smk.planning.durations import Durations
from dreamsmk.smk.planning.lines import RESTORE, RUN, JobLine, ModelLine, Plan, whole_sum
from dreamsmk.smk.planning.pieces import foresee_piece
from dreamsmk.smk.planning.reasons import why
from dreamsmk.store import ActionStore, Home, Records
from dreamsmk.tables import is_table_path, row_count


def plan_jobs(graph: Graph) -> Plan:
    """Returns the plan of an opened workflow.

    Raises:
        DreamsmkError: A run would be refused, or fail before its first call: a wrong parameter, a missing column, an
            empty cell. A missing API key is no error but a note.
    """
    notes = []
    try:
        graph.check()
    except MissingCredentials as exc:
        notes.append(f"the run will be refused: {exc.what}" + (f" ({exc.hint})" if exc.hint else ""))
    with tempfile.TemporaryDirectory(prefix="dreamsmk-plan-") as folder, CallCounter() as counter:
        planner = _Planner(graph, Ahead(Path(folder)), counter)
        jobs = [planner.line(job) for job in graph.jobs if graph.needrun(job) and not job.rule.norun]
    return Plan(jobs, price_list(), [*notes, *planner.notes, *_notes(jobs)])


class _Planner:
    """Plans the jobs of a graph, one after another, makers first.

    Attributes:
        notes: What a reader must know of the jobs so far.
    """

    def __init__(self, graph: Graph, ahead: Ahead, counter: CallCounter) -> None:
        self._graph = graph
        self._ahead = ahead
        self._counter = counter
        self._durations: dict[Home, Durations] = {}
        self.notes: list[str] = []

    def line(self, job: Job) -> JobLine:
        """Returns the line of a job that will run, and notes what it will make."""
        binding = self._graph.binding(job)
        if binding is None:
            for output in job.output:
                self._ahead.make(Path(str(output)))
            reason = why(self._graph, job, self._makers(job), records=None, identified=None)
            return _line(job, None, why=reason)
        return self._line_of_ours(job, binding)

    def _line_of_ours(self, job: Job, binding: Binding) -> JobLine:
        memo = self._ahead.memo(binding)
        inputs, outputs = self._graph.inputs(job), self._graph.outputs(job)
        identified = self._graph.identify(job, memo)
        records = Records(binding.home, memo)
        reason = why(self._graph, job, self._makers(job), records=records, identified=identified)
        is_settled = self._is_settled(binding, inputs)
        if is_settled and not is_forced(job):
            action = ActionStore(binding.home, memo).peek(identified.fingerprint)
            if action is not None and outputs.keys() <= action.outputs.keys():
                record = records.load(identified.fingerprint)
                self._ahead.restore(binding, action, outputs, record)
                expected = [self._ahead.expected(path) for path in outputs.values()]
                rows = [known.rows for known in expected if known is not None and known.rows is not None]
                return _line(job, binding, why=reason, action=RESTORE, rows=sum(rows) if rows else None)
        params = self._graph.params(job)
        tables = {role: paths for role, paths in inputs.items() if paths and is_table_path(paths[0])}
        rows_in = {role: whole_sum([self._rows(path) for path in paths]) for role, paths in tables.items()}
        work_out = binding.meta.load_rows()
        rows_out = work_out(params, rows_in) if work_out else {}
        made = [rows_out.get(role) for role in outputs if binding.meta.outputs[role].kind == "table"]
        rows_made = whole_sum(made) if made else None
        planned = PlannedJob(job.rule.name, binding, params, inputs, identified, rows_made)
        lines = list((exact_lines if is_settled else estimated_lines)(planned, self._ahead, self._counter))
        if not (is_settled and foresee_piece(planned, next(iter(outputs.values())), self._ahead)):
            self._note_outputs(inputs, outputs, rows_out, [length for _, length in lines])
        models = [line for line, _ in lines]
        if any(line.requests is None for line in models) and binding.meta.load_plan() is None:
            self.notes.append(f"{job.rule.name} asks models: how often, nobody knows before it runs")
        missing = sum(line.to_make or 0 for line in models)
        if is_settled and missing and cache_mode(params, binding.settings) == "offline":
            self.notes.append(f"{job.rule.name} will fail: it is offline, and {missing:,} of its calls are not stored")
        hours = self._gpu_hours(job, planned, records, models=models, rows=next(iter(rows_in.values()), None))
        return _line(job, binding, why=reason, rows=rows_made, models=models, hours=hours, is_estimate=not is_settled)

    def _is_settled(self, binding: Binding, inputs: Mapping[str, list[Path]]) -> bool:
        paths = [path for several in inputs.values() for path in several]
        if binding.meta.extra_identity:  # it looks at more than the content of its inputs
            return all(self._ahead.expected(path) is None for path in paths)
        return not any(self._ahead.is_unsettled(path) for path in paths)

    def _makers(self, job: Job) -> list[str]:
        """Returns the rules that will make inputs of a job anew."""
        unsettled = [path for path in job.input if self._ahead.is_unsettled(Path(str(path)))]
        makers = [self._graph.job_for(str(path)) for path in unsettled]
        return [maker.rule.name for maker in makers if maker is not None]

    def _rows(self, path: Path) -> int | None:
        expected = self._ahead.expected(path)
        if expected is not None and expected.content is None:
            return expected.rows
        readable = self._ahead.readable(path)
        return row_count(readable) if readable.exists() else None

    def _note_outputs(
        self,
        inputs: Mapping[str, list[Path]],
        outputs: Mapping[str, Path],
        rows: Mapping[str, int | None],
        lengths: Sequence[float | None],
    ) -> None:
        """Notes what will be made; a table that no model writes has the texts of the table that it is made of."""
        sources = [self._ahead.expected(path) for paths in inputs.values() for path in paths]
        carried = lengths or [source.text_tokens for source in sources if source is not None]
        for role, path in outputs.items():
            self._ahead.make(path, rows.get(role), carried[0] if carried else None)

    def _gpu_hours(
        self, job: Job, planned: PlannedJob, records: Records, *, models: Sequence[ModelLine], rows: int | None
    ) -> float | None:
        home = planned.binding.home
        durations = self._durations.setdefault(home, Durations(home, records))
        specs: list[ModelSpec] = [spec_of(alias, planned.binding.settings) for alias in planned.identified.identities]
        calls = whole_sum([line.to_make for line in models]) if models else None
        gpus = job.resources.get("gpu", 0)
        return durations.gpu_hours(
            planned.binding.meta.name, specs, gpus=gpus if isinstance(gpus, int) else 0, calls=calls, rows=rows
        )


def _line(  # noqa: PLR0913 - all but two are by keyword and have a default
    job: Job,
    binding: Binding | None,
    *,
    why: str,
    action: Any = RUN,  # Any: the Literal of JobLine
    rows: int | None = None,
    models: Sequence[ModelLine] = (),
    hours: float | None = None,
    is_estimate: bool = False,
) -> JobLine:
    return JobLine(
        rule=str(job.rule.name),
        task=binding.meta.name if binding is not None else None,
        wildcards={str(name): str(value) for name, value in job.wildcards.items()},
        outputs=[str(output) for output in job.output],
        why=why,
        action=action,
        is_estimate=is_estimate,
        rows=rows,
        models=models,
        gpu_hours=hours,
    )


def _notes(jobs: Sequence[JobLine]) -> Iterator[str]:
    """Yields what the reader can do about numbers that are not known."""
    lines = {line.alias: line for job in jobs for line in job.models if line.to_make != 0 and not line.is_open}
    for alias, line in sorted(lines.items()):
        if line.prices is None:
            yield f"no price is known for {line.model}: give models.{alias}.prices (0 for a server of your own)"
        if line.output_basis is None and line.prices != "local":
            yield f"how long the replies of {line.model} will be is not known: set max_tokens, or ask a few rows first"
