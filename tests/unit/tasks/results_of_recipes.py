"""What the rules for published methods make of a small fixed input, as digests; see `results.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from dreamsmk.hashing import digest_rows
from dreamsmk.settings import ModelSpec
from tests.unit.tasks.desk import Desk

TEXTS = {"text": ["Name a river.", "Write a poem.", "Name a river.", "Zähl bis drei: 日本"], "number": [1, 2, 3, 4]}
SAMPLING = {"temperature": 0.5, "top_p": 0.9, "max_tokens": 30, "seed": 7}
KEPT = {"keep": ["prompts", "model", "finish_reason", "generations"], "system_prompt": "You are brief.", **SAMPLING}
EVOLVED = ["Name two rivers.", "Sorry, no.", "Write a poem of four lines on a harbour at night."]
LISTED = [
    "5. Name the bakery by the sea.\n6. Draw a cat.\n7. List uses of newspapers.",
    "1. Tell a riddle about time.\n2. Sort these words: fig, pear.\n3. Name a river!",
    "Explain thunder to a child.\n6. Say hello in Zulu, then in Welsh.",
]
SCORERS = "def score(prompt, reply):\n    return int(reply.split()[1][:4], 16)\n"


def _evolve(desk: Desk) -> Iterator[tuple[str, str]]:
    table = {"table": desk.table(TEXTS)}
    given: dict[str, Any] = {"model": "teacher", "inputs": "text"}
    yield _rows(desk, "plain", "evolve", table, **given)
    desk.specs["teacher"] = _replying(EVOLVED)
    desk.specs["student"] = _replying(["same", "different", "different"])
    methods = {"rhyme": "Ask for rhymes."}
    more = {"rounds": 3, "methods": methods, "judge": "student", "draw_seed": 2, "carry": ["number"], **KEPT}
    yield _rows(desk, "all", "evolve", table, **given, **more)


def _self_instruct(desk: Desk) -> Iterator[tuple[str, str]]:
    desk.specs["teacher"] = _replying(LISTED)
    table = {"table": desk.table(TEXTS)}
    given: dict[str, Any] = {"model": "teacher", "inputs": "text", "n": 4}
    yield _rows(desk, "plain", "self_instruct", table, **given)
    sizes = {"per_call": 3, "calls_per_round": 2, "shown": 3, "shown_seeds": 2, "max_rounds": 3, "similarity": 0.5}
    yield _rows(desk, "all", "self_instruct", table, **given, **sizes, at_least=0, draw_seed=3, **KEPT)


def _best_of_n(desk: Desk) -> Iterator[tuple[str, str]]:
    table = {"table": desk.table(TEXTS)}
    given: dict[str, Any] = {"model": "teacher", "inputs": "text", "n": 3}
    yield _rows(desk, "longest", "best_of_n", table, **given, length="longest", instruction="Do it.")
    yield _rows(desk, "pattern", "best_of_n", table, **given, pattern="Echo [0-9]", all=True)
    desk.file("golden_scorers.py", SCORERS)
    yield _rows(desk, "function", "best_of_n", table, **given, function="golden_scorers.py:score", all=True)
    desk.specs["student"] = _replying(['{"rating": 1}', '```\n{"rating": 4}\n```', '{"rating": 3}'])
    judge = {"model": "student", "rubric": "It is true.", "temperature": 0}
    yield _rows(desk, "judge", "best_of_n", table, **given, judge=judge, all=True, carry=["number"], **KEPT)


def _consistency(desk: Desk) -> Iterator[tuple[str, str]]:
    desk.specs["teacher"] = _replying(["It is 42.", "It is 13.", "So it is 42.", "Who knows?"])
    table = {"table": desk.table(TEXTS)}
    given: dict[str, Any] = {"model": "teacher", "inputs": "text", "n": 4}
    yield _rows(desk, "last line", "consistency", table, **given)
    more = {"pattern": r"(\d+)", "all": True, "instruction": "Solve it.", "carry": ["number"], **KEPT}
    yield _rows(desk, "pattern", "consistency", table, **given, **more, max_failures=4)
    desk.specs["teacher"] = ModelSpec(provider="echo", model="echo")
    schema = {"type": "object", "required": ["kind"], "properties": {"kind": {"enum": ["a", "b", "B"]}}}
    yield _rows(desk, "field", "consistency", table, **given, schema=schema, field="kind", ignore_case=True, all=True)


RECIPES: dict[str, Callable[[Desk], Iterator[tuple[str, str]]]] = {
    "best_of_n": _best_of_n,
    "consistency": _consistency,
    "evolve": _evolve,
    "self_instruct": _self_instruct,
}


def _replying(replies: list[str]) -> ModelSpec:
    return ModelSpec(provider="echo", model="echo", options={"replies": replies})


def _rows(desk: Desk, name: str, rule: str, inputs: dict[str, Path], /, **params: Any) -> tuple[str, str]:
    desk.run(rule, inputs, **params)
    return name, digest_rows(desk.folder / "made_table.parquet")
