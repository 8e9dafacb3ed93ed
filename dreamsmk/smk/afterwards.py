"""What Snakemake notes of a job that has ended well: times in order, and the parameters that it really ran with.

Contract: what is built never depends on this file. Without it Snakemake fails a finished job whose input comes from the
future, and restores some jobs of a group once too often. Each wrap of Snakemake's own methods is made only if the
method still has the signature it was written for (Snakemake 9.27).
"""

from __future__ import annotations

import inspect
from typing import Any

from dreamsmk.smk.binding import binding_of

_WRAPPED = "_dreamsmk_keeps_books"


def keep_books() -> None:
    """Wraps what must be wrapped, once a process."""
    from snakemake.dag import DAG
    from snakemake.jobs import Job
    from snakemake.persistence import PersistenceBase

    if getattr(DAG, _WRAPPED, False):
        return
    setattr(DAG, _WRAPPED, True)
    if takes(DAG.check_output_mtime, "self", "job", "expanded_output"):
        _wrap_mtime_check(DAG)
    if takes(PersistenceBase.finished, "self", "job") and hasattr(Job, "_expand_params"):
        _wrap_finished(PersistenceBase)


# Any: Snakemake's classes, which have no published types.
def _wrap_mtime_check(dag_class: Any) -> None:
    """Keeps a clock that stepped back from failing a job that has done all its work.

    Snakemake touches each finished output, and gives up if an input is newer still: it would run the job again next
    time. The output gets the time of that input instead. Content decides here, so the time can hide no change.
    """
    check = dag_class.check_output_mtime

    async def check_with_times_in_order(self: Any, job: Any, expanded_output: Any) -> None:
        if binding_of(job.rule) is not None:
            newest = max([await _mtime(path) for path in job.input if await path.exists_local()], default=0.0)
            for path in expanded_output:
                if await path.exists_local() and await _mtime(path) < newest:
                    path.touch(times=(newest, newest))
        await check(self, job, expanded_output)

    dag_class.check_output_mtime = check_with_times_in_order


def _wrap_finished(persistence_class: Any) -> None:
    """Lets a job of a group be noted with the fingerprint that it has now.

    Snakemake works its parameters out when it submits the group: before the group's other jobs made its inputs.
    """
    finished = persistence_class.finished

    async def finished_as_it_ran(self: Any, job: Any) -> None:
        if job.group is not None and binding_of(job.rule) is not None and all([await f.exists() for f in job.output]):
            job._expand_params()
            forget_params(persistence_class)
        await finished(self, job)

    persistence_class.finished = finished_as_it_ran


def forget_params(persistence_class: Any) -> None:
    """Lets Snakemake forget the parameters that it remembers of jobs."""
    clear = getattr(getattr(persistence_class, "_params", None), "cache_clear", None)
    if clear is not None:
        clear()


def takes(function: Any, *names: str) -> bool:
    """Says whether a function of Snakemake's still has the signature that it is wrapped for."""
    return tuple(inspect.signature(function).parameters) == names


# Any: Snakemake's _IOFile.
async def _mtime(path: Any) -> float:
    mtime: float = (await path.mtime_uncached(skip_storage=True)).local()
    return mtime
