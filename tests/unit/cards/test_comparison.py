from collections.abc import Mapping
from typing import Any

import pytest

from dreamsmk.cards import Edge, Side, Step, Target, Trace, compare, leaf_lines, weakest

SOURCE = {"path": "papers.csv", "digest": "xxh3:papers"}
GPT = {"provider": "openai", "model": "gpt-4o"}


def step(number: int, rule: str, *edges: Edge, **parts: Any) -> Step:
    preimage = {
        "v": 1,
        "task": {"name": "process_with_prompt", "version": "1"},
        "params": parts.get("params", {"instruction": "x"}),
        "models": parts.get("models", {"model": GPT}),
        "inputs": {edge.role: [edge.digest] for edge in edges},
        "outputs": {"table": "table"},
        "code": parts.get("code", {}),
    }
    record = {"fingerprint": f"xxh3:{number}", "rule": rule, "preimage": preimage, "task": preimage["task"]}
    return Step(number, {**record, "positions": parts.get("positions", {})}, edges)


def side(
    source: Mapping[str, Any] = SOURCE, *, content: str = "", rows: str = "", last: str = "short", **parts: Any
) -> Side:
    """Returns the end of a chain of two steps; `parts` are those of the first."""
    tweets = step(1, "tweets", Edge("table", source, None), **parts)
    made = {"path": "results/tweets.parquet", "digest": f"rows-xxh3:{parts}{source}"}
    short = step(2, last, Edge("table", made, tweets.fingerprint))
    targets = (Target("results/short.parquet", "table", short.fingerprint, {}),)
    return Side("results/short.parquet", content, rows, Trace(targets, (tweets, short), ()))


def test_equal_files_are_the_same_whatever_made_them():
    found = compare(side(content="a", params={"n": 1}), side(content="a", params={"n": 2}))
    assert found.level == "same bytes"
    assert found.first.difference.name == "tweets.params.n"


def test_equal_rows_come_next():
    assert compare(side(content="a", rows="r"), side(content="b", rows="r")).level == "same rows"


def test_another_output_of_the_same_recipe_and_sources_has_the_same_inputs():
    found = compare(side(content="a", rows="a"), side(content="b", rows="b"))
    assert (found.level, found.leaves) == ("same inputs", ())


def test_another_source_leaves_the_plan_the_same():
    found = compare(side(), side({"path": "papers.csv", "digest": "xxh3:more"}))
    assert found.level == "same plan"
    assert leaf_lines(found.first) == ["tweets.inputs.table (papers.csv): 'xxh3:papers' -> 'xxh3:more'"]


@pytest.mark.parametrize(
    ("parts", "line"),
    [
        ({"params": {"instruction": "y"}}, "tweets.params.instruction: 'x' -> 'y'"),
        (
            {"models": {"model": {**GPT, "model": "gpt-4o-mini"}}},
            "tweets.models.model.model: 'gpt-4o' -> 'gpt-4o-mini'",
        ),
        ({"code": {"function": "sha256:1"}}, "tweets.code.function: (none) -> 'sha256:1'"),
    ],
)
def test_a_part_of_the_recipe_of_an_ancestor_makes_a_different_plan(parts, line):
    found = compare(side(), side({"path": "p.csv", "digest": "xxh3:more"}, **parts))
    assert found.level == "different plan"
    assert leaf_lines(found.first) == [line], "the source differs too, but it is the plan that decides"


def test_a_function_that_differs_shows_its_source():
    def with_code(digest: str, source: str) -> Side:
        only = step(1, "score", Edge("table", SOURCE, None), code={"function": digest})
        code = {"function": {"parts": {"steps.py:f": digest}, "sources": {"steps.py:f": source}}}
        known = Step(1, {**only.record, "code": code}, only.inputs)
        return Side("t", "", "", Trace((Target("t", "table", known.fingerprint, {}),), (known,), ()))

    found = compare(with_code("sha256:1", "def f(): return 1"), with_code("sha256:2", "def f(): return 2"))
    assert leaf_lines(found.first) == [
        "score.code.function:",
        "  steps.py:f",
        "    - def f(): return 1",
        "    + def f(): return 2",
    ]
    assert found.first.to_json()["diff"] == {"steps.py:f": ["- def f(): return 1", "+ def f(): return 2"]}


def test_what_a_rule_is_called_is_no_difference():
    assert compare(side(last="short"), side(last="brief")).level == "same inputs"


def test_a_source_where_the_other_has_a_step_is_another_plan():
    made = side()
    given = step(2, "short", Edge("table", {"path": "results/tweets.parquet", "digest": "rows-xxh3:x"}, None))
    trace = Trace((Target("results/short.parquet", "table", given.fingerprint, {}),), (given,), ())
    found = compare(made, Side("results/short.parquet", "", "", trace))
    assert found.level == "different plan"
    assert leaf_lines(found.first) == ["short.inputs.table: 'made by tweets' -> 'the source results/tweets.parquet'"]


def test_another_local_model_is_another_input_and_an_alias_is_nothing():
    def tuned(alias: str, digest: str) -> Side:
        edge = Edge(f"model_{alias}", {"path": "models/student", "digest": f"tree-xxh3:{digest}"}, None)
        models = {"model": {"provider": "transformers", "model": f"tree-sha256:{digest}"}}
        only = step(1, "tweets", edge, models=models, positions={"model": alias})
        return Side("t", "", "", Trace((Target("t", "table", only.fingerprint, {}),), (only,), ()))

    assert compare(tuned("student", "a"), tuned("pupil", "a")).level == "same inputs"
    found = compare(tuned("student", "a"), tuned("pupil", "b"))
    assert found.level == "same plan"
    assert found.first.difference.name == "tweets.inputs.model_model"


def test_without_a_record_only_the_contents_are_compared():
    unknown = Side("copy.parquet", "b", "b", None)
    found = compare(side(content="a", rows="a"), unknown)
    assert found.level == "different plan"
    assert "copy.parquet" in found.note
    assert compare(side(content="b"), unknown).level == "same bytes"


def test_a_very_long_chain_is_compared():
    def chain(source: str) -> Side:
        steps = [step(0, "s0", Edge("table", {"path": "x", "digest": source}, None))]
        for number in range(1, 3000):
            made = {"path": f"r{number}", "digest": f"{source}{number}"}
            steps.append(step(number, f"s{number}", Edge("table", made, steps[-1].fingerprint)))
        return Side("t", "", "", Trace((Target("t", "table", steps[-1].fingerprint, {}),), tuple(steps), ()))

    found = compare(chain("a"), chain("b"))
    assert [leaf.difference.name for leaf in found.leaves] == ["s0.inputs.table"]


def test_the_weakest_level_holds_for_all():
    assert weakest(["same bytes", "same plan", "same rows"]) == "same plan"
    assert weakest([]) == "same bytes"
