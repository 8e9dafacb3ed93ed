"""Where the rules of scores and plots work in a test: real tables, files of any suffix, local models by their alias."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from dreamsmk.settings import ModelSpec, validate_params
from dreamsmk.smk.checks import columns_of
from dreamsmk.smk.meta import load_meta
from dreamsmk.tables import row_count
from dreamsmk.tasks.context import Context
from tests.unit.tasks.desk import Notes


@dataclass
class SpecOnly:
    """A model that is only asked for its spec."""

    spec: ModelSpec


@dataclass
class Bench:
    """Runs a task of the library as its job does.

    Attributes:
        specs: The models by alias.
        context: That of the last run.
    """

    folder: Path
    specs: dict[str, ModelSpec] = field(default_factory=dict)
    context: Context | None = None

    def table(self, columns: Mapping[str, Any] | pl.DataFrame, name: str = "table.parquet") -> Path:
        """Writes a table."""
        path = self.folder / name
        (columns if isinstance(columns, pl.DataFrame) else pl.DataFrame(dict(columns))).write_parquet(path)
        return path

    def run(
        self,
        rule: str,
        inputs: Mapping[str, Path | Sequence[Path]],
        outputs: Sequence[str] = ("scores.parquet",),
        /,
        **params: Any,
    ) -> dict[str, Path]:
        """Runs a rule, and returns the files that it made by role; `outputs` are roles with suffixes."""
        meta = load_meta(rule)
        made = {name.partition(".")[0]: self.folder / f"made_{name}" for name in outputs}
        for path in made.values():
            path.unlink(missing_ok=True)
        self.context = Context(
            params=validate_params(meta.params, params, where=rule),
            inputs={role: [given] if isinstance(given, Path) else list(given) for role, given in inputs.items()},
            outputs=made,
            scratch=self.folder,
            model=lambda alias: SpecOnly(self.specs[alias]),
            progress=Notes(),
        )
        meta.load_task()(self.context)
        self._check_promises(rule, made)
        return made

    def scores(self, *tables: Path, **params: Any) -> pl.DataFrame:
        """Runs `evaluate`, and returns the scores."""
        return pl.read_parquet(self.run("evaluate", {"table": tables}, **params)["scores"])

    def values(self, *tables: Path, **params: Any) -> dict[str, float | None]:
        """Runs `evaluate`, and returns the value of each metric over all rows."""
        return dict(self.scores(*tables, **params).select("metric", "value").iter_rows())

    @property
    def notes(self) -> list[str]:
        """What the last run said."""
        assert self.context is not None
        return self.context.progress.lines  # type: ignore[attr-defined]

    def _check_promises(self, rule: str, made: Mapping[str, Path]) -> None:
        """Asserts that the tables are what was promised of them before the task ran."""
        meta, context = load_meta(rule), self.context
        assert context is not None
        names = meta.load_columns()(  # type: ignore[misc]
            context.params, {role: columns_of(meta.inputs[role], paths[0]) for role, paths in context.inputs.items()}
        )
        tables = {role: paths for role, paths in context.inputs.items() if meta.inputs[role].kind == "table"}
        heights = meta.load_rows()(  # type: ignore[misc]
            context.params, {role: sum(map(row_count, paths)) for role, paths in tables.items()}
        )
        for role, path in made.items():
            if meta.outputs[role].kind == "table":
                table = pl.read_parquet(path)
                assert names.get(role) is None or table.columns == names[role]
                assert heights.get(role) is None or table.height == heights[role]
