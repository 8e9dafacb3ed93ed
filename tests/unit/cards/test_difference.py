import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamsmk.cards import ABSENT, Difference, difference_lines, differences, preimage_differences

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


@given(JSON)
def test_a_value_does_not_differ_from_itself(value):
    assert differences(value, value) == []


@given(JSON, JSON)
def test_two_values_differ_both_ways_in_the_same_leaves(before, after):
    forth, back = differences(before, after), differences(after, before)
    assert [(d.path, d.before, d.after) for d in forth] == [(d.path, d.after, d.before) for d in back]


@pytest.mark.parametrize(("before", "after"), [(True, 1), (False, 0), ("1", 1), (None, ""), ([], {}), ([1, 2], [2, 1])])
def test_values_that_python_or_a_reader_may_take_for_equal_differ(before, after):
    assert differences({"x": before}, {"x": after}) == [Difference(("x",), before, after)]


def test_a_key_that_is_new_has_no_value_before():
    (found,) = differences({"a": 1}, {"a": 1, "b": None})
    assert (found.name, found.before, found.after) == ("b", ABSENT, None)
    assert found.to_json() == {"path": "b", "after": None}


def test_messages_are_compared_one_by_one():
    before = [{"role": "user", "content": "a"}]
    (found,) = differences(before, [{"role": "user", "content": "b"}])
    assert found.name == "0.content"


def test_a_preimage_reads_from_the_task_to_the_inputs():
    before = {
        "task": {"name": "t", "version": "1"},
        "params": {"n": 1},
        "models": {"model": {"model": "gpt-4o"}},
        "inputs": {"table": ["x"], "target": ["a", "b"]},
    }
    after = {
        "task": {"name": "t", "version": "2"},
        "params": {"n": 2},
        "models": {"model": {"model": "gpt-4o-mini"}},
        "inputs": {"table": ["y"], "target": ["a", "c", "d"]},
        "code": {"function": "sha256:1"},
    }
    assert [found.name for found in preimage_differences(before, after)] == [
        "task.version",
        "code.function",
        "params.n",
        "models.model.model",
        "inputs.table",
        "inputs.target[1]",
        "inputs.target[2]",
    ]


def test_a_short_value_takes_one_line():
    assert difference_lines(Difference(("params", "n"), 100, 150)) == ["params.n: 100 -> 150"]
    assert difference_lines(Difference(("x",), ABSENT, "a")) == ["x: (none) -> 'a'"]


def test_a_long_value_that_is_no_text_is_cut_to_the_width():
    (line,) = difference_lines(Difference(("params", "columns"), {"a" * 90: "b"}, None))
    assert len(line) <= 110


def test_an_edited_prompt_shows_the_sentence_that_was_edited():
    before = "You are a careful writer. Write a tweet. Keep it under 280 characters, and use no hashtags."
    lines = difference_lines(Difference(("params", "instruction"), before, before.replace("280", "140")))
    assert lines == [
        "params.instruction:",
        "    You are a careful writer.",
        "    Write a tweet.",
        "  - Keep it under 280 characters, and use no hashtags.",
        "  + Keep it under 140 characters, and use no hashtags.",
    ]


def test_lines_far_from_an_edit_are_left_out():
    lines = [f"line {number}" for number in range(40)]
    edited = [*lines[:2], "another", *lines[3:30], "and another", *lines[31:]]
    shown = difference_lines(Difference(("x",), "\n".join(lines), "\n".join(edited)))
    assert "  …" in shown
    assert len(shown) < 16
    assert sum(line.startswith("  +") for line in shown) == 2
