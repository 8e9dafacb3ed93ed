"""What stands in a Jinja2 template for the cells of a row, and how it is written out.

Contract: text is written as it is, booleans as `true` and `false`, lists and structs as JSON. What has no text of its
own is an error where it would be written: a null, bytes, and what an expression left unfinished (`text.upper` without
its brackets, `map` without `join` after it), which Python would write with an address that is another one each time.
This module loads Jinja2, and is imported where a template is made.
"""

from __future__ import annotations

import datetime
import decimal
import json
from collections.abc import Iterator, Mapping
from typing import Any

from jinja2 import StrictUndefined, Undefined
from jinja2.exceptions import UndefinedError
from jinja2.sandbox import ImmutableSandboxedEnvironment

# What makes something else each time.
_RANDOM_GLOBALS = ("lipsum",)
_RANDOM_FILTERS = ("random",)
_PLAIN = (str, int, float, decimal.Decimal, datetime.date, datetime.time, datetime.timedelta)


class NullError(UndefinedError, TypeError):
    """A null is where a value must be; a `TypeError` too, as it is what Python raises of None."""


class Null(Undefined):
    """A null cell: false, equal to none, and never a text.

    `default` fills it in as it does what is undefined; to the tests `defined` and `none` it is both.
    """

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return other is None or isinstance(other, Null)

    __hash__ = Undefined.__hash__

    def __repr__(self) -> str:
        return "None"

    def __str__(self) -> str:
        raise self._undefined_exception(self._undefined_message)

    # Any: as in the base class.
    def __iter__(self) -> Iterator[Any]:
        raise self._undefined_exception(self._undefined_message)

    def __len__(self) -> int:
        raise self._undefined_exception(self._undefined_message)

    # Any: as in the base class.
    def __getattr__(self, name: str) -> Any:
        # as None has no attributes: what is looked up in it is undefined, and may have a default
        raise AttributeError(name)


NULL = Null(hint="there is a null where a value is needed; use default or if for rows without one", exc=NullError)


def environment() -> ImmutableSandboxedEnvironment:
    """Returns where templates are compiled: strict, in a sandbox, without what is random."""
    # prompts are text, not HTML: nothing in them is escaped
    made = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False, finalize=written)
    for name in _RANDOM_GLOBALS:
        del made.globals[name]
    for name in _RANDOM_FILTERS:
        del made.filters[name]
    made.filters["tojson"] = as_json
    made.tests["none"] = lambda value: value is None or isinstance(value, Null)
    made.tests["defined"] = lambda value: isinstance(value, Null) or not isinstance(value, Undefined)
    made.tests["undefined"] = lambda value: not isinstance(value, Null) and isinstance(value, Undefined)
    return made


# Any: a cell.
def value_of(cell: Any) -> Any:
    """Returns what stands for a cell in a template: nulls in it, at any depth, are `NULL`."""
    if cell is None:
        return NULL
    if isinstance(cell, list):
        return [value_of(inner) for inner in cell]
    if isinstance(cell, Mapping):
        return {name: value_of(inner) for name, inner in cell.items()}
    return cell


# Any: whatever an expression comes to.
def written(value: Any) -> Any:
    """Returns what is written of an expression's value; the `finalize` of the environment.

    Raises:
        TypeError: It has no text of its own.
    """
    if value is None:
        value = NULL
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple, dict)):
        return as_json(value)
    if not isinstance(value, (*_PLAIN, Undefined)):
        raise _textless(value)
    return value


# Any: as above.
def as_json(value: Any, indent: int | None = None) -> str:
    """Returns a value as JSON; the filter `tojson`."""
    return json.dumps(value, ensure_ascii=False, indent=indent, default=_json_of)


# Any: as above.
def _json_of(value: Any) -> Any:
    if isinstance(value, Null):
        return None
    if isinstance(value, (*_PLAIN, Undefined)):
        return str(value)
    raise _textless(value)


def _textless(value: object) -> TypeError:
    if isinstance(value, (bytes, bytearray)):
        return TypeError("bytes are no text")
    return TypeError(f"a {type(value).__name__} is no text: call it with (…), or put join or list after it")
