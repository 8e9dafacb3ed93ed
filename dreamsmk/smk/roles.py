"""Which file plays which role: Snakemake's lists of inputs and outputs, as mappings by role.

Contract: a file's role is its name in the rule, else its position, so that `input: "a.parquet"` and
`input: table="a.parquet"` mean the same. Inputs that dreamsmk adds for local models are told apart by their prefix.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dreamsmk.errors import SettingsError, nearest
from dreamsmk.smk.meta import Role

MODEL_PREFIX = "model_"
ADAPTER_PREFIX = "adapter_"


# Any: Snakemake's Namedlist, which has no published types.
def paths_by_role(files: Any, roles: Mapping[str, Role], *, where: str) -> dict[str, list[Path]]:
    """Returns the paths of each role.

    Args:
        files: A `Namedlist` of Snakemake.
        roles: The roles that the rule declares, in order.
        where: What to name in errors.

    Raises:
        SettingsError: A name is no role of the rule, there are more files than roles, a required one is missing, or a
            file does not end as those of its role do.
    """
    found: dict[str, list[Path]] = {}
    positional: list[str] = []
    for name, item in files._allitems():
        paths = [item] if isinstance(item, str) else list(item)
        if name is None:
            positional.extend(paths)
        elif name in roles or name.startswith((MODEL_PREFIX, ADAPTER_PREFIX)):
            found[name] = [Path(path) for path in paths]
        else:
            raise SettingsError(f"the rule knows no {name!r} here", where=where, hint=nearest(name, roles))
    _fill(found, positional, roles, where)
    _check_suffixes(found, roles, where)
    missing = [role for role, declared in roles.items() if declared.is_required and not found.get(role)]
    if missing:
        hint = f"give {missing[0]}=…, {_about(roles[missing[0]])}"
        raise SettingsError(f"{missing[0]!r} is missing", where=where, hint=hint)
    return found


def declared_only(paths: Mapping[str, list[Path]], roles: Iterable[str]) -> dict[str, list[Path]]:
    """Returns the paths of the declared roles, without those that stand for models."""
    return {role: list(paths[role]) for role in roles if paths.get(role)}


def _fill(found: dict[str, list[Path]], positional: list[str], roles: Mapping[str, Role], where: str) -> None:
    free = [role for role in roles if role not in found]
    for path in positional:
        if not free:
            raise SettingsError(f"{path!r} is one file too many", where=where, hint=f"its roles are {', '.join(roles)}")
        found.setdefault(free[0], []).append(Path(path))
        if not roles[free[0]].takes_many:
            free.pop(0)


def _check_suffixes(paths: Mapping[str, list[Path]], roles: Mapping[str, Role], where: str) -> None:
    for role, declared in roles.items():
        for path in paths.get(role, []) if declared.suffixes else []:
            if path.suffix not in declared.suffixes:
                raise SettingsError(
                    f"{str(path)!r} is no {role!r} that can be made",
                    where=where,
                    hint=f"end its name in {' or '.join(declared.suffixes)}",
                )


def _about(role: Role) -> str:
    return f"a {role.kind}: {role.description}" if role.description else f"a {role.kind}"
