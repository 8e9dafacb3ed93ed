"""The work of a job that the store does not have yet, and the record of it.

Contract: the task writes into the scratch folder of its fingerprint; only when it has returned and every output is
there do they leave it. The record says what was used as it was: digests, models as they reported themselves, calls,
tokens, times, versions.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import StoreError, TableError
from dreamsmk.hashing import DigestMemo, digest_file, digest_tree
from dreamsmk.settings import function_references
from dreamsmk.smk.environment import describe_environment
from dreamsmk.smk.identify import Identified, identity_json, spec_of
from dreamsmk.smk.job_models import JobModels
from dreamsmk.store import Action, remove
from dreamsmk.store.records import VERSION
from dreamsmk.tables import column_types, is_table_path, row_count
from dreamsmk.tasks import Context

if TYPE_CHECKING:
    from dreamsmk.calls import CachedModel
    from dreamsmk.hashing.code import CodeIdentity
    from dreamsmk.smk.job import Job
    from dreamsmk.smk.progress import JobProgress

# Any: JSON.
Recorder = Callable[[Action, datetime, float], dict[str, Any]]


def work(
    job: Job, identified: Identified, progress: JobProgress, devices: list[str]
) -> tuple[Recorder, dict[str, Path]]:
    """Runs a job's task.

    Returns:
        A function that makes the record once the outputs are stored, and the finished outputs by role.
    """
    home = job.binding.home
    scratch = home.scratch(identified.fingerprint)
    outputs = _fresh_outputs(scratch / "outputs", job.targets)
    (scratch / "work").mkdir(parents=True, exist_ok=True)
    with JobModels(job, identified, progress) as models:
        context = Context(
            params=job.params,
            inputs=job.inputs,
            outputs=outputs,
            scratch=scratch / "work",
            model=models,
            progress=progress,
            threads=job.threads,
            settings=job.binding.config,
            home=home.path,
        )
        job.binding.meta.load_task()(context)
    described = {role: _described(job, role, path) for role, path in outputs.items()}

    def record(action: Action, started: datetime, seconds: float) -> dict[str, Any]:
        remove(scratch)
        return _record(job, identified, context.facts, models) | {
            "outputs": {role: described[role] | {"digest": action.outputs[role].digest} for role in outputs},
            "started_at": _iso(started),
            "finished_at": _iso(started + timedelta(seconds=seconds)),
            "duration_seconds": round(seconds, 3),
            "environment": describe_environment(devices),
        }

    return record, outputs


def _fresh_outputs(folder: Path, targets: Mapping[str, Path]) -> dict[str, Path]:
    remove(folder)
    folder.mkdir(parents=True)
    return {role: folder / f"{role}{target.suffix}" for role, target in targets.items()}


# Any: JSON.
def _described(job: Job, role: str, made: Path) -> dict[str, Any]:
    """Returns what the record says of an output; raises if the task did not make it."""
    target = job.targets[role]
    if not made.exists():
        raise StoreError(f"the task made no {role!r}", where=f"rule {job.rule}, {target}")
    kind = job.binding.meta.outputs[role].kind
    is_folder = kind == "folder"
    entry: dict[str, Any] = {
        "path": str(target),
        "kind": kind,
        "sha256": digest_tree(made, "sha256") if is_folder else digest_file(made, "sha256"),
        "size_bytes": sum(f.stat().st_size for f in made.rglob("*")) if is_folder else made.stat().st_size,
    }
    if kind == "table":
        entry |= {"rows": row_count(made), "columns": column_types(made)}
    return entry


# Any: JSON.
def _record(
    job: Job,
    identified: Identified,
    facts: Mapping[str, Any],
    models: JobModels,
) -> dict[str, Any]:
    meta, failures = job.binding.meta, models.failures
    functions = function_references(meta.params, job.params)
    return {
        "record_version": VERSION,
        "fingerprint": identified.fingerprint,
        "task": {"name": meta.name, "version": meta.version, "title": meta.title},
        "rule": job.rule,
        "preimage": identified.preimage.canonical(),
        "inputs": {
            role: [_input(path, job.binding.memo) for path in paths] for role, paths in sorted(job.inputs.items())
        },
        "models": {
            alias: _model(alias, job, identified, models.opened.get(alias)) for alias in sorted(identified.identities)
        },
        **({"failures": {"rows": failures.rows, "path": str(failures.path)}} if failures.rows else {}),
        "positions": dict(identified.aliases),
        "code": {position: _code(reference, identified.code[position]) for position, reference in functions.items()},
        "facts": dict(facts),
        "threads": job.threads,
        "resources": job.resources,
    }


def _input(path: Path, memo: DigestMemo) -> dict[str, Any]:
    entry: dict[str, Any] = {"path": str(path), "kind": _kind(path), "digest": memo.of(path)}
    if path.is_file():
        entry["size_bytes"] = path.stat().st_size
    if entry["kind"] == "table" and path.suffix == ".parquet":
        entry |= {"rows": row_count(path), "columns": column_types(path)}
    elif entry["kind"] == "table" and path.suffix != ".txt":
        # a file of such a suffix that the task did not read as a table need not be one
        with contextlib.suppress(TableError):
            entry["rows"] = row_count(path)
    return entry


def _code(reference: str, identified: CodeIdentity) -> dict[str, Any]:
    """Returns what the record says of a function: enough to show later what of it has changed."""
    return {
        "reference": reference,
        "digest": identified.digest,
        "parts": dict(identified.parts),
        "sources": dict(identified.sources),
        "notes": list(identified.notes),
    }


def _model(alias: str, job: Job, identified: Identified, used: CachedModel | None) -> dict[str, Any]:
    spec = spec_of(alias, job.binding.settings)
    return {
        "spec": spec.group("identity") | spec.group("sampling"),
        "identity": identity_json(identified.identities[alias]),
        "about": spec.group("about"),
        "calls": used.calls_json() if used else {},
    }


def _kind(path: Path) -> str:
    if path.is_dir():
        return "folder"
    return "table" if is_table_path(path) else "file"


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")
