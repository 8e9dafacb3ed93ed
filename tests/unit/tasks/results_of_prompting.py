"""What the rules that prompt and judge row by row make of a small fixed input, as digests; see `results.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from dreamsmk.hashing import digest_rows
from dreamsmk.settings import ModelSpec
from tests.unit.tasks.desk import Desk

TEXTS = {
    "abstract": ["We show a thing.", "", "We show a thing.", "Zwei\nZeilen, 日本"],
    "tweet": ["A thing!", "Nothing.", "A thing!", "Zwei! 🦜"],
    "number": [1, 2, 3, None],
}
EXAMPLES = {"in": ["one", "a very long example " * 4, "drei"], "out": ["1", "2", "3"]}
SAMPLING = {"temperature": 0.5, "top_p": 0.9, "max_tokens": 30, "seed": 7}
KEPT = {"keep": ["model", "finish_reason"], "system_prompt": "You are brief.", **SAMPLING}
LABELS = {"input_label": "Text:", "instruction_label": None, "separator": "\n"}
TEMPLATE = "{{ tweet }}{% if number %} ({{ number }}){% endif %}: {{ row['abstract'] | tojson }}"
FIELDS = {"type": "object", "properties": {"name": {"type": "string"}, "year": {"type": ["integer", "null"]}}}
ASKED = {"model": "teacher", "inputs": "tweet", "instruction": "Is it so?"}
PAIR = {"model": "teacher", "a": "abstract", "b": "tweet"}


def _prompt(desk: Desk) -> Iterator[tuple[str, str]]:
    table = {"table": desk.table(TEXTS)}
    yield _rows(desk, "plain", "prompt", table, model="teacher", inputs="abstract")
    yield _rows(desk, "all", "prompt", table, model="teacher", template=TEMPLATE, carry=["number"], **KEPT)
    yield _rows(desk, "schema", "prompt", table, model="teacher", inputs="abstract", schema=FIELDS)


def _chat(desk: Desk) -> Iterator[tuple[str, str]]:
    talk = [{"role": "user", "content": "Hello?"}, {"role": "assistant", "content": "Hi."}]
    table = {"table": desk.table({**TEXTS, "talk": [talk, talk[:1], talk, talk]})}
    yield _rows(desk, "turns", "chat", table, model="teacher", turns=["{{ tweet }}", "{{ reply }} Why?"])
    yield _rows(desk, "messages", "chat", table, model="teacher", messages="abstract", carry=["number"], **KEPT)
    yield _rows(desk, "both", "chat", table, model="teacher", messages="talk", turns=["{{ tweet }}"])


def _few_shot_prompt(desk: Desk) -> Iterator[tuple[str, str]]:
    inputs = {"table": desk.table(TEXTS), "examples": desk.table(EXAMPLES, "examples.parquet")}
    given = {"model": "teacher", "inputs": "tweet", "input_examples": "in", "output_examples": "out"}
    yield _rows(desk, "plain", "few_shot_prompt", inputs, **given)
    more = {"instruction": "Count.", "output_label": None, "context_length": 70, "max_examples": 2, **KEPT}
    yield _rows(desk, "all", "few_shot_prompt", inputs, **given, **more)


def _data_from_attributed_prompt(desk: Desk) -> Iterator[tuple[str, str]]:
    given: dict[str, Any] = {"model": "teacher", "attributes": {"a": ["x", "y"], "b": [1, 2.5, 3]}}
    rule = "data_from_attributed_prompt"
    yield _rows(desk, "plain", rule, {}, **given, instruction="{a} and {{{b}}}", n=8)
    yield _rows(desk, "all", rule, {}, **given, template="{{ a }} and {{ b }}", **KEPT)


def _filter_with_prompt(desk: Desk) -> Iterator[tuple[str, str]]:
    table = {"table": desk.table(TEXTS)}
    yield _rows(desk, "structured", "filter_with_prompt", table, **ASKED, structured=True)
    desk.specs["teacher"] = _replying(["Yes.", "no", "Yes, no doubt", "hm"])
    yield _rows(desk, "words", "filter_with_prompt", table, **ASKED, unread="keep", **LABELS, **KEPT)


def _rank_with_prompt(desk: Desk) -> Iterator[tuple[str, str]]:
    table = {"table": desk.table(TEXTS)}
    yield _rows(desk, "structured", "rank_with_prompt", table, **ASKED, structured=True, minimum=1, maximum=9)
    desk.specs["teacher"] = _replying(["4/5", "Score: 2", "3 or 4", "3.5"])
    yield _rows(desk, "words", "rank_with_prompt", table, **ASKED, descending=False, **LABELS, **KEPT)
    yield _rows(desk, "threshold", "rank_with_prompt", table, **ASKED, threshold=3, sort=False)


def _judge_pairs(desk: Desk) -> Iterator[tuple[str, str]]:
    table, rule = {"table": desk.table(TEXTS)}, "judge_pairs_with_prompt"
    yield _rows(desk, "structured", rule, table, **PAIR, structured=True)
    desk.specs["teacher"] = _replying(["Input A", "B", "It is a tie.", "hm"])
    yield _rows(desk, "words", rule, table, **PAIR, order_seed=3, instruction="Which?", **KEPT)
    yield _rows(desk, "both orders", rule, table, **PAIR, both_orders=True, repairs=0, separator="\n", **KEPT)


def _judge_generation_pairs(desk: Desk) -> Iterator[tuple[str, str]]:
    table, rule = {"table": desk.table(TEXTS)}, "judge_generation_pairs_with_prompt"
    desk.specs["teacher"] = _replying(["Response A", "Response B is better.", "Tie"])
    yield _rows(desk, "plain", rule, table, **PAIR, prompts="tweet")
    yield _rows(desk, "all", rule, table, **PAIR, prompts="tweet", randomize_order=False, prompt_label=None, **KEPT)


def _rate(desk: Desk) -> Iterator[tuple[str, str]]:
    table = {"table": desk.table(TEXTS)}
    yield _rows(desk, "plain", "rate", table, model="teacher", inputs="tweet")
    more = {"rubric": "1: bad.", "scale": [0, 10], "explanation": True, "samples": 3, **LABELS, **KEPT}
    yield _rows(desk, "all", "rate", table, model="teacher", template=TEMPLATE, **more)


def _classify(desk: Desk) -> Iterator[tuple[str, str]]:
    table, labels = {"table": desk.table(TEXTS)}, {"a": "first", "b": "second", "c": "third"}
    yield _rows(desk, "plain", "classify", table, model="teacher", inputs="tweet", labels=list(labels))
    more = {**ASKED, "multi_label": True, **LABELS, **KEPT}
    yield _rows(desk, "all", "classify", table, labels=labels, **more)


def _extract(desk: Desk) -> Iterator[tuple[str, str]]:
    table = {"table": desk.table(TEXTS)}
    yield _rows(desk, "plain", "extract", table, model="teacher", inputs="tweet", schema=FIELDS)
    yield _rows(desk, "all", "extract", table, **ASKED, schema=FIELDS, **LABELS, **KEPT)


PROMPTING: dict[str, Callable[[Desk], Iterator[tuple[str, str]]]] = {
    "chat": _chat,
    "classify": _classify,
    "data_from_attributed_prompt": _data_from_attributed_prompt,
    "extract": _extract,
    "few_shot_prompt": _few_shot_prompt,
    "filter_with_prompt": _filter_with_prompt,
    "judge_generation_pairs_with_prompt": _judge_generation_pairs,
    "judge_pairs_with_prompt": _judge_pairs,
    "prompt": _prompt,
    "rank_with_prompt": _rank_with_prompt,
    "rate": _rate,
}


def _replying(replies: list[str]) -> ModelSpec:
    return ModelSpec(provider="echo", model="teacher", options={"replies": replies})


def _rows(desk: Desk, name: str, rule: str, inputs: dict[str, Path], /, **params: Any) -> tuple[str, str]:
    desk.run(rule, inputs, **params)
    return name, digest_rows(desk.folder / "made_table.parquet")
