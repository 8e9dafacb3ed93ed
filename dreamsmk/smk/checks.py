"""The check of all jobs of a graph, before the first one starts.

Contract: what can be known to fail from the config, the parameters and the columns is reported here, by the rule and
the key, and nothing has run or been paid for yet. Columns of tables that do not exist yet are worked out from the rule
that will make them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import DreamsmkError, MissingCredentials, MissingExtra, SettingsError, TableError, nearest
from dreamsmk.providers import provider_class
from dreamsmk.providers.base import check_sampling
from dreamsmk.settings import Settings, column_references, function_references, model_aliases
from dreamsmk.smk.binding import Binding, binding_of, raw_params
from dreamsmk.smk.identify import spec_of
from dreamsmk.smk.index_models import check_index_model, is_looked_up
from dreamsmk.smk.meta import Role, RuleMeta
from dreamsmk.smk.roles import paths_by_role
from dreamsmk.tables import column_names, is_table_path, row_count

if TYPE_CHECKING:
    from dreamsmk.calls import CacheMode


# Any: Snakemake's Workflow.
def check_jobs(workflow: Any) -> None:
    """Checks every job that is to run.

    Raises:
        DreamsmkError: The first thing that is wrong.
    """
    columns = _Columns(workflow.dag)
    for job in workflow.dag.needrun_jobs():
        if binding := binding_of(job.rule):
            where = f"rule {job.rule.name}"
            params = binding.params(job_params(job), where=where)
            inputs = paths_by_role(job.input, binding.meta.inputs, where=f"{where}, input")
            paths_by_role(job.output, binding.meta.outputs, where=f"{where}, output")
            check_functions(binding.meta, params, where=where)
            check_models(binding.meta, params, binding.settings, where=where)
            if is_looked_up(binding):
                for maker in workflow.dag.dependencies[job]:
                    if made_by := binding_of(maker.rule):
                        maker_params = made_by.params(job_params(maker), where=f"rule {maker.rule.name}")
                        check_index_model(binding, params, made_by, maker_params, where=where)
            known = columns.of_inputs(job, binding.meta.inputs, inputs)
            check_columns(binding.meta, params, known, where=where)
            for path, others in columns.of_further_inputs(job, binding.meta.inputs, inputs):
                check_columns(binding.meta, params, others, where=f"{where}, {path}")
            columns.of_outputs(job)
            _check_rows(binding.meta.inputs, inputs, columns, job, where)


# Any: Snakemake's Job.
def job_params(job: Any) -> dict[str, Any]:
    """Returns a job's parameters as Snakemake expands them, without our own."""
    offered = {"input": job.input, "output": job.output, "threads": job.threads, "resources": job.resources}
    return raw_params(job.rule, job.wildcards, offered)


# Any: JSON.
def check_functions(meta: RuleMeta, params: Mapping[str, Any], *, where: str) -> None:
    """Raises for a function that is not there, and says once what of its code could not be followed."""
    for position, reference in function_references(meta.params, params).items():
        from dreamsmk.hashing.code import identify_function

        try:
            notes = identify_function(reference, base=Path()).notes
        except SettingsError as exc:
            place = f"{where}, params.{position}"
            raise SettingsError(exc.what, where=f"{place}, {exc.where}" if exc.where else place, hint=exc.hint) from exc
        for note in notes:
            _say_once(f"{reference}: {note}")


@cache
def _say_once(text: str) -> None:
    from snakemake.logging import logger

    logger.warning(text)


# Any: JSON.
def check_models(meta: RuleMeta, params: Mapping[str, Any], settings: Settings, *, where: str) -> None:
    """Raises for an unknown alias, a missing key or package, and for what a provider does not take.

    Offline nobody is asked, so that neither keys nor packages are missed.
    """
    from dreamsmk.calls.bounds.budget import Budget, Purse
    from dreamsmk.calls.bounds.spending import Spending

    is_offline = cache_mode(params, settings) == "offline"
    budgets = [Purse(budget) for given in (params.get("budget"), settings.budget) if (budget := Budget.of(given))]
    for position, alias in model_aliases(meta.params, params).items():
        try:
            spec = spec_of(alias, settings)
        except SettingsError as exc:
            raise SettingsError(exc.what, where=f"{where}, params.{position}", hint=exc.hint) from exc
        try:
            provider = provider_class(spec.provider)
            with contextlib.suppress(*(MissingCredentials, MissingExtra) if is_offline else ()):
                provider.check(spec)
            taken = provider.capabilities_of(spec)
            wanted = _wanted(meta, position)
            if wanted not in taken.wanted:
                raise SettingsError(
                    f"the provider {spec.provider!r} gives no {wanted}",
                    where=f"{where}, params.{position}",
                    hint=f"it gives {', '.join(sorted(taken.wanted))}",
                )
            # sampling is for the model that writes, not for one that embeds beside it
            check_sampling(spec.provider, _sampling(params, position) if wanted == "text" else [], taken)
            if params.get("images") is not None and not taken.has_images:
                raise SettingsError(f"the provider {spec.provider!r} takes no images")
            if budgets and not is_offline:
                Spending(spec, budgets).check()
        except DreamsmkError as exc:
            exc.where = exc.where or f"{where}, model {alias!r}"
            raise


# Any: JSON.
def _sampling(params: Mapping[str, Any], position: str) -> list[str]:
    """Returns the sampling values that a rule gives the model at a position: those beside `model` or `models`.

    A second model, such as a judge, has those of its own spec and of its own parameters.
    """
    from dreamsmk.requests import Sampling

    beside: Any = params
    for part in position.split("/"):
        if part in ("model", "models"):
            return [name for name in Sampling.__dataclass_fields__ if beside.get(name) not in (None, [], {})]
        beside = beside[part] if isinstance(beside, Mapping) else {}
    return []


def _wanted(meta: RuleMeta, position: str) -> str:
    """Returns what a rule wants of the model at a position: what its `x-model` says, else a text."""
    mark = meta.params["properties"].get(position.partition("/")[0], {}).get("x-model")
    return mark if isinstance(mark, str) else "text"


# Any: JSON.
def cache_mode(params: Mapping[str, Any], settings: Settings) -> CacheMode | None:
    """Returns how a job uses the call cache: as the config says of all rules, else as its rule says."""
    mode: CacheMode | None = "offline" if settings.offline else params.get("cache")
    return mode


def columns_of(role: Role | None, path: Path) -> list[str] | None:
    """Returns the columns of a file by its role: those of a table, those that a schema's properties become.

    Returns:
        None for a file that has none, or is not there yet.
    """
    if role is None or not path.is_file():
        return None
    if role.kind == "schema":
        from dreamsmk.tasks.prompting.reply_schema import read_schema

        return list(read_schema(path).fields)
    return column_names(path) if role.kind == "table" and is_table_path(path) else None


# Any: JSON.
def check_columns(
    meta: RuleMeta, params: Mapping[str, Any], columns: Mapping[str, Sequence[str] | None], *, where: str
) -> None:
    """Raises for a parameter that names a column that its input does not have."""
    for role, column, position in column_references(meta.params, params):
        have = columns.get(role)
        if have is not None and column not in have:
            raise TableError(
                f"the input {role!r} has no column {column!r}",
                where=f"{where}, params.{position}",
                hint=nearest(column, have),
            )


def _check_rows(
    roles: Mapping[str, Role], inputs: Mapping[str, list[Path]], columns: _Columns, job: Any, where: str
) -> None:
    for role, declared in roles.items():
        for path in inputs.get(role, []) if declared.min_rows else []:
            if columns.is_settled(job, path) and is_table_path(path) and row_count(path) < declared.min_rows:
                raise TableError(
                    f"the input {role!r} has {row_count(path)} rows, and the rule needs {declared.min_rows}",
                    where=f"{where}, {path}",
                )


class _Columns:
    """The columns of every table of a graph, whether it exists yet or not."""

    # Any: Snakemake's DAG and Jobs.
    def __init__(self, dag: Any) -> None:
        self._dag = dag
        self._known: dict[Any, dict[str, list[str] | None]] = {}

    def of_inputs(
        self, job: Any, roles: Mapping[str, Role], inputs: Mapping[str, list[Path]]
    ) -> dict[str, list[str] | None]:
        """Returns the columns of the inputs of a job by role; None where they cannot be known yet."""
        return {role: self._of_input(job, roles.get(role), paths[0]) for role, paths in inputs.items() if paths}

    def of_further_inputs(
        self, job: Any, roles: Mapping[str, Role], inputs: Mapping[str, list[Path]]
    ) -> Iterator[tuple[Path, dict[str, list[str] | None]]]:
        """Yields every input after the first of its role, with its columns by role."""
        for role, paths in inputs.items():
            for path in paths[1:]:
                yield path, {role: self._of_input(job, roles.get(role), path)}

    def _of_input(self, job: Any, role: Role | None, path: Path) -> list[str] | None:
        maker = self._maker(job, path)
        if maker is not None and self._dag.needrun(maker):
            return self.of_outputs(maker).get(str(path))
        return columns_of(role, path)

    def is_settled(self, job: Any, path: Path) -> bool:
        """Says whether a file exists and no job is going to make it anew."""
        maker = self._maker(job, path)
        return path.is_file() and (maker is None or not self._dag.needrun(maker))

    def _maker(self, job: Any, path: Path) -> Any:
        for maker, files in self._dag.dependencies[job].items():
            if str(path) in {str(file) for file in files}:
                return maker
        return None

    def of_outputs(self, maker: Any) -> dict[str, list[str] | None]:
        """Returns the columns of each output of a job; raises where its parameters make no sense together."""
        if maker not in self._known:
            binding = binding_of(maker.rule)
            self._known[maker] = self._worked_out(maker, binding) if binding else {}
        return self._known[maker]

    def _worked_out(self, maker: Any, binding: Binding) -> dict[str, list[str] | None]:
        work_out = binding.meta.load_columns()
        if work_out is None:
            return {}
        where = f"rule {maker.rule.name}"
        params = binding.params(job_params(maker), where=where)
        inputs = paths_by_role(maker.input, binding.meta.inputs, where=where)
        try:
            columns = work_out(params, self.of_inputs(maker, binding.meta.inputs, inputs))
        except SettingsError as exc:
            raise SettingsError(exc.what, where=f"{where}, {exc.where}", hint=exc.hint) from exc
        outputs = paths_by_role(maker.output, binding.meta.outputs, where=where)
        return {str(path): columns.get(role) for role, paths in outputs.items() for path in paths}
