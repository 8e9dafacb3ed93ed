"""Inputs that are gone, and that their rule would now make otherwise.

Snakemake does not make a missing file again while what was made of it is there, nor does it look at the parameters of
the job that makes it. That is right for a `temp()` file whose job is what it was. It is wrong where the job was edited
since: a `temp()` file of an older recipe, or one whose job has failed after Snakemake deleted its output. The next run
would then say that nothing is to be done.

Contract: an input is outdated if it is not there, a job of ours makes it, and that job is not the one whose result was
last put there. It is asked only while Snakemake finds out what to run, when all jobs are known.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dreamsmk.smk.binding import FINGERPRINT_PARAM, binding_of
from dreamsmk.store.placements import PlacementSnapshot


class Makers:
    """The jobs of a graph by the files that they make.

    Args:
        workflow: Snakemake's workflow.
    """

    # Any: Snakemake's Workflow.
    def __init__(self, workflow: Any) -> None:
        self._workflow = workflow
        # Any: Snakemake's Job. With how many jobs the graph had when they were listed
        self._known: tuple[int, dict[str, Any]] = (-1, {})

    def has_outdated(self, inputs: Iterable[Path], snapshot: PlacementSnapshot) -> bool:
        """Says whether one of some inputs is outdated."""
        return any(self._is_outdated(path, snapshot) for path in inputs if not path.exists())

    def _is_outdated(self, path: Path, snapshot: PlacementSnapshot) -> bool:
        placed, maker = snapshot.at(path), self._maker(path)
        if placed is None or maker is None or binding_of(maker.rule) is None:
            return False
        fingerprint = getattr(maker.rule.params, FINGERPRINT_PARAM)
        offered = {"threads": maker.threads, "resources": maker.resources}
        now: str = fingerprint(maker.wildcards, input=maker.input, output=maker.output, **offered)
        return now != placed[0]

    # Any: Snakemake's Job.
    def _maker(self, path: Path) -> Any:
        jobs = self._workflow.dag.jobs
        if self._known[0] != len(jobs):
            self._known = (len(jobs), {str(output): job for job in jobs for output in job.output})
        return self._known[1].get(str(path))
