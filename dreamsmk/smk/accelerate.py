"""A job whose fingerprint is in the store is finished without a process, on every executor.

Contract: correctness never depends on this file. It wraps methods of Snakemake's own classes, because Snakemake has
no hook before a job; each wrap is made only if the method still has the signature it was written for (Snakemake 9.27),
and a job that it leaves alone does the same work in its own process. `DREAMSMK_ACCELERATE=0` lets
every job have its process; forced jobs still lose their entries first.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

from dreamsmk.errors import DreamsmkError
from dreamsmk.smk.afterwards import forget_params, takes
from dreamsmk.smk.binding import FINGERPRINT_PARAM, binding_of, open_memo
from dreamsmk.smk.forced import is_forced
from dreamsmk.smk.roles import paths_by_role
from dreamsmk.store import ActionStore, Records, write_bytes

_WRAPPED = "_dreamsmk_wrapped"
_BENCHMARK_HEADER = b"s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


def accelerate() -> None:
    """Wraps what must be wrapped, once a process."""
    from snakemake.io import _IOFile
    from snakemake.persistence import PersistenceBase
    from snakemake.scheduling.job_scheduler import JobScheduler

    if getattr(JobScheduler, _WRAPPED, False):
        return
    if not takes(JobScheduler.run, "self", "jobs", "executor") or not hasattr(JobScheduler, "_proceed"):
        return
    setattr(JobScheduler, _WRAPPED, True)
    _wrap_run(JobScheduler, PersistenceBase)
    if takes(_IOFile.touch, "self", "times"):
        _wrap_touch(_IOFile)


# Any: Snakemake's classes, which have no published types.
def _wrap_run(scheduler_class: Any, persistence_class: Any) -> None:
    run = scheduler_class.run

    def run_missing(self: Any, jobs: Any, executor: Any = None) -> None:
        # Snakemake remembers parameters from when it looked at a job first, before its inputs were made anew, and
        # would record those as what the job ran with
        forget_params(persistence_class)
        rest = []
        for job in jobs:
            if self.dryrun or self.touch or not self.workflow.is_main_process or not finish_from_store(job):
                rest.append(job)
            else:
                self._run_performed = True
                self._proceed(job)
        if rest:
            run(self, rest, executor=executor)

    scheduler_class.run = run_missing


def _wrap_touch(file_class: Any) -> None:
    """Lets known digests survive the touch that Snakemake gives every finished output."""
    touch = file_class.touch

    def touch_known(self: Any, times: Any = None) -> None:
        binding = binding_of(self.rule) if self.rule is not None else None
        if binding is None or self.is_storage:
            touch(self, times)
            return
        with open_memo(binding.home).carried(Path(self.file)):
            touch(self, times)

    file_class.touch = touch_known


# Any: Snakemake's Job or GroupJob.
def finish_from_store(job: Any) -> bool:
    """Puts a job's outputs in place from the store, if they are there; those of a group if all of its jobs have them.

    Returns:
        Whether the job is finished.
    """
    if not job.is_group():
        return not _forget_if_forced(job) and _is_on() and _finish(job)
    members = [member for level in job.toposorted for member in level]
    forced = [member for member in members if _forget_if_forced(member)]
    if forced or not _is_on() or not hasattr(members[0], "_expand_params"):
        return False
    for member in members:
        # its fingerprint was last worked out before the jobs ahead of it put back its inputs
        member._expand_params()
        if not _finish(member):
            return False  # the group's process finds in the store what is there
    return True


def _is_on() -> bool:
    return os.environ.get("DREAMSMK_ACCELERATE", "1") != "0"


# Any: Snakemake's Job.
def _forget_if_forced(job: Any) -> bool:
    """Drops the entry of a job that is to do its work whatever the store has; says whether it is such a job."""
    if (binding := binding_of(job.rule)) is None or not is_forced(job):
        return False
    with contextlib.suppress(DreamsmkError, OSError):  # the job itself reports what is wrong
        ActionStore(binding.home, binding.memo).forget(_fingerprint(job))
    return True


# Any: Snakemake's Job.
def _finish(job: Any) -> bool:
    if job.is_shadow or (binding := binding_of(job.rule)) is None or ":" not in (fingerprint := _fingerprint(job)):
        return False
    try:
        store = ActionStore(binding.home, binding.memo)
        with store.try_lock(fingerprint) as is_held:
            # held by another: a job that makes it, or the collector; the job's own process waits for either
            if not is_held or (action := store.find(fingerprint)) is None:
                return False
            targets = {r: p[0] for r, p in paths_by_role(job.output, binding.meta.outputs, where=job.rule.name).items()}
            kept = store.in_place(action, targets)
            if not kept:
                store.put_back(action, targets)
            Records(binding.home, binding.memo).placed(
                fingerprint, {role: (path, action.outputs[role].digest) for role, path in targets.items()}
            )
        _leave_benchmark(job)
    except (DreamsmkError, OSError):
        return False  # the job itself tries again, and reports what is wrong
    _say(job, "kept" if kept else "restored")
    return True


# Any: Snakemake's Job.
def _fingerprint(job: Any) -> str:
    return str(getattr(job.params, FINGERPRINT_PARAM))


def _leave_benchmark(job: Any) -> None:
    """Writes the benchmark file that Snakemake expects of a finished job, unless an earlier one is there."""
    if job.benchmark and not Path(job.benchmark).exists():
        write_bytes(Path(job.benchmark), _BENCHMARK_HEADER)


def _say(job: Any, how: str) -> None:
    from snakemake.logging import logger

    logger.info(f"{job.rule.name}: {', '.join(job.output)} {how} from the store, nothing to compute")
