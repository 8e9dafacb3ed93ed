"""From whatever Python and YAML give to plain JSON values.

Contract: the result holds only dict (with text keys), list, str, int, float, bool and None, of exactly these types,
and no part of what was given. A value that JSON has no form for is an error at its key path, never left out.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any

from dreamsmk.errors import SettingsError
from dreamsmk.settings.place import Place


# Any: JSON comes out.
def plain_json(value: object, place: Place) -> Any:
    """Returns a value as plain JSON: tuples as lists, paths as text, numpy scalars as numbers.

    Raises:
        SettingsError: JSON has no form for the value, or for one inside it.
    """
    if isinstance(value, Mapping):
        return {_key(key, place): plain_json(inner, place.at(key)) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_json(inner, place.at(index)) for index, inner in enumerate(value)]
    if value is None or isinstance(value, (bool, str, int, float)):
        return _exact(value, place)
    return _converted(value, place)


def _exact(value: str | float | None, place: Place) -> str | float | None:
    """Returns a scalar as the plain type that it is a kind of: Snakemake's paths and enumerations are text, too."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__int__(value)
    return _finite(float.__float__(value), place)


def _finite(value: float, place: Place) -> float:
    if not math.isfinite(value):
        raise SettingsError(f"{value} is not a number that JSON has", where=str(place), hint="give a finite number")
    return value


def _key(key: object, place: Place) -> str:
    if not isinstance(key, str):
        raise SettingsError(f"the key {key!r} is not text", where=str(place), hint="write it in quotes")
    return str.__str__(key)


# Any: JSON comes out.
def _converted(value: object, place: Place) -> Any:
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    # numpy's scalars are told by their shape, so that numpy need not be imported.
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        inner = value.item()
        if type(inner) is not type(value):
            return plain_json(inner, place)
    kind = type(value).__name__
    if type(value).__module__ == "datetime":
        raise SettingsError(f"expected text, got a {kind}", where=str(place), hint=f"write '{value}' in quotes")
    hint = "give text, a number, true, false, null, a list or a mapping"
    raise SettingsError(f"a value of type {kind} has no form in JSON", where=str(place), hint=hint)
