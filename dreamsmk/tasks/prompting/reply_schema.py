"""Replies that follow a JSON Schema (draft 2020-12): the schema itself, and the reading of a reply by it.

Contract: a schema is checked before anything is asked, and nothing is ever fetched for it. A reply is JSON and nothing
else, but for a fence of three backticks around the whole of it; it is never repaired here by guessing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from dreamsmk.errors import SettingsError
from dreamsmk.settings.validation import check_schema
from dreamsmk.tasks.context import Context
from dreamsmk.tasks.prompting.shapes import Shape, UnfitValue, fields_of, resolve

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError

ROLE = "schema"
FAULTS_SHOWN = 3
FAULT_CHARACTERS = 200
_FENCE = re.compile(r"```(?:json)?[ \t]*\n(.*)\n[ \t]*```", re.DOTALL | re.IGNORECASE)
# Under these stand values, not schemas; under those, schemas by names of their own.
_VALUES = ("const", "enum", "default", "examples")
_BY_NAME = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")


@dataclass(frozen=True, slots=True)
class ReplySchema:
    """A schema that replies must follow.

    Attributes:
        schema: The JSON Schema, of an object.
        fields: What each column holds, by the property that fills it.
    """

    # Any (in this class): JSON Schema and JSON.
    schema: Mapping[str, Any]
    fields: Mapping[str, Shape]
    _validator: Draft202012Validator

    @classmethod
    def of(cls, schema: Any, *, where: str) -> ReplySchema:
        """Returns a schema, checked.

        Raises:
            SettingsError: It is no JSON Schema of an object with properties, or refers to what is not in it.
        """
        from jsonschema import Draft202012Validator
        from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]  # no types are published

        if not isinstance(schema, Mapping):
            raise SettingsError("a JSON Schema is an object", where=where)
        check_schema(schema, where)
        if schema.get("type") != "object" or not schema.get("properties"):
            hint = "give it type: object and properties; a list goes into one of them"
            what = "the schema is not of an object with properties, which become columns"
            raise SettingsError(what, where=where, hint=hint)
        _check_references(schema, schema, where)
        return cls(schema, fields_of(schema), Draft202012Validator(schema, registry=REGISTRY))

    def fault(self, text: str) -> str | None:
        """Returns what is wrong with a reply, in a line; None where it follows the schema."""
        try:
            value = _parsed(text)
        except orjson.JSONDecodeError as exc:
            return f"it is not JSON: {exc}" if text.strip() else "it is empty"
        errors = sorted(self._validator.iter_errors(value), key=lambda error: [str(part) for part in error.path])
        if errors:
            shown = "; ".join(_said(error) for error in errors[:FAULTS_SHOWN])
            return f"{shown}; and {len(errors) - FAULTS_SHOWN} more" if len(errors) > FAULTS_SHOWN else shown
        try:
            self._cells(value)
        except UnfitValue as exc:
            return str(exc)
        return None

    def cells(self, text: str) -> dict[str, Any]:
        """Returns the cell of each column for a reply that has no fault."""
        return self._cells(_parsed(text))

    def in_words(self) -> str:
        """Returns what a prompt ends with where the provider takes no schema."""
        return f"Answer with JSON only, following this JSON Schema:\n{json.dumps(self.schema, ensure_ascii=False)}"

    def _cells(self, value: Mapping[str, Any]) -> dict[str, Any]:
        return {name: shape.cell(value.get(name)) for name, shape in self.fields.items()}


def read_reply_schema(context: Context) -> ReplySchema | None:
    """Returns the schema that a job's replies must follow, from its parameter or its file; None without one.

    Raises:
        SettingsError: It is given twice, or is wrong.
    """
    written, files = context.params[ROLE], context.inputs.get(ROLE)
    if not files:
        return None if written is None else ReplySchema.of(written, where="params.schema")
    if written is not None:
        raise SettingsError("the schema is given both as a parameter and as a file", where="params.schema")
    schema = read_schema(files[0])
    context.facts.setdefault("prompts", {})[ROLE] = json.dumps(schema.schema, indent=2, ensure_ascii=False)
    return schema


# Any: JSON.
def field_names(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> Sequence[str] | None:
    """Returns the properties of the schema, none without one; None where its file is not there yet."""
    if params[ROLE] is not None:
        return list(ReplySchema.of(params[ROLE], where="params.schema").fields)
    return inputs.get(ROLE, ())


def read_schema(path: Path) -> ReplySchema:
    """Returns the schema in a JSON or YAML file.

    Raises:
        SettingsError: It cannot be read, or is wrong.
    """
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
        value = yaml.safe_load(text) if path.suffix.lower() in (".yaml", ".yml") else json.loads(text)
    except OSError as exc:
        raise SettingsError(f"the schema cannot be read: {exc.strerror}", where=str(path)) from exc
    except (ValueError, yaml.YAMLError) as exc:
        words = " ".join(str(exc).split())[:FAULT_CHARACTERS]
        raise SettingsError(f"the file is neither JSON nor YAML: {words}", where=str(path)) from exc
    return ReplySchema.of(value, where=str(path))


# Any: JSON.
def _parsed(text: str) -> Any:
    text = text.strip()
    fenced = _FENCE.fullmatch(text)
    return orjson.loads(fenced[1] if fenced else text)


def _said(error: ValidationError) -> str:
    line = " ".join(error.message.split())
    if len(line) > FAULT_CHARACTERS:  # it begins with the whole value
        line = f"it does not meet {error.validator}: {json.dumps(error.validator_value)[:FAULT_CHARACTERS]}"
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
    place = "".join(parts).lstrip(".")
    return f"{place}: {line}" if place else line


# Any: JSON Schema.
def _check_references(node: Any, root: Mapping[str, Any], where: str) -> None:
    """Raises for a reference to what is not there."""
    for part in _schemas(node):
        for keyword in ("$ref", "$dynamicRef"):
            if isinstance(part.get(keyword), str):
                try:
                    resolve(part[keyword], root)
                except SettingsError as exc:
                    raise SettingsError(exc.what, where=where, hint=exc.hint) from exc


# Any: JSON Schema.
def _schemas(node: Any) -> Iterator[Mapping[str, Any]]:
    """Yields a schema and those inside it."""
    if not isinstance(node, Mapping):
        return
    yield node
    for keyword, inner in node.items():
        if keyword in _BY_NAME:
            parts = list(inner.values())
        elif keyword in _VALUES:
            parts = []
        else:
            parts = inner if isinstance(inner, list) else [inner]
        for part in parts:
            yield from _schemas(part)
