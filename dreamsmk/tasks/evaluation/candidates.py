"""What is compared: models, by their names, each with the table and the columns that its scores come from.

Contract: a name is a parameter, never the path of a file: paths are no part of a fingerprint. Every name has what every
other has, so that their scores mean the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dreamsmk.errors import SettingsError, nearest

NAME = "name"
JUDGEMENT = "judgement"
# the parameters that may be a mapping from names
BY_NAME = ("predictions", "verdicts", "model")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One of those that are compared.

    Attributes:
        name: Its name; None where nothing is compared.
        table: Its rows.
        predictions: The column with what it wrote.
        verdicts: The column with the verdicts on it.
        model: The alias of the model that it is.
    """

    name: str | None
    table: Path
    predictions: str | None
    verdicts: str
    model: str | None

    @property
    def said(self) -> str:
        """How progress notes and errors speak of it."""
        return str(self.table) if self.name is None else f"{self.name}, {self.table}"


# Any: JSON.
def names_of(params: Mapping[str, Any]) -> list[str] | None:
    """Returns the names that are compared, in order; None where there are none.

    Raises:
        SettingsError: Two parameters have other names.
    """
    given: list[str] = params["names"]
    mapped = {field: params[field] for field in BY_NAME if isinstance(params[field], Mapping)}
    # JSON objects have no order that a fingerprint would know of
    names = given or sorted(next(iter(mapped.values()), ()))
    for field, mapping in mapped.items():
        for name in sorted({*mapping} ^ {*names}):
            others = [other for other in (names if name in mapping else mapping) if other != name]
            fault = "is not among the other names" if name in mapping else "is missing"
            raise SettingsError(f"the name {name!r} {fault}", where=f"params.{field}", hint=nearest(name, others))
    return names or None


# Any: JSON.
def candidates_of(params: Mapping[str, Any], tables: Sequence[Path]) -> list[Candidate]:
    """Returns what is compared, in order.

    Args:
        params: The rule's parameters.
        tables: One table, or one for each name.

    Raises:
        SettingsError: There are more or fewer tables than names, or several without a name.
    """
    names = names_of(params)
    if len(tables) > 1:
        for field in ("predictions", "verdicts"):
            if isinstance(params[field], Mapping):
                raise SettingsError(
                    f"{len(tables)} tables cannot have a column each by name",
                    where=f"params.{field}",
                    hint="give one column that all tables have, or one table with several columns",
                )
        if names is None or len(names) != len(tables):
            raise SettingsError(
                f"{len(tables)} tables have {len(names or ())} names", where="params.names", hint="name each table once"
            )
    elif names is not None and len(names) > 1 and not any(isinstance(params[field], Mapping) for field in BY_NAME):
        hint = "give several tables, or several columns or models by name"
        raise SettingsError(f"one table has {len(names)} names", where="params.names", hint=hint)
    paths = list(tables) * len(names or ("",)) if len(tables) == 1 else list(tables)
    every: list[str | None] = [*names] if names else [None]
    return [
        Candidate(
            name,
            path,
            predictions=_of_name(params["predictions"], name),
            verdicts=_of_name(params["verdicts"], name) or JUDGEMENT,
            model=_of_name(params["model"], name),
        )
        for name, path in zip(every, paths, strict=True)
    ]


def _of_name(given: str | Mapping[str, str] | None, name: str | None) -> str | None:
    return given[name or ""] if isinstance(given, Mapping) else given
