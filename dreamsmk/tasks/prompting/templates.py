"""Texts made of the columns of a row: Jinja2 templates, strict and in a sandbox, in a parameter or in a file.

Contract: what a template makes is a function of the row alone. A name that is no column, a null that would be written
out and an undefined field are errors that name the row, before the first call; nothing becomes an empty text in
silence. Columns are used by their names, or as `row["a name with spaces"]`. Text is written as it is, booleans as
`true` and `false`, lists and structs as JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import SettingsError, TableError, nearest
from dreamsmk.tables import column_names
from dreamsmk.tasks.batches import batches_of, bounded_batch_rows
from dreamsmk.tasks.context import Context
from dreamsmk.tasks.prompting.instruction import read_words

if TYPE_CHECKING:
    from jinja2 import Environment
    from jinja2 import Template as Compiled

ROLE = "template"
# The whole row, by column.
ROW = "row"


@dataclass(frozen=True, slots=True)
class Template:
    """A template.

    Attributes:
        where: What messages call it.
        names: The names that it uses and does not define itself, sorted.
        functions: Those of Jinja's functions that it uses, such as `range`, sorted.
    """

    text: str
    where: str
    names: tuple[str, ...]
    functions: tuple[str, ...]
    _compiled: Compiled

    @classmethod
    def of(cls, text: str, *, where: str) -> Template:
        """Returns a template, without white space around it.

        Raises:
            SettingsError: It is empty, or no Jinja2.
        """
        from jinja2 import meta, nodes
        from jinja2.exceptions import TemplateError

        text = text.strip()
        if not text:
            raise SettingsError("the template is empty", where=where)
        environment = _environment()
        try:
            tree = environment.parse(text)
            names = meta.find_undeclared_variables(tree)
            functions = {name.name for name in tree.find_all(nodes.Name)} & set(environment.globals)
            return cls(text, where, tuple(sorted(names)), tuple(sorted(functions)), environment.from_string(text))
        except TemplateError as exc:
            line = getattr(exc, "lineno", None)
            place = f"{where}, line {line}" if line else where
            raise SettingsError(f"the template is no Jinja2: {exc}", where=place) from exc

    def columns(self, also: Iterable[str] = ()) -> list[str]:
        """Returns the columns that it names; `also` are names that stand for something else."""
        return [name for name in self.names if name != ROW and name not in set(also)]

    def check(self, columns: Sequence[str], also: Iterable[str] = ()) -> None:
        """Raises `TableError` where it names a column that the table does not have, or what may be a function too."""
        for name in self.functions:
            if name in columns:
                raise TableError(
                    f"the template uses {name!r}, which is a function of Jinja and a column of the table",
                    where=self.where,
                    hint=f'write row["{name}"] for the column, or rename it',
                )
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

        from dreamsmk.tasks.prompting.template_values import value_of

        values = value_of(row)
        try:
            return self._compiled.render(values if ROW in values else {ROW: values, **values})
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
    template = Template.of(read_words(files[0], name), where=str(files[0]))
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
def reads(params: Mapping[str, Any], files: Mapping[str, Path]) -> dict[str, list[str]]:
    """Returns the columns that the template of a rule reads; the hook of that name of the rule's module."""
    text = read_words(files[ROLE], ROLE) if ROLE in files else params.get(ROLE)
    return {"table": [] if text is None else Template.of(text, where=ROLE).columns()}


# Any: JSON.
def check_template(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None], name: str = ROLE) -> None:
    """Raises where the template in a parameter is none, or names a column that the table will not have."""
    if params.get(name) is not None:
        template, have = Template.of(params[name], where=f"params.{name}"), inputs.get("table")
        if have is not None:
            template.check(have)


@cache
def _environment() -> Environment:
    from dreamsmk.tasks.prompting.template_values import environment

    return environment()
