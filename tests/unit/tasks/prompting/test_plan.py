"""The plan of a prompting task yields the very requests that the task then sends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dreamsmk.calls import CachedModel, PlannedModel, SqliteCallCache
from dreamsmk.requests import ModelIdentity, Request
from dreamsmk.settings import ModelSpec, validate_params
from dreamsmk.smk import load_meta
from dreamsmk.tables import read_table
from dreamsmk.tasks import Context

SPEC = ModelSpec(provider="echo", model="echo")
IDENTITY = ModelIdentity("echo", "echo")
TEXTS = "text\none\ntwo\none\n"


class Silent:
    def update(self, done: int, total: int | None = None, **facts: Any) -> None: ...

    def note(self, text: str) -> None: ...


class Remembering(CachedModel):
    """A real model that keeps what it was asked."""

    asked: list[Request]

    def outcomes(self, requests: Iterable[Request], **given: Any) -> Iterator[Any]:
        kept = list(requests)
        self.asked = [*getattr(self, "asked", []), *kept]
        return super().outcomes(kept, **given)


TASKS = {
    "data_from_prompt": {"model": "teacher", "n": 3, "instruction": "Say something."},
    "process_with_prompt": {"model": "teacher", "inputs": "text", "instruction": "Repeat it.", "temperature": 0.5},
    "generate_sample": {"models": {"before": "teacher", "after": "teacher"}, "inputs": "text", "n": 2},
}
SCHEMA = {"type": "object", "properties": {"title": {"type": "string"}}}
ADDED = {"schema": SCHEMA, "repairs": 0, "max_failures": 3, "fail_on": ["empty"]}


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("more", [{}, ADDED], ids=["plain", "with a schema"])
def test_the_plan_is_what_is_asked(name: str, more: dict[str, Any], tmp_path: Path) -> None:
    meta = load_meta(name)
    (tmp_path / "in.csv").write_text(TEXTS)
    with SqliteCallCache(tmp_path / "calls.db") as cache:
        model = Remembering("teacher", SPEC, IDENTITY, cache)
        planned = PlannedModel("teacher", SPEC, IDENTITY)

        def context(chosen: Any) -> Context:
            return Context(
                params=validate_params(meta.params, {**TASKS[name], **more}, where=name),
                inputs={"table": [tmp_path / "in.csv"]} if meta.inputs.get("table") else {},
                outputs={"table": tmp_path / "out.parquet"},
                scratch=tmp_path,
                model=lambda alias: chosen,
                progress=Silent(),
            )

        plan = meta.load_plan()
        assert plan is not None
        requests = [request for asked in plan(context(planned)) for request in asked.requests]
        meta.load_task()(context(model))
        model.close()
    assert requests == model.asked
    rows = meta.load_rows()
    assert rows is not None
    assert rows(context(planned).params, {"table": 3}) == {"table": read_table(tmp_path / "out.parquet").height}


def test_a_planned_model_is_never_asked() -> None:
    with pytest.raises(RuntimeError, match="teacher"):
        PlannedModel("teacher", SPEC, IDENTITY).answer([])


def test_rows_that_are_not_known_stay_unknown() -> None:
    for name in ("process_with_prompt", "generate_sample"):
        rows = load_meta(name).load_rows()
        assert rows is not None
        assert rows({"n": 3}, {"table": None}) == {"table": None}


def test_split_carries_rows_forward() -> None:
    rows = load_meta("split").load_rows()
    assert rows is not None
    params = {"train": 0.9, "validation": 0.1, "test": None}
    assert rows(params, {"table": 20}) == {"train": 18, "validation": 2}
    assert rows(params, {"table": None}) == {"train": None, "validation": None}
