"""A workflow opened to be looked at: its graph of jobs, as `snakemake` would build it here and now.

    with open_graph(["results/tweets.parquet"]) as graph:
        for job in graph.jobs:                     # makers before what is made of theirs
            if graph.needrun(job):
                print(job.rule.name, graph.reason(job))
        identity = graph.identify(graph.job_for("results/tweets.parquet"))

Contract: nothing is executed, locked or printed, and no target, record or log is written; what is left behind is what
Snakemake itself makes to read a workflow (empty folders under `.snakemake/`, its source cache) and the stat memo. The
workflow's profile counts (`profiles/default`), and so do config files, as they do for `snakemake` without a flag. Jobs
that a killed run left incomplete count as jobs that must run. Whatever goes wrong while the workflow is read, in
Snakemake or in the user's code, is raised as one `SettingsError`.

The graph's own check (`check_jobs`) is not part of opening: call `Graph.check` where wrong parameters, missing columns
and missing API keys should stop the command. A graph is good only inside its `with`, and one is open at a time in a
process: Snakemake changes the working directory, `sys.path` and its logger, all of which are put back.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from dreamsmk.errors import SettingsError
from dreamsmk.hashing import DigestMemo
from dreamsmk.smk.binding import Binding, binding_of
from dreamsmk.smk.checks import check_jobs, job_params
from dreamsmk.smk.directives import extra_identity
from dreamsmk.smk.identify import Identified, identify
from dreamsmk.smk.opening import find_snakefile, open_workflow
from dreamsmk.smk.roles import paths_by_role

__all__ = ["Graph", "Job", "find_snakefile", "open_graph"]

# Any: Snakemake's Job, which has no published types.
Job = Any


class Graph:
    """The jobs of an opened workflow.

    Args:
        workflow: Snakemake's workflow, whose graph is built.
        targets: What was asked for, as the workflow's rules write it; empty for the default target.

    Attributes:
        dag: Snakemake's DAG, for what this class does not offer.
    """

    # Any: Snakemake's Workflow.
    def __init__(self, workflow: Any, targets: Sequence[str]) -> None:
        self.workflow = workflow
        self.dag = workflow.dag
        self.targets = tuple(targets)

    @cached_property
    def jobs(self) -> list[Job]:
        """All jobs, makers before what is made of theirs; equal graphs give equal orders."""
        return [job for level in self.dag.toposorted() for job in sorted(level, key=_order)]

    def job_for(self, path: Path | str) -> Job | None:
        """Returns the job that makes a file or folder; None if none of this graph does."""
        return self._makers.get(_plain(path))

    def makers(self, job: Job) -> list[Job]:
        """Returns the jobs whose outputs a job reads, in the order of `jobs`."""
        found = set(self.dag.dependencies[job])
        return [maker for maker in self.jobs if maker in found]

    def needrun(self, job: Job) -> bool:
        """Says whether Snakemake would run a job. A job that it runs may still find its result in the store."""
        return bool(self.dag.needrun(job))

    def reason(self, job: Job) -> str:
        """Returns why Snakemake would run a job, in its own words; empty if it would not."""
        if not self.needrun(job):
            return ""
        if self.incomplete(job):
            return "the last run was stopped while it made this"
        return str(self.dag.reason(job))

    def incomplete(self, job: Job) -> bool:
        """Says whether a run was stopped while it made a job's outputs, or is making them now."""
        # beside what was asked for, nothing is forced here but what `force_incomplete` forces
        asked_for = {os.path.relpath(target) for target in self.workflow.dag_settings.forcerun}
        return not (self.dag.forcefiles - asked_for).isdisjoint(job.output)

    def waits_for(self, job: Job) -> list[Job]:
        """Returns the jobs that would run before a job and whose outputs it reads."""
        return [maker for maker in self.makers(job) if self.needrun(maker)]

    def binding(self, job: Job) -> Binding | None:
        """Returns the binding of a job of ours; None for a rule of the user's own."""
        return binding_of(job.rule)

    # Any: JSON.
    def params(self, job: Job) -> dict[str, Any]:
        """Returns the validated parameters of a job of ours, with defaults.

        Raises:
            SettingsError: A name, a type or a value is wrong.
        """
        return self._bound(job).params(job_params(job), where=_where(job))

    def inputs(self, job: Job) -> dict[str, list[Path]]:
        """Returns the inputs of a job of ours by role, those of local models included."""
        return paths_by_role(job.input, self._bound(job).meta.inputs, where=f"{_where(job)}, input")

    def outputs(self, job: Job) -> dict[str, Path]:
        """Returns the outputs of a job of ours by role."""
        paths = paths_by_role(job.output, self._bound(job).meta.outputs, where=f"{_where(job)}, output")
        return {role: several[0] for role, several in paths.items()}

    def identify(self, job: Job, memo: DigestMemo | None = None) -> Identified:
        """Returns the fingerprint that a job of ours would have now, and its preimage.

        Inputs that another job is still to make count with the content that they have now, or had last.

        Args:
            job: The job.
            memo: Gives the digests of its inputs, where they are not those of the files on disk.

        Raises:
            DreamsmkError: The job has no identity: a parameter is wrong, a model is unknown.
        """
        binding, inputs, params = self._bound(job), self.inputs(job), self.params(job)
        return identify(
            binding.meta,
            params,
            inputs,
            outputs=self.outputs(job),
            settings=binding.settings,
            memo=memo or binding.memo,
            extra=extra_identity(binding, inputs, params),
        )

    def check(self) -> None:
        """Checks every job that is to run, as `snakemake` does before the first one starts.

        Raises:
            DreamsmkError: The first thing that is wrong.
        """
        check_jobs(self.workflow)

    @cached_property
    def _makers(self) -> Mapping[str, Job]:
        return {_plain(output): job for job in self.jobs for output in job.output}

    def _bound(self, job: Job) -> Binding:
        if (binding := self.binding(job)) is None:
            raise SettingsError("the rule is not one of dreamsmk's", where=_where(job))
        return binding


@contextlib.contextmanager
def open_graph(  # noqa: PLR0913 - Snakemake's own options, all but the targets by keyword
    targets: Sequence[Path | str] = (),
    *,
    snakefile: Path | str | None = None,
    directory: Path | str | None = None,
    configfiles: Sequence[Path | str] = (),
    config: Sequence[str] = (),
    rerun_triggers: Sequence[str] | None = None,
    forcerun: Sequence[str] = (),
) -> Iterator[Graph]:
    """Opens the workflow of a folder and gives its graph.

    Args:
        targets: Files, folders or names of rules, as on Snakemake's command line; absolute paths may stand for what
            the rules name relatively. None: the default target.
        snakefile: The workflow, where it is not in one of Snakemake's usual places.
        directory: The folder to go to first, as `cd` would; the other paths are relative to it.
        configfiles: As `--configfile`.
        config: As `--config`: `name=value`.
        rerun_triggers: As `--rerun-triggers`, by name: `mtime`, `params`, `input`, `software-env`, `code`.
        forcerun: As `--forcerun`: rules and files whose jobs run whatever they find.

    Raises:
        SettingsError: There is no workflow, it cannot be read, or none of its rules makes a target.
    """
    arguments = [*_flag("--snakefile", [snakefile] if snakefile else []), *_flag("--configfile", configfiles)]
    arguments += [*_flag("--config", config), *_flag("--rerun-triggers", rerun_triggers or ())]
    arguments += _flag("--forcerun", forcerun)
    with contextlib.ExitStack() as stack:
        stack.callback(os.chdir, Path.cwd())
        if directory is not None:
            os.chdir(directory)
        workflow, wanted = stack.enter_context(open_workflow(arguments, [str(target) for target in targets]))
        yield Graph(workflow, wanted)


def _flag(name: str, values: Sequence[Path | str]) -> list[str]:
    return [name, *map(str, values)] if values else []


def _order(job: Job) -> tuple[str, list[str]]:
    return str(job.rule.name), [str(output) for output in job.output]


def _plain(path: Path | str) -> str:
    return os.path.abspath(str(path))


def _where(job: Job) -> str:
    return f"rule {job.rule.name}"
