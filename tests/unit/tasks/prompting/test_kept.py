"""What of a call becomes a column beside its text."""

from __future__ import annotations

import polars as pl
import pytest

from dreamsmk.errors import SettingsError
from tests.unit.tasks.desk import Desk
from tests.wire import WireServer

KEPT = ["prompts", "model", "finish_reason", "reasoning", "usage", "logprobs"]
LIKELY = {"token": pl.String(), "logprob": pl.Float64()}


def test_everything_that_can_be_kept_has_its_type_and_its_place(desk: Desk, wire: WireServer) -> None:
    wire.reply("one", "a b")
    wire.tell("one", reasoning="Let me see.")
    table = desk.run(
        "process_with_prompt",
        {"table": desk.table({"text": ["one"]})},
        model="teacher",
        inputs="text",
        instruction="Say.",
        keep=list(reversed(KEPT)),
        logprobs=1,
    )["table"]
    assert table.columns == ["inputs", *KEPT, "generations"]
    assert table.schema["logprobs"] == pl.List(pl.Struct({**LIKELY, "top": pl.List(pl.Struct(LIKELY))}))
    row = table.row(0, named=True)
    assert row["reasoning"] == "Let me see."
    assert row["usage"]["output_tokens"] == 2
    assert set(row["usage"]) == {"input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens"}
    first, second = row["logprobs"]
    assert (first["token"], second["token"]) == ("a", " b")
    assert first["top"] == [{"token": "a", "logprob": -0.5}]
    assert wire.last.body["top_logprobs"] == 1


def test_log_probabilities_are_kept_only_where_they_are_asked_for(desk: Desk, wire: WireServer) -> None:
    with pytest.raises(SettingsError, match="no log probabilities are asked for"):
        desk.run("data_from_prompt", {}, model="teacher", n=1, instruction="Say.", keep=["logprobs"])
    table = desk.run("data_from_prompt", {}, model="teacher", n=1, instruction="Say.", keep=["logprobs"], logprobs=0)
    assert table["table"]["logprobs"][0][0]["top"] == []


def test_what_a_model_does_not_tell_is_null(desk: Desk) -> None:
    table = desk.run("data_from_prompt", {}, model="teacher", n=1, instruction="Say.", keep=["reasoning"])["table"]
    assert table["reasoning"].to_list() == [None]
