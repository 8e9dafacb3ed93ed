"""What a validation error means, in the words of the person who wrote the value.

Contract: one `SettingsError`, three lines at most: what, the key path, and what to do. Values of keys that may hold
secrets are never shown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dreamsmk.errors import SettingsError, nearest
from dreamsmk.settings.closing import declared_names
from dreamsmk.settings.place import Place
from dreamsmk.settings.subschemas import types_of

_WORDS = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "null": "null",
}
_KINDS = {dict: "a mapping", list: "a list", bool: "", str: "the text", int: "the number", float: "the number"}
_NUMBER = re.compile(r"\s*([+-]?\d+)(\.\d*)?(?:[eE]([+-]?)(\d+))?\s*")
_BOUNDS = {
    "minimum": "at least {0}",
    "maximum": "at most {0}",
    "exclusiveMinimum": "more than {0}",
    "exclusiveMaximum": "less than {0}",
    "multipleOf": "a multiple of {0}",
    "const": "{0!r}",
    "uniqueItems": "entries that all differ",
    "minLength": "at least {0} characters",
    "maxLength": "at most {0} characters",
    "minItems": "at least {0} entries",
    "maxItems": "at most {0} entries",
    "minProperties": "at least {0} keys",
    "maxProperties": "at most {0} keys",
}
_UNKNOWN = ("additionalProperties", "unevaluatedProperties")
_RANKS = {"required": 1, "type": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way in which a value does not follow its schema.

    Attributes:
        keyword: The keyword of the schema that says no: `type`, `required`.
        limit: What stands beside the keyword.
        path: Where the value stands in the whole value.
        schema: The schema that holds the keyword.
        message: The validator's own words.
        is_key: Whether the value is a key, not what stands under it.
        branches: The faults of each branch of `anyOf` and `oneOf`.
    """

    # Any (in this class): JSON and JSON Schema.
    keyword: str
    limit: Any
    value: Any
    path: tuple[str | int, ...]
    schema: Mapping[str, Any]
    message: str
    is_key: bool = False
    branches: tuple[tuple[Fault, ...], ...] = ()

    @property
    def rank(self) -> int:
        """How much the fault explains: the lower, the more."""
        return 0 if self.keyword in _UNKNOWN else _RANKS.get(self.keyword, 3)

    @property
    def hint(self) -> str:
        """What the schema itself advises."""
        return str(self.schema.get("x-hint", ""))


class Explainer:
    """Turns the faults of a value into one `SettingsError`.

    Args:
        root: The whole schema.
        noun: What a key is called in messages.
    """

    # Any: JSON Schema.
    def __init__(self, root: Mapping[str, Any], noun: str) -> None:
        self.root = root
        self.noun = noun

    def error(self, faults: Sequence[Fault], place: Place) -> SettingsError:
        """Returns the error for the fault that explains most."""
        # Below a key that failed, all keys count as unevaluated: the failure itself explains more.
        telling = [fault for fault in faults if fault.keyword not in _UNKNOWN or self._unknown_names(fault)]
        return self._explain(min(telling or faults, key=lambda fault: fault.rank), place)

    def _explain(self, fault: Fault, root_place: Place) -> SettingsError:
        place = root_place.at(*fault.path)
        if fault.is_key:
            hint = fault.hint or _one_line(fault.message)
            return SettingsError(f"{fault.value!r} is no valid name", where=str(place), hint=hint)
        if fault.keyword in _UNKNOWN:
            return self._unknown(fault, place)
        if fault.keyword == "required":
            return self._missing(fault, place)
        if fault.branches:
            return self._branches(fault, root_place)
        if fault.keyword == "type":
            return _wrong_type(fault.value, types_of(fault.schema), place, fault.hint)
        return _out_of_bounds(fault, place)

    def _unknown_names(self, fault: Fault) -> list[str]:
        known = declared_names(fault.schema, self.root)
        patterns = list(fault.schema.get("patternProperties", {}))
        names = [name for name in fault.value if name not in known]
        return [name for name in names if not any(re.search(pattern, name) for pattern in patterns)]

    def _unknown(self, fault: Fault, place: Place) -> SettingsError:
        name = next(iter(self._unknown_names(fault)), "")
        valid = declared_names(fault.schema, self.root)
        return SettingsError(f"there is no {self.noun} {name!r}", where=str(place.at(name)), hint=nearest(name, valid))

    def _missing(self, fault: Fault, place: Place) -> SettingsError:
        names = [name for name in fault.limit if name not in fault.value]
        listed = " and ".join(map(repr, names))
        what = f"the {self.noun} {listed} is missing" if len(names) == 1 else f"the {self.noun}s {listed} are missing"
        about = fault.schema.get("properties", {}).get(names[0], {}).get("description", "")
        return SettingsError(what, where=str(place), hint=f"{names[0]}: {_one_line(about)}" if about else "")

    def _branches(self, fault: Fault, root_place: Place) -> SettingsError:
        """Explains a value that fits no branch: by the branch of its own type, else by all the types."""
        fitting = [
            branch
            for branch in fault.branches
            if not any(inner.keyword == "type" and inner.path == fault.path for inner in branch)
        ]
        if not fitting:
            expected = [name for branch in fault.branches for inner in branch for name in types_of(inner.schema)]
            return _wrong_type(fault.value, expected, root_place.at(*fault.path), fault.hint)
        deepest = max(fitting, key=lambda branch: max(len(inner.path) for inner in branch))
        return self._explain(min(deepest, key=lambda inner: inner.rank), root_place)


# Any: JSON.
def _wrong_type(value: Any, expected: list[str], place: Place, hint: str) -> SettingsError:
    names = [name for name in dict.fromkeys(expected) if name != "null"] or ["null"]
    wanted = " or ".join(_WORDS.get(name, name) for name in names)
    if not hint and not place.is_private:
        hint = _advice(value, names)
    return SettingsError(f"expected {wanted}, got {_got(value, place)}", where=str(place), hint=hint)


# Any: JSON.
def _advice(value: Any, expected: list[str]) -> str:
    if isinstance(value, str) and {"number", "integer"} & {*expected} and (number := _as_yaml_number(value)):
        return f"write {number} without quotes"
    if isinstance(value, (bool, int, float)) and "string" in expected:
        return "write it in quotes"
    if isinstance(value, str) and "boolean" in expected and value.lower() in ("true", "false", "yes", "no"):
        return f"write {'true' if value.lower() in ('true', 'yes') else 'false'} without quotes"
    if "array" in expected and isinstance(value, (bool, int, float, str)):
        return f"write it as a list: [{_shown(value)}]"
    return "leave the key out instead" if value is None else ""


def _as_yaml_number(text: str) -> str:
    """Returns a number as YAML 1.1 takes it, which reads `1e-5` as text for want of a dot, and `1.0e5` of a sign."""
    found = _NUMBER.fullmatch(text)
    if found is None:
        return ""
    whole, fraction, sign, exponent = found.groups()
    if exponent is None:
        return whole + (fraction or "")
    return f"{whole}{fraction if fraction and fraction != '.' else '.0'}e{sign or '+'}{exponent}"


def _out_of_bounds(fault: Fault, place: Place) -> SettingsError:
    shown = "the value" if place.is_private else _shown(fault.value)
    hint = fault.hint
    if fault.keyword == "enum":
        what, hint = f"{shown} is none of the values to choose from", hint or _choices(fault)
    elif fault.value == "" and fault.keyword == "minLength":
        what, hint = "the text is empty", hint or "leave the key out, or give a value"
    elif fault.keyword == "pattern":
        what, hint = f"{shown} is not written as it must be", hint or f"match {fault.limit}"
    elif fault.keyword in _BOUNDS:
        is_count = fault.keyword.endswith(("Length", "Items", "Properties")) and fault.keyword != "uniqueItems"
        got = str(len(fault.value)) if is_count else _got(fault.value, place)
        what = f"expected {_BOUNDS[fault.keyword].format(fault.limit)}, got {got}"
    else:
        what = "the value is not valid" if place.is_private else _one_line(fault.message)
    return SettingsError(what, where=str(place), hint=hint)


def _choices(fault: Fault) -> str:
    choices = [choice for choice in fault.limit if choice is not None]
    if isinstance(fault.value, str) and all(isinstance(choice, str) for choice in choices):
        return nearest(fault.value, choices)
    return "choose one of: " + ", ".join(map(_shown, choices))


# Any: JSON.
def _got(value: Any, place: Place) -> str:
    kind = _KINDS.get(type(value), "")
    if value is None or isinstance(value, (dict, list)):
        return kind or "null"
    if place.is_private:
        return "something else"
    return f"{kind} {_shown(value)}".strip()


# Any: JSON.
def _shown(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    # An address may hold a user name and a password.
    text = re.sub(r"//[^/@\s]+@", "//…@", repr(value))
    text = re.sub(r"(?i)(password=)[^&\s']+", r"\1…", text)
    return text if len(text) <= 60 else text[:56] + " …" + text[-1]


def _one_line(text: str) -> str:
    joined = " ".join(text.split())
    return joined if len(joined) <= 160 else joined[:158] + " …"
