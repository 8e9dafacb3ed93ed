"""Reading a workflow in process and building its graph, without a run.

Contract: this is the one file that drives Snakemake's API (9.27); it does what `snakemake --list-changes` does, and
leaves out the check of the jobs, the saved inventory and all printing.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dreamsmk.errors import DreamsmkError, SettingsError, nearest
from dreamsmk.smk.directives import planning

# Where Snakemake looks for a workflow when it is not told (`snakemake.common.SNAKEFILE_CHOICES`).
SNAKEFILES = ("Snakefile", "snakefile", "workflow/Snakefile", "workflow/snakefile")
_SILENT = 100  # above CRITICAL


def find_snakefile(folder: Path | str = ".") -> Path | None:
    """Returns the Snakefile that Snakemake would read in a folder, if there is one."""
    return next((path for name in SNAKEFILES if (path := Path(folder) / name).is_file()), None)


# Any: Snakemake's Workflow.
@contextlib.contextmanager
def open_workflow(arguments: Sequence[str], targets: Sequence[str]) -> Iterator[tuple[Any, list[str]]]:
    """Opens the workflow of the working directory and builds its graph.

    Args:
        arguments: Flags of Snakemake's command line.
        targets: Files, folders or names of rules.

    Yields:
        The workflow, and the targets as its rules write them.

    Raises:
        SettingsError: There is no workflow, it cannot be read, or none of its rules makes a target.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(_restored_globals())
        # what the Snakefile prints is no part of what the command says
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as said:
            opened = _open(list(arguments), targets, stack, said)
        yield opened


# Any: Snakemake's Workflow.
def _open(
    arguments: list[str], targets: Sequence[str], stack: contextlib.ExitStack, said: io.StringIO
) -> tuple[Any, list[str]]:
    from snakemake.api import SnakemakeApi
    from snakemake.settings.types import OutputSettings

    settings = OutputSettings(log_level_override=_SILENT, enable_file_logging=False, skip_plugin_handlers=True)
    given = _parsed(arguments, said)
    api = None
    try:
        api = stack.enter_context(SnakemakeApi(settings))
        workflow = _read(api, given)
        # Snakemake leaves this folder to the garbage collector, which warns
        if (sources := getattr(workflow.sourcecache, "runtime_cache", None)) is not None:
            stack.callback(sources.cleanup)
        wanted = [_as_written(workflow, target) for target in targets]
        _build(workflow, wanted)
    except DreamsmkError:
        raise
    except Exception as exc:
        raise _translated(exc, api) from exc
    return workflow, wanted


# Any: the namespace of Snakemake's own parser, so that profiles count.
def _parsed(arguments: list[str], said: io.StringIO) -> Any:
    from snakemake.cli import parse_args

    try:
        _, given = parse_args(arguments)
    except SystemExit as exc:
        message = said.getvalue().strip().splitlines()
        raise SettingsError(
            message[-1] if message else "Snakemake does not take these settings",
            where="profiles/default",
            hint="`snakemake -n` says more",
        ) from exc
    return given


# Any: Snakemake's API and Workflow.
def _read(api: Any, given: Any) -> Any:
    from snakemake.cli import parse_config
    from snakemake.settings.types import (
        ConfigSettings,
        DAGSettings,
        ResourceSettings,
        StorageSettings,
        WorkflowSettings,
    )

    if given.snakefile is None and find_snakefile() is None:
        raise SettingsError(
            "there is no workflow here", where=str(Path.cwd()), hint=f"Snakemake looks for {', '.join(SNAKEFILES)}"
        )
    opened = api.workflow(
        resource_settings=ResourceSettings(
            cores=given.cores or os.cpu_count() or 1,
            overwrite_threads=given.set_threads,
            overwrite_resources=given.set_resources,
            default_resources=given.default_resources,
        ),
        config_settings=ConfigSettings(
            config=parse_config(given.config),
            configfiles=given.configfile,
            config_args=given.config,
            replace_workflow_config=given.replace_workflow_config,
        ),
        storage_settings=StorageSettings(notemp=given.notemp),
        workflow_settings=WorkflowSettings(
            wrapper_prefix=given.wrapper_prefix,
            consider_ancient=given.consider_ancient,
            persistence_backend=given.persistence_backend,
            persistence_backend_db_url=given.persistence_backend_db_url,
        ),
        snakefile=given.snakefile,
        workdir=given.directory,
    )
    # `force_incomplete`: the graph is wanted, not the error that asks for --rerun-incomplete
    opened.dag(DAGSettings(rerun_triggers=given.rerun_triggers, force_incomplete=True, forcerun=given.forcerun))
    return opened._workflow


# Any: Snakemake's Workflow.
def _build(workflow: Any, targets: list[str]) -> None:
    """Builds the graph as `Workflow.list_changes` does (Snakemake 9.27), and keeps Snakemake's saved inventory."""
    workflow.dag_settings.targets = targets
    workflow._prepare_dag(forceall=False, ignore_incomplete=False, lock_warn_only=True, nolock=True)
    workflow.persistence.drop_iocache = lambda: None
    # the class's own method: the one that `install` put on the object would also check the jobs
    with planning(workflow, looks_at_outputs=False):
        type(workflow)._build_dag(workflow)


# Any: Snakemake's Workflow.
def _as_written(workflow: Any, target: str) -> str:
    """Returns a target as the workflow's rules write it.

    Raises:
        SettingsError: No rule makes it.
    """
    if workflow.is_rule(target):
        return target
    absolute = os.path.abspath(target)
    forms = [os.path.relpath(absolute), absolute]
    for form in forms:
        if any(rule.is_producer(form) for rule in workflow.rules):
            return form
    fixed = [str(output) for rule in workflow.rules for output in rule.output if not rule.has_wildcards()]
    raise SettingsError("no rule of this workflow makes it", where=target, hint=nearest(forms[0], fixed))


# Any: Snakemake's API.
def _translated(exc: Exception, api: Any) -> SettingsError:
    from snakemake.exceptions import format_exception_to_string

    cause = exc.__cause__
    if isinstance(cause, DreamsmkError):
        return SettingsError(cause.what, where=cause.where, hint=cause.hint)
    opened = getattr(api, "_workflow_api", None)
    store = getattr(opened, "_workflow_store", None)
    words = format_exception_to_string(exc, store.linemaps if store is not None else {}) or str(exc)
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    what = " ".join(lines[:4]) if lines else type(exc).__name__
    return SettingsError(f"the workflow cannot be read: {what}", hint="`snakemake -n` says more")


@contextlib.contextmanager
def _restored_globals() -> Iterator[None]:
    """Puts back what Snakemake changes in a process: the module path, and the level and handlers of its logger."""
    logger = logging.getLogger("snakemake.logging")
    path, level, handlers = list(sys.path), logger.level, list(logger.handlers)
    try:
        yield
    finally:
        sys.path[:] = path
        logger.setLevel(level)
        logger.handlers[:] = handlers
