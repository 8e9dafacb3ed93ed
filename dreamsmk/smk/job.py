"""One job: ask the store, else do the work, then keep it and say how it was made.

Contract: a target appears only when all outputs of its job are complete and stored. A hit loads no heavy library. What
a killed job had done survives: replies in the call cache, checkpoints in the scratch folder of the fingerprint.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dreamsmk.calls.summary import calls_in_words
from dreamsmk.errors import DreamsmkError
from dreamsmk.smk.binding import MODULE_PARAM, Binding
from dreamsmk.smk.checks import check_columns, check_models, columns_of
from dreamsmk.smk.directives import extra_identity
from dreamsmk.smk.identify import identify
from dreamsmk.smk.lease import VISIBLE, lease_gpus
from dreamsmk.smk.progress import JobProgress, duration, split_output
from dreamsmk.smk.roles import declared_only, paths_by_role
from dreamsmk.smk.work import work
from dreamsmk.store import ActionStore, Records


@dataclass(frozen=True, slots=True)
class Job:
    """What the job's process knows of the job.

    Attributes:
        params: Validated, with defaults.
        inputs: Paths by role, those of local models included.
        targets: Paths by role.
        replies_since: The moment before which stored replies do not count, where models are to be asked again.
        log: The job's log file.
    """

    rule: str
    binding: Binding
    # Any: JSON.
    params: dict[str, Any]
    inputs: dict[str, list[Path]]
    targets: dict[str, Path]
    threads: int
    resources: dict[str, Any]
    replies_since: str | None = None
    log: Path | None = None


# Any: the object that Snakemake puts into a wrapper.
def run(snakemake: Any) -> None:
    """Runs a job of Snakemake's; ends the process with status 1 and a message if it cannot be done."""
    terminal, log = split_output(str(snakemake.log[0]) if snakemake.log else None)
    progress = JobProgress(snakemake.rule, terminal, log)
    try:
        with _interruptible():
            _run(read_job(snakemake), progress)
    except DreamsmkError as exc:
        traceback.print_exc()
        progress.note(str(exc).replace("\n", f"\n{snakemake.rule}:   "))
        sys.exit(1)


# Any: the object that Snakemake puts into a wrapper.
def read_job(snakemake: Any) -> Job:
    """Returns a job as Snakemake describes it."""
    module = snakemake.params[MODULE_PARAM]
    binding = Binding(module["config"], module["rule"])
    binding = binding.for_files(snakemake.input, snakemake.output, module["folders"])
    where = f"rule {snakemake.rule}"
    raw = {key or f"parameter {i + 1}": value for i, (key, value) in enumerate(snakemake.params._allitems())}
    targets = paths_by_role(snakemake.output, binding.meta.outputs, where=f"{where}, output")
    return Job(
        rule=snakemake.rule,
        binding=binding,
        params=binding.params(raw, where=where),
        inputs=paths_by_role(snakemake.input, binding.meta.inputs, where=f"{where}, input"),
        targets={role: paths[0] for role, paths in targets.items()},
        threads=snakemake.threads,
        resources={k: v for k, v in snakemake.resources.items() if isinstance(v, (int, str)) and k != "tmpdir"},
        replies_since=module["replies_since"],
        log=Path(snakemake.log[0]) if snakemake.log else None,
    )


def _run(job: Job, progress: JobProgress) -> None:
    binding = job.binding
    identified = identify(
        binding.meta,
        job.params,
        job.inputs,
        outputs=job.targets,
        settings=binding.settings,
        memo=binding.memo,
        extra=extra_identity(binding, job.inputs, job.params),
    )
    store, records = ActionStore(binding.home, binding.memo), Records(binding.home, binding.memo)
    with store.lock(identified.fingerprint):
        action = store.find(identified.fingerprint)
        if action is None:
            _check(job)
            started, clock = datetime.now(UTC), time.monotonic()
            with _devices(job) as devices:
                record, made = work(job, identified, progress, devices)
            action = store.take(identified.fingerprint, made, {role: binding.meta.outputs[role].kind for role in made})
            finished = record(action, started, time.monotonic() - clock)
            records.write(finished)
            store.enter(action)  # after the record, so that there is no entry without one
            progress.note(_summary(finished))
        else:
            progress.note("restored from the store")
        store.put_back(action, job.targets)
        records.placed(
            identified.fingerprint, {role: (path, action.outputs[role].digest) for role, path in job.targets.items()}
        )


def _check(job: Job) -> None:
    """Checks once more what the graph's check may not have been able to see."""
    where = f"rule {job.rule}"
    check_models(job.binding.meta, job.params, job.binding.settings, where=where)
    roles = job.binding.meta.inputs
    columns = {role: columns_of(roles[role], paths[0]) for role, paths in declared_only(job.inputs, roles).items()}
    check_columns(job.binding.meta, job.params, columns, where=where)


@contextlib.contextmanager
def _devices(job: Job) -> Iterator[list[str]]:
    """Holds the job's GPUs, and shows them and its threads to the libraries that will be loaded."""
    lease = lease_gpus(int(job.resources.get("gpu", 0)))
    os.environ[VISIBLE] = ",".join(lease.devices)
    for name, value in {
        "OMP_NUM_THREADS": str(job.threads),
        # with another busy process on the cores, spinning threads make torch ten times slower
        "OMP_WAIT_POLICY": "passive",
        "TOKENIZERS_PARALLELISM": "false",
    }.items():
        os.environ.setdefault(name, value)
    try:
        yield lease.devices
    finally:
        lease.release()


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Ends a job that is asked to stop with a short word instead of a trace."""
    try:
        yield
    except KeyboardInterrupt:
        sys.exit(130)


# Any: JSON.
def _summary(record: dict[str, Any]) -> str:
    said = f"done in {duration(record['duration_seconds'])}"
    rows = [o["rows"] for o in record["outputs"].values() if "rows" in o]
    if rows:
        said += f", {sum(rows):,} rows"
    calls = calls_in_words(model["calls"] for model in record["models"].values())
    said += f"; {calls}" if calls else ""
    return f"{said} (see {record['failures']['path']})" if "failures" in record else said
