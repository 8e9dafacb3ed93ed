"""Fine-tuning of a model of OpenAI's, at the service.

Contract: one order, one job. Rows and parameters are checked before anything is uploaded. Whatever ends this process,
the next run goes on with the same files and the same job; none is ever cancelled from here. A job that failed is an
error with the service's words, and only the run after it asks for another one. What an order is made of (rows, base
model, method, hyper-parameters, seed, suffix) is its name at the service.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import OfflineMiss, ProviderError, SettingsError, TrainingError
from dreamsmk.hashing import canonical_bytes, digest_bytes, digest_file
from dreamsmk.providers.tuned import NAME, SUFFIX
from dreamsmk.settings import ModelSpec
from dreamsmk.store.files import write_json
from dreamsmk.tables import write_table
from dreamsmk.tasks.prompting.instruction import read_instruction
from dreamsmk.tasks.training.openai.launch import FAILED, Launch
from dreamsmk.tasks.training.openai.ledger import JobLedger
from dreamsmk.tasks.training.openai.parameters import OpenAIParameters
from dreamsmk.tasks.training.openai.results import read_history
from dreamsmk.tasks.training.openai.rows import MIN_ROWS, write_rows
from dreamsmk.tasks.training.openai.service import FineTuningService, JobOrder
from dreamsmk.tasks.training.openai.watch import wait_for_end

if TYPE_CHECKING:
    import polars
    from openai.types.fine_tuning import FineTuningJob

    from dreamsmk.tasks.context import Context

# Hexadecimal digits of the name of an order.
_NAME_DIGITS = 32


# Any: JSON values of every type.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of each output role; refuses parameters that do not go together."""
    OpenAIParameters.from_json(params)
    return {"model": None, "history": None}


# Any: JSON values of every type.
def rows(params: Mapping[str, Any], inputs: Mapping[str, int | None]) -> dict[str, int | None]:
    """Returns the number of rows of each output role: steps are counted by the service."""
    return {"model": None, "history": None}


def openai_fine_tune(context: Context) -> None:
    """Trains a model at the service.

    Raises:
        SettingsError: The parameters do not go together, or the model is not one of OpenAI's.
        TableError: There are too few rows, or one that the service would refuse.
        ProviderError: The service will not have the job, or does not answer.
        TrainingError: The job failed.
    """
    spec = context.model(str(context.params["model"])).spec
    _check(context, spec)
    with contextlib.closing(FineTuningService(spec)) as service:
        train_at(context, service)


def train_at(context: Context, service: FineTuningService) -> None:
    """Trains a model at a service that is open already; see `openai_fine_tune`."""
    params = OpenAIParameters.from_json(context.params)
    if params.instruction is not None or context.inputs.get("instruction"):
        params = replace(params, instruction=read_instruction(context))
    files, counts = _write_files(context, params)
    order = make_order(params, service.spec, files)
    ledger = JobLedger.read(context.scratch, order.name)
    job = Launch(service, order, files, ledger, context.progress.note).job()
    try:
        job = wait_for_end(service, job, context.progress, poll_seconds=params.poll_seconds)
    except BaseException:
        context.progress.note(f"the job {job.id} goes on at openai; the next run picks it up")
        raise
    _raise_if_failed(service, job, ledger)
    history = read_history(service, job)
    _leave(context, service, job, history)
    context.facts["training"] = _facts(context, params, job, history, counts)
    if not params.keep_files:
        _delete_files(context, service, ledger)


def make_order(params: OpenAIParameters, spec: ModelSpec, files: Mapping[str, Path]) -> JobOrder:
    """Returns what is asked for, under a name that is made of it."""
    decides = {
        "model": spec.model,
        "method": params.method,
        "hyper_parameters": params.hyper_parameters(),
        "seed": params.seed,
        "suffix": params.suffix,
        "files": {role: digest_file(path, "sha256") for role, path in files.items()},
    }
    name = digest_bytes(canonical_bytes(decides), "sha256").rpartition(":")[2][:_NAME_DIGITS]
    return JobOrder(name, params.method, params.hyper_parameters(), params.seed, params.suffix)


def _check(context: Context, spec: ModelSpec) -> None:
    where = f"models.{context.params['model']}"
    if spec.provider != "openai":
        raise SettingsError(
            f"a model of the provider {spec.provider!r} cannot be fine-tuned with this rule",
            where=where,
            hint="choose one with `provider: openai`; fine_tune trains models on this machine",
        )
    if context.settings.get("offline"):
        raise OfflineMiss("a model can only be fine-tuned at the service, and the config says `offline`", where=where)
    if context.output("model").suffix != SUFFIX:
        raise SettingsError(
            f"the output must end with {SUFFIX}",
            where="output.model",
            hint=f"an entry under `models:` then names the model by this file: results/student{SUFFIX}",
        )


def _write_files(context: Context, params: OpenAIParameters) -> tuple[dict[str, Path], dict[str, int]]:
    """Writes what is uploaded; returns the files and the numbers of their rows, by role."""
    context.scratch.mkdir(parents=True, exist_ok=True)
    files: dict[str, Path] = {}
    counts: dict[str, int] = {}
    for role, min_rows in (("train", MIN_ROWS), ("validation", 1)):
        for table in context.inputs.get(role) or ():
            files[role] = context.scratch / f"{role}.jsonl"
            counts[role] = write_rows(table, files[role], params, min_rows=min_rows)
    return files, counts


def _raise_if_failed(service: FineTuningService, job: FineTuningJob, ledger: JobLedger) -> None:
    if job.status not in FAILED:
        return
    ledger.note_failed(job.id)
    # a job without an error has `{}` there, which the client makes an object of that lacks its attributes
    said = job.error.to_dict() if job.error is not None else {}
    if said.get("message"):
        code = f" ({said['code']})" if said.get("code") else ""
        param = f", {said['param']}" if said.get("param") else ""
        raise TrainingError(
            f"openai could not train the model: {service.words(str(said['message']))}{code}",
            where=f"job {job.id}{param}",
            hint="put it right and run again: then a new job is begun",
        )
    raise TrainingError(
        f"the job at openai was {job.status}", where=f"job {job.id}", hint="run again: then a new job is begun"
    )


def _leave(context: Context, service: FineTuningService, job: FineTuningJob, history: polars.DataFrame) -> None:
    named = {NAME: job.fine_tuned_model, "base_model": job.model, "job": job.id}
    write_json(context.output("model"), named)
    if "history" in context.outputs:
        write_table(history, context.output("history"))


# Any: JSON values of every type.
def _facts(
    context: Context,
    params: OpenAIParameters,
    job: FineTuningJob,
    history: polars.DataFrame,
    counts: Mapping[str, int],
) -> dict[str, Any]:
    """Returns what the record says of the training: the values that the service chose among them."""
    losses = history["loss"].drop_nulls()
    steps = history["step"]
    return {
        "base_model": job.model,
        "trainer": "openai_fine_tune",
        "method": params.method,
        "model": job.fine_tuned_model,
        "job": job.id,
        "hyper_parameters": {**_resolved(job), "seed": job.seed, "suffix": params.suffix},
        "train_rows": counts["train"],
        "validation_rows": counts.get("validation", 0),
        "tokens": job.trained_tokens,
        "steps": None if steps.is_empty() else steps[-1],
        "first_loss": None if losses.is_empty() else losses[0],
        "final_loss": None if losses.is_empty() else losses[-1],
        "eval_loss": history.select("step", "eval_loss").drop_nulls().to_dicts(),
        # the target is no folder that the table of losses could stand in
        "loss_history": [{k: v for k, v in row.items() if v is not None} for row in history.iter_rows(named=True)],
    }


# Any: numbers and texts.
def _resolved(job: FineTuningJob) -> dict[str, Any]:
    """Returns the hyper-parameters as the service chose them, by our names."""
    of_method = getattr(job.method, job.method.type, None) if job.method is not None else None
    chosen = getattr(of_method, "hyperparameters", None) or job.hyperparameters
    found = {} if chosen is None else chosen.to_dict()
    return {"epochs" if name == "n_epochs" else name: value for name, value in found.items()}


def _delete_files(context: Context, service: FineTuningService, ledger: JobLedger) -> None:
    for file_id in ledger.files.values():
        try:
            service.delete_file(file_id)
        except ProviderError as error:
            # the model is there; a file that is left costs nothing
            context.progress.note(f"the uploaded file {file_id} could not be deleted: {error.what}")
