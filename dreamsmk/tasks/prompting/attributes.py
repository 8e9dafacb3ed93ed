"""Combinations of attributes, and the prompts that are made of them (AttrPrompt, Yu et al. 2023).

Contract: the names in the instruction and those of the attributes are the same set. The labels of a row are those that
its prompt was made of, because both are taken from the same combination.
"""

from __future__ import annotations

import itertools
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from dreamsmk.errors import SettingsError, nearest
from dreamsmk.tasks.prompting.templates import Template

WHERE = "params.attributes"


class Slotted(Protocol):
    """An instruction with a place for each attribute."""

    @property
    def names(self) -> Sequence[str]:
        """The names of the places."""
        ...

    # Any: JSON.
    def render(self, row: Mapping[str, Any], *, where: str) -> str:
        """Returns the instruction with values in its places."""
        ...


@dataclass(frozen=True, slots=True)
class Slots:
    """An instruction with places as `{name}`; `{{` and `}}` are braces."""

    text: str
    names: tuple[str, ...]

    @classmethod
    def of(cls, text: str, *, where: str) -> Slots:
        """Returns an instruction.

        Raises:
            SettingsError: A brace is not closed, or a place holds more than a name.
        """
        try:
            parts = [part[1:] for part in string.Formatter().parse(text) if part[1] is not None]
        except ValueError as exc:
            raise SettingsError(
                f"the braces of the instruction do not match: {exc}", where=where, hint="write {{ and }} for braces"
            ) from exc
        for name, written, conversion in parts:
            if not name or not name.isidentifier() or written or conversion:
                raise SettingsError(
                    f"the place {{{name}}} of the instruction is no name",
                    where=where,
                    hint="write {{ and }} for braces",
                )
        return cls(text, tuple(sorted({name for name, _, _ in parts if name})))

    # Any: JSON.
    def render(self, row: Mapping[str, Any], *, where: str) -> str:
        """Returns the instruction with values in its places."""
        return self.text.format_map({name: _written(value) for name, value in row.items()})


# Any: JSON.
def combinations(attributes: Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Returns the combinations: all of a mapping of lists, the last attribute changing first; or those of a list.

    Raises:
        SettingsError: The combinations of a list do not all have the same names.
    """
    if isinstance(attributes, Mapping):
        names = list(attributes)
        return [dict(zip(names, values, strict=True)) for values in itertools.product(*attributes.values())]
    for number, combination in enumerate(attributes):
        if set(combination) != set(attributes[0]):
            raise SettingsError(
                f"it has {sorted(combination)}, and the first combination has {sorted(attributes[0])}",
                where=f"{WHERE}/{number}",
                hint="every combination has the same names",
            )
    return [{name: combination[name] for name in attributes[0]} for combination in attributes]


def check_names(instruction: Slotted, names: Sequence[str], where: str) -> None:
    """Raises `SettingsError` where the instruction and the attributes do not have the same names."""
    for name in instruction.names:
        if name not in names:
            raise SettingsError(
                f"the instruction has a place for {name!r}, and there is no such attribute",
                where=where,
                hint=nearest(name, names),
            )
    for name in names:
        if name not in instruction.names:
            raise SettingsError(
                f"the attribute {name!r} has no place in the instruction",
                where=WHERE,
                hint=nearest(name, instruction.names),
            )


def instruction_of(text: str | None, template: Template | None, where: str) -> Slotted:
    """Returns the instruction: the one with slots, or the template."""
    if template is not None:
        return template
    assert text is not None
    return Slots.of(text, where=where)


# Any: JSON.
def attribute_types(chosen: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Returns the column type of each attribute.

    Raises:
        SettingsError: The values of one are of several types.
    """
    types: dict[str, str] = {}
    for name in chosen[0] if chosen else ():
        kinds = {type(combination[name]) for combination in chosen}
        if kinds == {int, float}:
            kinds = {float}
        if len(kinds) > 1:
            found = ", ".join(sorted(kind.__name__ for kind in kinds))
            raise SettingsError(
                f"the values of the attribute {name!r} are of several types: {found}",
                where=WHERE,
                hint="put numbers in quotes",
            )
        types[name] = {str: "String", int: "Int64", float: "Float64", bool: "Boolean"}[kinds.pop()]
    return types


# Any: JSON.
def _written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
