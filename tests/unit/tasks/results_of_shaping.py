"""What the rules that shape tables make of small fixed tables; see `results`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from dreamsmk.hashing import digest_rows
from tests.unit.tasks.desk import Desk

Inputs = dict[str, Path | list[Path]]

ROWS = {
    "id": list(range(12)),
    "label": ["b", "a", None, "b", "a", "c", "b", "a", "b", None, "a", "b"],
    "score": [0.5, 2.0, None, 1.5, -1.0, 0.5, float("nan"), 3.25, 0.5, 7.0, -0.0, 0.0],
    "text": [
        "The river is widest at its mouth.",
        "the river: is widest -- at its mouth",
        "The river is widest at its old mouth.",
        None,
        "",
        "Nothing of it.",
        "Nothing of it.",
        "日本",
        "The river is deepest at its mouth, they say.",
        "Nothing of this.",
        "A mouth, a river.",
        "",
    ],
    "list": [[1], [], None, [1, 2], [None], [3], [3], [1], [2], [2, 1], [0], [1]],
}
OTHER = {"label": ["a", "c", "d", None, "a"], "score": [1.0, 2.0, 3.0, 4.0, 5.0], "n": [1, 2, 3, 4, 5]}


def _one(rule: str, **cases: dict[str, Any]) -> Callable[[Desk], Iterator[tuple[str, str]]]:
    """Returns the case of a rule that takes one table."""
    return _case(rule, lambda desk: {"table": desk.table(ROWS)}, **cases)


def _case(
    rule: str, inputs: Callable[[Desk], Inputs], **cases: dict[str, Any]
) -> Callable[[Desk], Iterator[tuple[str, str]]]:
    def results(desk: Desk) -> Iterator[tuple[str, str]]:
        given = inputs(desk)
        for name, params in cases.items():
            desk.run(rule, given, **params)
            yield name, digest_rows(desk.folder / "made_table.parquet")

    return results


def _two(desk: Desk) -> Inputs:
    return {"table": [desk.table(ROWS), desk.table({**ROWS, "id": range(12, 24)}, "more.parquet")]}


def _other(desk: Desk) -> Inputs:
    return {"table": desk.table(ROWS), "other": desk.table(OTHER, "other.parquet")}


def _beside(desk: Desk) -> Inputs:
    return {"table": [desk.table(ROWS), desk.table({"n": range(12)}, "beside.parquet")]}


def _evaluation(desk: Desk) -> Inputs:
    questions = desk.table({"text": ["Is the river widest at its mouth?", "short"]}, "questions.parquet")
    return {"table": desk.table(ROWS), "evaluation": questions}


NEAR = {"column": "text", "size": 1, "threshold": 0.6}
TOTALS = "SELECT label, count(*) AS n, max(score) AS top FROM self GROUP BY label ORDER BY n DESC"

SHAPING: dict[str, Callable[[Desk], Iterator[tuple[str, str]]]] = {
    "concat": _case("concat", _two, plain={}, widened={"types": "widen", "missing": "null"}),
    "decontaminate": _case(
        "decontaminate",
        _evaluation,
        dropped={"columns": ["text"], "n": 4},
        marked={"columns": ["text"], "n": 4, "mark": "in"},
    ),
    "deduplicate": _one(
        "deduplicate",
        all={},
        named={"columns": ["label", "list"]},
        marked={"columns": ["text"], "mark": "of"},
        near={"near": NEAR, "mark": "of"},
        characters={"near": {**NEAR, "shingle": "characters", "size": 3, "seed": 5}, "mark": "of"},
    ),
    "filter": _one("filter", plain={"where": "score > 0 AND label IN ('a', 'b') OR text IS NULL"}),
    "gather": _case("gather", _two, plain={}),
    "join": _case("join", _other, **{how: {"on": ["label"], "how": how} for how in ("inner", "left", "right", "full")}),
    "rename": _one("rename", plain={"columns": {"id": "number", "label": "id"}}),
    "sample": _one("sample", count={"n": 5, "seed": 3}, share={"fraction": 0.25, "seed": -1}),
    "select": _one("select", kept={"columns": ["text", "id"]}, excluded={"exclude": ["list"]}),
    "shard": _one("shard", first={"shard": "1-of-5"}, last={"shard": "5-of-5"}),
    "shuffle": _one("shuffle", plain={"seed": 3}, large={"seed": 2**53 - 1}),
    "skip": _one("skip", plain={"n": 5}),
    "sort": _one(
        "sort",
        up={"by": ["label", "score"]},
        down={"by": ["label", "text"], "descending": [True, False], "nulls": "first"},
        nested={"by": ["list"]},
    ),
    "sql": _one(
        "sql",
        rows={"query": "SELECT id * 2 AS twice FROM self WHERE id > 3"},
        groups={"query": TOTALS},
        inside={"query": f"SELECT array_agg(label) AS labels FROM ({TOTALS}) AS totals"},
    ),
    "take": _one("take", plain={"n": 5}),
    "zip": _case("zip", _beside, plain={}),
}
