"""One call a row, in the order of the rows, each distinct text once."""

from __future__ import annotations

import datetime
from typing import Any

import polars
import pytest

from dreamsmk.errors import ProviderError, SettingsError, TableError
from dreamsmk.settings import ModelSpec
from tests.unit.tasks.desk import Desk

RULE = "process_with_prompt"
ASK: dict[str, Any] = {"model": "teacher", "inputs": "text", "instruction": "Sum up."}


def process(desk: Desk, texts: Any, **params: Any) -> polars.DataFrame:
    return desk.run(RULE, {"table": desk.table({"text": texts})}, **{**ASK, **params})["table"]


def test_each_row_is_put_to_the_model_and_rows_keep_their_order(desk: Desk) -> None:
    table = process(desk, ["b", "a", "c"])
    assert table.columns == ["inputs", "generations"]
    assert table["inputs"].to_list() == ["b", "a", "c"]
    for text, reply in table.iter_rows():
        assert reply.endswith(f": Input: {text}\n\nInstruction: Sum up.")
    assert desk.facts["rows"] == 3


def test_equal_texts_share_one_call(desk: Desk) -> None:
    table = process(desk, ["a", "b", "a"])
    assert desk.sent() == 2
    assert table["generations"][0] == table["generations"][2]


def test_only_new_rows_are_paid_for(desk: Desk) -> None:
    process(desk, ["a", "b"])
    process(desk, ["b", "c", "a"])
    assert desk.sent() == 1


def test_labels_separator_and_system_message_are_part_of_the_call(desk: Desk) -> None:
    layout = {"input_label": None, "instruction_label": "Task:", "separator": " | ", "system_prompt": "Be brief."}
    table = process(desk, ["a"], keep=["prompts"], **layout)
    assert table["prompts"].to_list() == ["a | Task: Sum up."]
    process(desk, ["a"], **{**layout, "system_prompt": None})
    assert desk.sent() == 1


def test_the_instruction_may_stand_in_a_file(desk: Desk) -> None:
    process(desk, ["a"])
    inputs = {"table": desk.table({"text": ["a"]}), "instruction": desk.file("prompt.txt", "Sum up.\n")}
    table = desk.run(RULE, inputs, **{**ASK, "instruction": None})["table"]
    assert table.height == 1
    assert desk.sent() == 0


def test_columns_are_renamed_and_kept(desk: Desk) -> None:
    renamed = {"inputs": "abstract", "generations": "tweet"}
    table = process(desk, ["a"], keep=["finish_reason"], columns=renamed)
    assert table.columns == ["abstract", "finish_reason", "tweet"]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"text": "x"}, "no column 'text' to rename"),
        ({"input": "x"}, "did you mean 'inputs'"),
        ({"inputs": "generations"}, "two columns would be called"),
    ],
)
def test_a_wrong_new_name_is_found_before_a_call_is_made(desk: Desk, columns: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        process(desk, ["a"], columns=columns)
    assert desk.sent() == 0


def test_empty_cells_are_named_by_their_rows_before_a_call_is_made(desk: Desk) -> None:
    with pytest.raises(TableError, match="2 empty cells") as caught:
        process(desk, ["a", None, "b", None])
    assert "row 1, 3 (from 0)" in caught.value.where
    assert len(str(caught.value).splitlines()) <= 3
    assert desk.sent() == 0


def test_an_empty_text_is_a_text(desk: Desk) -> None:
    assert process(desk, ["", "a"])["inputs"].to_list() == ["", "a"]


@pytest.mark.parametrize(
    ("values", "written"),
    [
        ([1, 20], ["1", "20"]),
        ([0.5, 2.0], ["0.5", "2.0"]),
        ([True, False], ["true", "false"]),
        ([datetime.date(2024, 2, 19)], ["2024-02-19"]),
        (polars.Series(["a", "b"], dtype=polars.Categorical), ["a", "b"]),
    ],
)
def test_what_is_no_text_is_written_out(desk: Desk, values: Any, written: list[str]) -> None:
    assert process(desk, values)["inputs"].to_list() == written


@pytest.mark.parametrize("values", [[["a"], ["b"]], [{"a": 1}], [b"a"], [datetime.timedelta(1)]])
def test_what_cannot_be_written_out_is_an_error(desk: Desk, values: Any) -> None:
    with pytest.raises(TableError, match="'text' is of type"):
        process(desk, values)


def test_a_column_that_is_not_there_is_an_error_with_the_nearest(desk: Desk) -> None:
    with pytest.raises(TableError, match="did you mean 'text'"):
        process(desk, ["a"], inputs="texts")


@pytest.mark.parametrize("kept", [[], ["prompts", "model"]])
def test_an_empty_table_keeps_its_columns_and_calls_nobody(desk: Desk, kept: list[str]) -> None:
    table = process(desk, polars.Series([], dtype=polars.String), keep=kept)
    assert table.height == 0
    assert table.schema == dict.fromkeys(["inputs", *kept, "generations"], polars.String)
    assert desk.sent() == 0


def test_a_reply_is_written_as_it_came_an_empty_one_too(desk: Desk) -> None:
    desk.specs["teacher"] = ModelSpec(provider="echo", model="echo", options={"replies": ["", "  ä\n", "\x00"]})
    table = process(desk, [str(row) for row in range(40)])
    assert set(table["generations"].to_list()) == {"", "  ä\n", "\x00"}


def test_where_one_row_is_refused_the_others_are_answered_and_kept(desk: Desk) -> None:
    desk.specs["teacher"] = ModelSpec(provider="echo", model="echo", options={"fail_on": "poison"})
    with pytest.raises(ProviderError, match="1 of 3"):
        process(desk, ["a", "poison", "b"])
    assert not (desk.folder / "made_table.parquet").exists()
    process(desk, ["a", "b"])
    assert desk.sent() == 0


def test_more_rows_than_one_batch_of_the_writer_stay_in_order(desk: Desk) -> None:
    texts = [str(row % 7) for row in range(9000)]
    table = process(desk, texts)
    assert table["inputs"].to_list() == texts
    assert all(reply.endswith(f"Input: {text}\n\nInstruction: Sum up.") for text, reply in table.iter_rows())
    assert desk.sent() == 7
