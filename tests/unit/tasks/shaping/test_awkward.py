"""Empty tables, nulls, unicode, large cells, many columns and every type pass through every rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.unit.tasks.desk import Desk
from tests.unit.tasks.shaping.awkward import AWKWARD

Frame = pl.DataFrame


@dataclass
class Case:
    """How a rule is run on an awkward table, and what it must give."""

    params: dict[str, Any] = field(default_factory=dict)
    expected: Callable[[Frame], Frame] = lambda table: table
    inputs: Callable[[Desk, Path, Frame], dict[str, Path | Sequence[Path]]] = lambda desk, path, table: {"table": path}
    output: str = "table"


def column(table: Frame) -> pl.Series:
    """Returns another column for each row of a table."""
    return table["row"].cast(pl.String).alias("more")


def with_more(table: Frame) -> Frame:
    return table.with_columns(column(table))


def swapped(table: Frame) -> Frame:
    return table.rename({"row": "text", "text": "row"})


def many(desk: Desk, path: Path, table: Frame) -> dict[str, Path | Sequence[Path]]:
    return {"table": [path] * 3}


def zipped(desk: Desk, path: Path, table: Frame) -> dict[str, Path | Sequence[Path]]:
    return {"table": [path, desk.table(column(table).to_frame(), "other.parquet")]}


def joined(desk: Desk, path: Path, table: Frame) -> dict[str, Path | Sequence[Path]]:
    return {"table": path, "other": desk.table(with_more(table).select("row", "more"), "other.parquet")}


def evaluated(desk: Desk, path: Path, table: Frame) -> dict[str, Path | Sequence[Path]]:
    return {"table": path, "evaluation": desk.table(column(table).to_frame(), "other.parquet")}


def downward(table: Frame) -> Frame:
    return table.sort(["text", "row"], descending=True, nulls_last=True)


CASES = {
    "select": Case({"exclude": ["text"]}, lambda table: table.drop("text")),
    "map": Case({"function": "awkward_steps.py:same", "by": "batch", "batch_rows": 2}),
    "rename": Case({"columns": {"row": "text", "text": "row"}}, swapped),
    "filter": Case({"where": '"row" >= 0 AND "row" <> 1'}, lambda table: table.filter(pl.col("row") != 1)),
    "sql": Case({"query": "SELECT * FROM self"}),
    "sort": Case({"by": ["text", "row"], "descending": True}, downward),
    "shuffle": Case({"seed": 1}),
    "take": Case({"n": 1}, lambda table: table.head(1)),
    "skip": Case({"n": 1}, lambda table: table.slice(1)),
    "sample": Case({"fraction": 1.0, "seed": 0}),
    "split": Case({"train": 1.0}, output="train"),
    "shard": Case({"shard": "1-of-1"}),
    "gather": Case({}, lambda table: pl.concat([table] * 3), many),
    "concat": Case({}, lambda table: pl.concat([table] * 3), many),
    "zip": Case({}, with_more, zipped),
    "join": Case({"on": ["row"]}, with_more, joined),
    "deduplicate": Case(),
    "decontaminate": Case({"columns": ["text"]}, inputs=evaluated),
}


STEPS = """
def same(frame):
    return frame
"""


@pytest.mark.parametrize("kind", AWKWARD)
@pytest.mark.parametrize("rule", CASES)
def test_an_awkward_table_passes_through_a_rule(
    rule: str, kind: str, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(desk.folder)
    desk.file("awkward_steps.py", STEPS)
    table, case = AWKWARD[kind], CASES[rule]
    made = desk.run(rule, case.inputs(desk, desk.table(table), table), (case.output,), **case.params)[case.output]
    expected = case.expected(table)
    assert made.schema == expected.schema
    if rule == "shuffle":
        assert sorted(made["row"]) == sorted(table["row"])
        made = made.sort("row")
    assert made.equals(expected)
