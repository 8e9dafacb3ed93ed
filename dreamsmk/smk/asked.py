"""One call of a job: the request that its task would make now.

Contract: the request is made by the task's own `plan`, from the inputs as they are on disk; nothing is asked.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from dreamsmk.errors import SettingsError
from dreamsmk.requests import Request
from dreamsmk.smk.graph import Graph, Job
from dreamsmk.smk.planning.asking import PlannedJob, asked_by


@dataclass(frozen=True, slots=True)
class AskedCall:
    """A call that a job would make.

    Attributes:
        number: Its place among the job's calls, from 0: model after model, row after row.
        calls: How many calls the job would make.
        alias: What the config calls its model.
        waits_for: The rules that make inputs of the job first, so that the request may yet be another one.
    """

    number: int
    calls: int
    alias: str
    request: Request
    waits_for: tuple[str, ...]


def asked_call(graph: Graph, job: Job, number: int) -> AskedCall:
    """Returns a call of a job.

    Raises:
        SettingsError: The job asks no model, makes fewer calls, or an input is not there.
    """
    where = f"rule {job.rule.name}"
    binding = graph.binding(job)
    if binding is None or binding.meta.load_plan() is None:
        raise SettingsError("the rule asks no model", where=where)
    inputs = graph.inputs(job)
    if missing := [str(path) for paths in inputs.values() for path in paths if not path.exists()]:
        raise SettingsError("its calls are not known yet: an input is not there", where=f"{where}, {missing[0]}")
    planned = PlannedJob(str(job.rule.name), binding, graph.params(job), inputs, graph.identify(job), None)
    found: tuple[str, Request] | None = None
    calls = 0
    with tempfile.TemporaryDirectory(prefix="dreamsmk-explain-") as folder:
        for model, asked in asked_by(planned, inputs, Path(folder)):
            for request in asked.requests:
                if calls == number:
                    found = (model.alias, request)
                calls += 1
    if found is None:
        raise SettingsError(f"the job makes {calls} calls: there is no call {number}", where=where, hint="count from 0")
    waits_for = tuple(str(maker.rule.name) for maker in graph.waits_for(job))
    return AskedCall(number, calls, *found, waits_for)
