"""What the plan of a rule asks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dreamsmk.calls import PlannedModel
from dreamsmk.providers import resolve_identity
from dreamsmk.requests import Request
from dreamsmk.settings import validate_params
from dreamsmk.smk.meta import load_meta
from dreamsmk.tasks.context import Context
from tests.unit.tasks.desk import Desk, Notes


def planned(desk: Desk, rule: str, inputs: Mapping[str, Path], /, **params: Any) -> list[list[Request]]:
    """Returns the requests of each pass."""
    meta = load_meta(rule)

    def model(alias: str) -> PlannedModel:
        return PlannedModel(alias, desk.specs[alias], resolve_identity(desk.specs[alias], lambda folder: ""))

    context = Context(
        params=validate_params(meta.params, params, where=rule),
        inputs={role: [path] for role, path in inputs.items()},
        outputs={},
        scratch=desk.folder,
        model=model,
        progress=Notes(),
    )
    plan = meta.load_plan()
    assert plan is not None
    return [list(asked.requests) for asked in plan(context)]


def in_pieces(desk: Desk, rule: str, texts: list[str], /, **params: Any) -> tuple[list[dict[str, Any]], int]:
    """Returns the rows that a rule makes of a table in pieces of one and of the rest, and the calls that it sent.

    The table as a whole is made first, with the same call cache.
    """
    desk.run(rule, {"table": desk.table({"text": texts})}, **params)
    rows, sent = [], 0
    for number, piece in enumerate((texts[:1], texts[1:])):
        made = desk.run(rule, {"table": desk.table({"text": piece}, f"piece{number}.parquet")}, **params)["table"]
        rows += made.to_dicts()
        sent += desk.sent()
    return rows, sent
