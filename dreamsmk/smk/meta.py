"""What a rule of the library says of itself: its `meta.yaml`, read once.

Contract: `meta.yaml` is the only place in which a rule's inputs, outputs, parameters and version stand; validation,
fingerprints, the catalogue and the reference pages are all derived from it. Parameters that several rules share stand
in groups of their own, `rules/_params/NAME.yaml`, which a rule includes by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from dreamsmk.errors import SettingsError, nearest
from dreamsmk.tasks import Plan, Reads, Rows, Task

# `schema`: a file with a JSON Schema, whose properties are what a table has as columns.
Kind = Literal["table", "file", "folder", "schema"]
Columns = Callable[[Mapping[str, Any], Mapping[str, Sequence[str] | None]], dict[str, list[str] | None]]

# Refuses, by a SettingsError, parameters with which a rule is not row-wise. Any: JSON.
CheckRowWise = Callable[[Mapping[str, Any]], None]

# The parameter that makes a row-wise rule in shards, and the group that describes it.
SHARDS_PARAM = SHARDS_GROUP = "shards"

# Any: JSON. From the home, the inputs by role, the config and the parameters.
ExtraIdentity = Callable[[Path, Mapping[str, list[Path]], Mapping[str, Any], Mapping[str, Any]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Role:
    """One named input or output of a rule.

    Attributes:
        is_required: Whether the rule cannot do without it.
        takes_many: Whether it may be several files.
        min_rows: The fewest rows that a table must have.
        suffixes: What its name may end in, where that decides what is made; any, if empty.
    """

    kind: Kind
    description: str
    is_required: bool = True
    takes_many: bool = False
    min_rows: int = 0
    suffixes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleMeta:
    """What `meta.yaml` says of a rule.

    Attributes:
        params: The JSON Schema of its parameters, those of the included groups among them.
        include: The groups of shared parameters that it has.
        row_wise: The input whose rows are treated each by itself, so that the rule can be made in shards; None where
            what becomes of a row depends on others.
        free_roles: Whether a workflow may give it inputs and outputs of other names.
    """

    name: str
    title: str
    description: str
    version: str
    task: str
    inputs: Mapping[str, Role]
    outputs: Mapping[str, Role]
    # Any: a JSON Schema.
    params: Mapping[str, Any]
    # Any: numbers, or the words that stand for "where the model is local" and "where it is a service".
    resources: Mapping[str, Any]
    threads: int | Literal["local"]
    extra_identity: str | None = None
    include: Sequence[str] = ()
    row_wise: str | None = None
    free_roles: bool = False

    def load_task(self) -> Task:
        """Returns the function that makes the outputs."""
        module, _, name = self.task.partition(":")
        task: Task = getattr(import_module(module), name)
        return task

    def load_extra_identity(self) -> ExtraIdentity | None:
        """Returns the function that tells what else the result depends on, where the rule declares one."""
        if not self.extra_identity:
            return None
        module, _, name = self.extra_identity.partition(":")
        work_out: ExtraIdentity = getattr(import_module(module), name)
        return work_out

    def load_columns(self) -> Columns | None:
        """Returns the function that tells the outputs' columns without running the task, where there is one."""
        module, _, _ = self.task.partition(":")
        columns: Columns | None = getattr(import_module(module), "columns", None)
        return columns

    def load_check_row_wise(self) -> CheckRowWise | None:
        """Returns the function that refuses parameters with which the rule is not row-wise, where there is one."""
        module, _, _ = self.task.partition(":")
        check: CheckRowWise | None = getattr(import_module(module), "check_row_wise", None)
        return check

    def load_rows(self) -> Rows | None:
        """Returns the function that tells the outputs' rows without running the task, where there is one."""
        module, _, _ = self.task.partition(":")
        rows: Rows | None = getattr(import_module(module), "rows", None)
        return rows

    def load_plan(self) -> Plan | None:
        """Returns the function that tells what the task would ask models, where there is one."""
        module, _, _ = self.task.partition(":")
        plan: Plan | None = getattr(import_module(module), "plan", None)
        return plan

    def load_reads(self) -> Reads | None:
        """Returns the function that tells which columns the task reads that no parameter marks, where there is one."""
        module, _, _ = self.task.partition(":")
        reads: Reads | None = getattr(import_module(module), "reads", None)
        return reads


def rules_folder() -> Path:
    """Returns the folder of the rule modules: in the installed wheel, else beside the package in a clone."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "_rules", package.parent / "rules"):
        if (folder / "all.smk").is_file():
            return folder
    raise SettingsError("the rule modules of dreamsmk are missing", where=str(package), hint="install dreamsmk again")


def rule_names() -> list[str]:
    """Returns the names of all rules of the library, sorted."""
    return sorted(path.parent.name for path in rules_folder().glob("*/meta.yaml"))


@cache
def load_meta(name: str) -> RuleMeta:
    """Returns what a rule's `meta.yaml` says.

    Raises:
        SettingsError: There is no such rule.
    """
    path = rules_folder() / name / "meta.yaml"
    if not path.is_file():
        raise SettingsError(f"dreamsmk has no rule {name!r}", hint=nearest(name, rule_names()))
    meta = _read_yaml(path)
    row_wise = meta.get("row_wise")
    include = (*(meta.get("include") or ()), *((SHARDS_GROUP,) if row_wise else ()))
    return RuleMeta(
        name=name,
        title=meta["title"],
        description=meta["description"].strip(),
        version=str(meta["version"]),
        task=meta["task"],
        inputs={role: _role(entry) for role, entry in (meta.get("inputs") or {}).items()},
        outputs={role: _role(entry) for role, entry in meta["outputs"].items()},
        params=with_groups(meta["params"], include, where=f"rules/{name}/meta.yaml"),
        resources=meta.get("resources") or {},
        threads=meta.get("threads", 1),
        extra_identity=meta.get("extra_identity"),
        include=include,
        row_wise=row_wise,
        free_roles=meta.get("free_roles", False),
    )


# Any: JSON Schema.
def with_groups(params: Mapping[str, Any], groups: Sequence[str], *, where: str) -> dict[str, Any]:
    """Returns the schema of a rule's parameters with those of groups after its own.

    Raises:
        SettingsError: There is no such group, or two have a parameter of the same name.
    """
    properties = dict(params.get("properties", {}))
    for group in groups:
        for name, schema in load_group(group).items():
            if name in properties:
                raise SettingsError(f"the parameter {name!r} is there twice", where=f"{where}, include: {group}")
            properties[name] = schema
    return {**params, "properties": properties}


# Any: JSON Schema.
@cache
def load_group(name: str) -> Mapping[str, Any]:
    """Returns the schemas of a group of shared parameters, by the parameter's name.

    Raises:
        SettingsError: There is no such group.
    """
    folder = rules_folder() / "_params"
    path = folder / f"{name}.yaml"
    if not path.is_file():
        names = [found.stem for found in folder.glob("*.yaml")]
        raise SettingsError(f"there is no group of parameters {name!r}", where=str(folder), hint=nearest(name, names))
    group: Mapping[str, Any] = _read_yaml(path)
    return group


# Any: YAML.
def _read_yaml(path: Path) -> Any:
    import yaml

    return yaml.load(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


# Any: YAML.
def _role(entry: Mapping[str, Any]) -> Role:
    return Role(
        kind=entry["kind"],
        description=entry.get("description", ""),
        is_required=entry.get("required", True),
        takes_many=entry.get("many", False),
        min_rows=entry.get("min_rows", 0),
        suffixes=tuple(entry.get("suffixes", ())),
    )
