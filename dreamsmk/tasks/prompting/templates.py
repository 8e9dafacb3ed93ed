"""Texts made of the columns of a row: Jinja2 templates, strict and in a sandbox, in a parameter or in a file.

Contract: what a template makes is a function of the row alone. A name that is no column, a null that would be written
out and an undefined field are errors that name the row, before the first call; nothing becomes an empty text in
silence. Columns are used by their names, or as `row["a name with spaces"]`. Text is written as it is, booleans as
`true` and `false`, lists and structs as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import SettingsError, TableError, nearest
from dreamsmk.tables import column_names
from dreamsmk.tasks.batches import batches_of, bounded_batch_rows
from dreamsmk.tasks.context import Context

if TYPE_CHECKING:
    from jinja2 import Environment
    from jinja2 import Template as Compiled

ROLE = "template"
# The whole row, by column.
ROW = "row"
# What makes something else each time.
_RANDOM_GLOBALS = ("lipsum",)
_RANDOM_FILTERS = ("random",)


@dataclass(frozen=True, slots=True)
class Template:
    """A template.

    Attributes:
        where: What messages call it.
        names: The names that it uses and does not define itself, sorted.
    """

    text: str
    where: str
    names: tuple[str, ...]
    _compiled: Compiled

    @classmethod
    def of(cls, text: str, *, where: str) -> Template:
        """Returns a template, without white space around it.

        Raises:
            SettingsError: It is empty, or no Jinja2.
        """
        from jinja2 import meta
        from jinja2.exceptions import TemplateError

        text = text.strip()
        if not text:
            raise SettingsError("the template is empty", where=where)
        environment = _environment()
        try:
            names = meta.find_undeclared_variables(environment.parse(text)) - set(environment.globals)
            return cls(text, where, tuple(sorted(names)), environment.from_string(text))
        except TemplateError as exc:
            line = getattr(exc, "lineno", None)
            place = f"{where}, line {line}" if line else where
            raise SettingsError(f"the template is no Jinja2: {exc}", where=place) from exc

    def columns(self, also: Iterable[str] = ()) -> list[str]:
        """Returns the columns that it names; `also` are names that stand for something else."""
        return [name for name in self.names if name != ROW and name not in set(also)]

    def check(self, columns: Sequence[str], also: Iterable[str] = ()) -> None:
        """Raises `TableError` where it names a column that the table does not have."""
        for name in self.columns(also):
            if name not in columns:
                raise TableError(
                    f"the template uses {name!r}, and the table has no such column",
                    where=self.where,
                    hint=nearest(name, columns),
                )

    # Any: cells.
    def render(self, row: Mapping[str, Any], *, where: str) -> str:
        """Returns the text of a row.

        Args:
            row: The cells by column, and whatever else the template may use.
            where: What messages call the row.

        Raises:
            TableError: Something is undefined, null, or cannot be computed.
        """
        from jinja2.exceptions import TemplateError

        values = row if ROW in row else {ROW: row, **row}
        try:
            return self._compiled.render(values)
        # what an expression in a template may come to over the values of a row
        except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError) as exc:
            words = " ".join(str(exc).split()) or type(exc).__name__
            raise TableError(f"the template cannot be filled in: {words}", where=f"{where}, {self.where}") from exc


def read_template(context: Context, name: str = ROLE) -> Template | None:
    """Returns the template of a parameter, or of the input file of the same name; None without one.

    Raises:
        SettingsError: It is given twice, or is no template.
    """
    written, files = context.params.get(name), context.inputs.get(name)
    if written is not None and files:
        raise SettingsError(f"the {name} is given both as a parameter and as a file", where=name)
    if not files:
        return None if written is None else Template.of(written, where=f"params.{name}")
    template = Template.of(_read(files[0]), where=str(files[0]))
    context.facts.setdefault("prompts", {})[name] = template.text
    return template


def render_rows(template: Template, table: Path) -> list[str]:
    """Returns the text of each row of a table.

    Raises:
        TableError: A column is missing, or a row cannot be filled in.
    """
    have = column_names(table)
    template.check(have)
    texts: list[str] = []
    for number, row in rows_of(table, None if ROW in template.names else template.columns()):
        texts.append(template.render(row, where=f"{table}, row {number} (from 0)"))
    return texts


# Any: cells.
def rows_of(table: Path, columns: Sequence[str] | None = None) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields the number and the cells of each row, of some columns or of all."""
    number = 0
    for batch in batches_of(table, bounded_batch_rows(table)):
        if columns is not None and not columns:
            shown: Iterable[dict[str, Any]] = ({} for _ in range(batch.height))
        else:
            shown = (batch if columns is None else batch.select(columns)).iter_rows(named=True)
        for row in shown:
            yield number, row
            number += 1


# Any: JSON.
def template_columns(
    params: Mapping[str, Any], files: Mapping[str, Path], names: Iterable[str] = (ROLE,)
) -> dict[str, list[str]]:
    """Returns the columns that templates of a rule read, by input role: the hook `reads` of the rule's module."""
    columns: list[str] = []
    for name in names:
        text = _read(files[name]) if name in files else params.get(name)
        if text is not None:
            columns += Template.of(text, where=name).columns()
    return {"table": list(dict.fromkeys(columns))}


# Any: JSON.
def check_template(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None], name: str = ROLE) -> None:
    """Raises where the template in a parameter is none, or names a column that the table will not have."""
    if params.get(name) is not None:
        template, have = Template.of(params[name], where=f"params.{name}"), inputs.get("table")
        if have is not None:
            template.check(have)


@cache
def _environment() -> Environment:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    # prompts are text, not HTML: nothing in them is escaped
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False, finalize=_written)
    for name in _RANDOM_GLOBALS:
        del environment.globals[name]
    for name in _RANDOM_FILTERS:
        del environment.filters[name]
    environment.filters["tojson"] = _json
    return environment


# Any: whatever an expression comes to.
def _written(value: Any) -> Any:
    if value is None:
        raise TypeError("a null would be written out; use default or if for rows without a value")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (bytes, bytearray)):
        raise TypeError("bytes are no text")
    return _json(value) if isinstance(value, (list, tuple, dict)) else value


# Any: as above.
def _json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent, default=str)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise SettingsError("the template is not UTF-8 text that can be read", where=str(path)) from exc
