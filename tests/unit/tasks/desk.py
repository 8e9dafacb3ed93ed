"""Where a task works in a test: real tables, real models over `echo`, a real call cache, all in one folder."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars

from dreamsmk.calls import CachedModel, SqliteCallCache
from dreamsmk.providers import resolve_identity
from dreamsmk.settings import ModelSpec, validate_params
from dreamsmk.smk.checks import columns_of
from dreamsmk.smk.meta import load_meta
from dreamsmk.tables import row_count
from dreamsmk.tasks.context import Context


@dataclass
class Notes:
    """A progress that remembers."""

    lines: list[str] = field(default_factory=list)

    def update(self, done: int, total: int | None = None, **facts: str | int | float) -> None:
        self.lines.append(f"{done} of {total}")

    def note(self, text: str) -> None:
        self.lines.append(text)


@dataclass
class Desk:
    """Runs tasks of the library's rules as their jobs do; the call cache outlives each of them.

    Attributes:
        specs: The models by alias.
        facts: What the last task said of itself.
        models: The models that the last task asked.
    """

    folder: Path
    specs: dict[str, ModelSpec] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    models: dict[str, CachedModel] = field(default_factory=dict)

    def table(self, columns: Mapping[str, Any] | polars.DataFrame, name: str = "table.parquet") -> Path:
        """Writes a table."""
        path = self.folder / name
        frame = columns if isinstance(columns, polars.DataFrame) else polars.DataFrame(dict(columns))
        frame.write_parquet(path)
        return path

    def file(self, name: str, text: str) -> Path:
        """Writes a file of text."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def run(
        self,
        rule: str,
        inputs: Mapping[str, Path | Sequence[Path]],
        outputs: tuple[str, ...] = ("table",),
        /,
        **params: Any,
    ) -> dict[str, polars.DataFrame]:
        """Runs the task of a rule and returns the tables that it made, by role; an input is one file or several.

        A folder that is made is `made_ROLE`.
        """
        meta = load_meta(rule)
        paths = {role: [given] if isinstance(given, Path) else list(given) for role, given in inputs.items()}
        folders = [role for role in outputs if meta.outputs[role].kind == "folder"]
        made = {role: self.folder / (f"made_{role}" + ("" if role in folders else ".parquet")) for role in outputs}
        for path in made.values():
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        self.models = {}
        with SqliteCallCache(self.folder / "calls.db") as cache:

            def model(alias: str) -> CachedModel:
                spec = self.specs[alias]
                identity = resolve_identity(spec, lambda folder: "")
                opened = CachedModel(alias, spec, identity, cache, rule=rule)
                return self.models.setdefault(alias, opened)

            context = Context(
                params=validate_params(meta.params, params, where=rule),
                inputs=paths,
                outputs=made,
                scratch=self.folder,
                model=model,
                progress=Notes(),
            )
            try:
                meta.load_task()(context)
            finally:
                for opened in self.models.values():
                    opened.close()
        self.facts = context.facts
        tables = {role: polars.read_parquet(path) for role, path in made.items() if role not in folders}
        self._check_promises(rule, context.params, paths, tables)
        return tables

    def sent(self) -> int:
        """Returns how many calls the last task paid for."""
        return sum(model.tally.sent for model in self.models.values())

    def _check_promises(
        self,
        rule: str,
        params: Mapping[str, Any],
        inputs: Mapping[str, list[Path]],
        tables: Mapping[str, polars.DataFrame],
    ) -> None:
        """Asserts that the columns and rows that were promised before the task ran are those that it made.

        A promise of None says that they cannot be known before.
        """
        meta = load_meta(rule)
        columns, rows = meta.load_columns(), meta.load_rows()
        assert columns is not None
        assert rows is not None
        names = columns(params, {role: columns_of(meta.inputs.get(role), paths[0]) for role, paths in inputs.items()})
        tabled = {
            role: paths for role, paths in inputs.items() if role in meta.inputs and meta.inputs[role].kind == "table"
        }
        have = {role: sum(row_count(path) for path in paths) for role, paths in tabled.items()}
        heights = rows(params, have)
        for role, table in tables.items():
            assert names.get(role) is None or table.columns == names[role]
            assert heights.get(role) is None or table.height == heights[role]
