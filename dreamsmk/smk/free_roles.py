"""Roles that a workflow names itself: a rule with `free_roles` takes inputs and outputs of any name.

Contract: a file without a name has the rule's own role, as elsewhere. What a role holds is told by its path: a table by
its suffix (of an output `.parquet`), a folder by `directory(…)`, and any other is a file. The names are part of the
fingerprint, as roles are.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dreamsmk.smk.meta import Kind, Role, RuleMeta
from dreamsmk.tables import is_table_path


# Any: Snakemake's lists of files.
def with_roles_of(meta: RuleMeta, inputs: Any, outputs: Any, folders: Collection[str]) -> RuleMeta:
    """Returns what a rule with free roles says of itself where it is used.

    Args:
        meta: The rule.
        inputs: The inputs of a rule of a workflow, or of a job.
        outputs: Its outputs.
        folders: Those of the outputs that are folders.
    """
    return replace(
        meta,
        inputs=_roles(meta.inputs, inputs, _kind_of_input, takes_many=True),
        outputs=_roles(meta.outputs, outputs, lambda path: _kind_of_output(path, folders), takes_many=False),
    )


# Any: Snakemake's list of files.
def _roles(
    declared: Mapping[str, Role], files: Any, kind_of: Callable[[str], Kind], *, takes_many: bool
) -> dict[str, Role]:
    own = next(iter(declared))
    found: dict[str, Role] = {}
    for name, item in files._allitems():
        paths = [str(item)] if isinstance(item, str) or callable(item) else [str(path) for path in item]
        kind = kind_of(paths[0]) if paths else "file"
        known = declared.get(name or own)
        found.setdefault(name or own, Role(kind, known.description if known else "", takes_many=takes_many))
    return found or dict(declared)


def _kind_of_input(path: str) -> Kind:
    return "table" if is_table_path(Path(path)) else "file"


def _kind_of_output(path: str, folders: Collection[str]) -> Kind:
    """Returns what is made: tables are written as Parquet alone."""
    if path in folders:
        return "folder"
    return "table" if Path(path).suffix == ".parquet" else "file"
