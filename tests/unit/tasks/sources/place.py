"""Runs tasks whose inputs and outputs are not only tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars

from dreamsmk.settings import validate_params
from dreamsmk.smk.meta import load_meta
from dreamsmk.tasks.context import Context
from tests.unit.tasks.desk import Notes


@dataclass
class Place:
    """A folder with files, in which tasks run.

    Attributes:
        facts: What the last task said of itself.
    """

    folder: Path
    facts: dict[str, Any] = field(default_factory=dict)

    def file(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def run(self, rule: str, inputs: Mapping[str, Sequence[Path]], outputs: Mapping[str, str], **params: Any) -> None:
        """Runs the task of a rule; outputs are names in the folder, by role."""
        meta = load_meta(rule)

        def model(alias: str) -> Any:
            raise AssertionError(f"{rule} asks no model")

        context = Context(
            params=validate_params(meta.params, params, where=rule),
            inputs={role: list(paths) for role, paths in inputs.items()},
            outputs={role: self.folder / name for role, name in outputs.items()},
            scratch=self.folder / "scratch",
            model=model,
            progress=Notes(),
        )
        columns = meta.load_columns()
        assert columns is not None
        self.promised = columns(context.params, dict.fromkeys(meta.inputs))
        meta.load_task()(context)
        self.facts = context.facts

    def table(self, rule: str, inputs: Mapping[str, Sequence[Path]], **params: Any) -> polars.DataFrame:
        """Runs the task of a rule that makes a table, and returns it."""
        self.run(rule, inputs, {"table": "made.parquet"}, **params)
        made = polars.read_parquet(self.folder / "made.parquet")
        promised = self.promised["table"]
        assert promised is None or promised == made.columns
        assert self.facts["rows"] == made.height
        return made
