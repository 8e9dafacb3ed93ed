"""Each row is a prompt of its own: a column as it is, or what a template makes of several."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from dreamsmk.errors import SettingsError, TableError
from tests.unit.tasks.desk import Desk

TABLE = {"title": ["A", "B"], "year": [2017, None], "a b": ["x", "y"]}


def prompt(desk: Desk, table: dict[str, Any] = TABLE, **params: Any) -> pl.DataFrame:
    return desk.run("prompt", {"table": desk.table(table)}, model="teacher", **params)["table"]


def test_a_column_is_put_to_the_model_as_it_is(desk: Desk) -> None:
    table = prompt(desk, inputs="title")
    assert table.columns == ["prompts", "generations"]
    assert table["prompts"].to_list() == ["A", "B"]
    assert [reply.partition(": ")[2] for reply in table["generations"]] == ["A", "B"]


def test_a_template_makes_the_prompt_of_several_columns(desk: Desk) -> None:
    template = " {{ title }}{% if year %} ({{ year }}){% endif %} {{ row['a b'] }}\n"
    table = prompt(desk, template=template, carry=["year", "title"])
    assert table.columns == ["year", "title", "prompts", "generations"]
    assert table["prompts"].to_list() == ["A (2017) x", "B y"]
    assert table["year"].to_list() == [2017, None]


def test_a_template_may_stand_in_a_file_and_is_then_the_same_call(desk: Desk) -> None:
    prompt(desk, template="Say {{ title }}.")
    inputs = {"table": desk.table(TABLE), "template": desk.file("t.txt", "Say {{ title }}.\n")}
    desk.run("prompt", inputs, model="teacher")
    assert desk.sent() == 0
    assert desk.facts["prompts"] == {"template": "Say {{ title }}."}


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"template": "{{ titel }}"}, "did you mean 'title'"),
        ({"template": "{{ title"}, "no Jinja2"),
        ({"template": " "}, "empty"),
        ({}, "not said"),
        ({"inputs": "title", "template": "{{ title }}"}, "said twice"),
        ({"inputs": "titel"}, "did you mean 'title'"),
        ({"template": "{{ year }}"}, "row 1 .from 0"),
        ({"template": "{{ title.author }}"}, "row 0 .from 0"),
        ({"template": "{{ title + 1 }}"}, "cannot be filled in"),
        ({"template": "{{ title.__class__ }}"}, "unsafe"),
        ({"template": "{{ [1, 2] | random }}"}, "no Jinja2"),
        ({"template": "{{ title.upper }}"}, "row 0 .from 0"),
        ({"template": "{{ [title] | map('upper') }}"}, "a generator is no text"),
        ({"template": "{{ range }}"}, "a function is no text"),
        ({"inputs": "title", "carry": ["prompts"]}, "no column 'prompts'"),
    ],
)
def test_what_is_wrong_is_found_before_a_call_is_made(desk: Desk, params: dict[str, Any], said: str) -> None:
    with pytest.raises((SettingsError, TableError), match=said) as caught:
        prompt(desk, **params)
    assert len(str(caught.value).splitlines()) <= 3
    assert desk.sent() == 0


def test_a_missing_column_of_a_template_is_known_before_the_table_is_there(desk: Desk) -> None:
    from dreamsmk.settings import validate_params
    from dreamsmk.smk.meta import load_meta

    meta = load_meta("prompt")
    params = validate_params(meta.params, {"model": "teacher", "template": "{{ titel }}"}, where="prompt")
    columns = meta.load_columns()
    assert columns is not None
    with pytest.raises(TableError, match="'titel'"):
        columns(params, {"table": ["title"]})
    assert columns(params, {"table": None}) == {"table": ["prompts", "generations"]}


def test_what_is_no_text_is_written_out_in_templates(desk: Desk) -> None:
    table = prompt(
        desk, {"t": [{"a": ["<ä>"], "b": 2.0}], "ok": [True]}, template="{{ t.a }} {{ t.b }} {{ ok }} {{ t }}"
    )
    assert table["prompts"].to_list() == ['["<ä>"] 2.0 true {"a": ["<ä>"], "b": 2.0}']


NULLS = {"n": [None, "a"], "s": [{"a": None}, {"a": "b"}], "list": [["x", None], ["y"]]}


@pytest.mark.parametrize(
    "template",
    [
        "{{ n }}",
        "{{ n ~ '!' }}",
        "{{ n | upper }}",
        "{{ n | string }}",
        "{{ '%s' % n }}",
        "{{ '{}'.format(n) }}",
        "{{ s.a | trim }}",
        "{{ row['n'] ~ '' }}",
        "{{ list | join }}",
    ],
)
def test_a_null_is_never_written_out_as_none(desk: Desk, template: str) -> None:
    with pytest.raises(TableError, match="there is a null where a value is needed") as caught:
        prompt(desk, NULLS, template=template)
    assert "row 0 (from 0)" in str(caught.value)


@pytest.mark.parametrize(
    ("template", "made"),
    [
        ("{{ n | default('-') }}", ["-", "a"]),
        ("{{ s.a or '-' }}", ["-", "b"]),
        ("{{ '-' if n is none else n }}", ["-", "a"]),
        ("{{ n == none }} {{ n is defined }}", ["true true", "false true"]),
        ("{{ list | reject('none') | join }}", ["x", "y"]),
        ("{{ list }} {{ s | tojson }}", ['["x", null] {"a": null}', '["y"] {"a": "b"}']),
        ("{% for name in row %}{{ row[name] is none }} {% endfor %}.", ["true false false .", "false false false ."]),
        ("{{ s.a.b | default('-') }}", ["-", "-"]),
    ],
)
def test_a_template_can_tell_what_it_does_with_nulls(desk: Desk, template: str, made: list[str]) -> None:
    assert prompt(desk, NULLS, template=template)["prompts"].to_list() == made


def test_a_column_is_not_taken_for_a_function_of_jinja(desk: Desk) -> None:
    with pytest.raises(TableError, match="is a function of Jinja and a column") as caught:
        prompt(desk, {"range": ["x"]}, template="{{ range }}")
    assert 'row["range"]' in str(caught.value)
    assert prompt(desk, {"range": ["x"]}, template='{{ row["range"] }}')["prompts"].to_list() == ["x"]


def test_what_is_asked_is_a_column_already_and_may_be_kept_all_the_same(desk: Desk) -> None:
    table = prompt(desk, inputs="title", keep=["model", "prompts"])
    assert table.columns == ["prompts", "model", "generations"]


def test_an_empty_table_keeps_its_columns_and_types(desk: Desk) -> None:
    empty = {"title": pl.Series([], dtype=pl.String), "tags": pl.Series([], dtype=pl.List(pl.Int8))}
    table = prompt(desk, empty, template="{{ title }}", carry=["tags"])
    assert dict(table.schema) == {"tags": pl.List(pl.Int8), "prompts": pl.String, "generations": pl.String}


def test_a_rows_call_depends_on_the_row_alone(desk: Desk) -> None:
    first = prompt(desk, {"t": ["a", "b", "c", "a"]}, template="Say {{ t }}.")
    again = prompt(desk, {"t": ["c", "a"]}, template="Say {{ t }}.")
    assert desk.sent() == 0
    assert again["generations"].to_list() == [first["generations"][2], first["generations"][0]]
