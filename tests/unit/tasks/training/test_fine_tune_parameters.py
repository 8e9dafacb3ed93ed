from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from dreamsmk.errors import SettingsError
from dreamsmk.hashing import DigestMemo
from dreamsmk.settings import ModelSpec, Settings, validate_params
from dreamsmk.smk.identify import identify
from dreamsmk.smk.meta import load_meta
from dreamsmk.tasks.training.fine_tune import columns
from dreamsmk.tasks.training.fine_tune_parameters import way_of

PAIRS = {"inputs": "question", "outputs": "answer"}


def given(**params):
    return validate_params(load_meta("fine_tune").params, {"model": "student", **params}, where="test")


def test_the_columns_say_how_rows_are_learnt_from():
    assert way_of(given(**PAIRS)) == "pairs"
    assert way_of(given(messages="chat", assistant_turns="last", system_prompt="be kind")) == "messages"
    assert way_of(given(text="text", split=True)) == "text"


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({}, r"no column is given(.|\n)*messages, or text"),
        ({**PAIRS, "messages": "chat"}, "one way, and inputs and messages are given"),
        ({"messages": "chat", "text": "text"}, "messages and text"),
        ({"messages": "chat", "outputs": "answer"}, "messages and outputs"),
        ({"inputs": "question"}, "`inputs` is given alone"),
        ({"outputs": "answer"}, "`outputs` is given alone"),
        ({"text": "text", "instruction": "Do it."}, "`instruction` goes with `inputs`, not with `text`"),
        ({"messages": "chat", "instruction": "Do it."}, "`instruction` goes with `inputs`"),
        ({"text": "text", "system_prompt": "be kind"}, "`system_prompt` goes with `inputs` or `messages`"),
        ({**PAIRS, "assistant_turns": "last"}, "`assistant_turns` goes with `messages`"),
        ({**PAIRS, "split": True}, "`split` goes with `text`"),
        ({"text": "text", "split": True, "truncate": True}, "either split or cut off"),
    ],
)
def test_what_does_not_go_together_is_refused_before_anything_runs(params, said):
    with pytest.raises(SettingsError, match=said):
        columns(given(**params), {"train": None})


def test_the_fingerprints_of_questions_and_answers_are_those_of_before_there_were_other_ways(tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("question,answer\na,b\n")
    # the version in which the other ways came
    meta, memo = replace(load_meta("fine_tune"), version="1"), DigestMemo(tmp_path / "memo.db")
    settings = Settings(models={"student": ModelSpec(provider="transformers", model="org/name")})

    def fingerprint(**params) -> str:
        return identify(
            meta, given(**params), {"train": [table]}, outputs={"model"}, settings=settings, memo=memo
        ).fingerprint

    assert fingerprint(**PAIRS) == "xxh3:98f6b4a329c2af169abdf3ff86808736"
    lora = {"r": 4, "dora": True}
    assert fingerprint(**PAIRS, instruction="x", lora=lora) == "xxh3:b8bed0219fb81692fae26d497d1ce9f9"
    assert fingerprint(**PAIRS, lora=None, epochs=2) == "xxh3:f73dc4bda8ff1bf5a695eb715146bff1"
    others = [
        fingerprint(**PAIRS, packing=True),
        fingerprint(**PAIRS, chat_template="{{ messages }}"),
        fingerprint(**PAIRS, max_output_length=9),
        fingerprint(**PAIRS, lora={"modules_to_save": ["norm"]}),
        fingerprint(messages="question"),
        fingerprint(messages="question", assistant_turns="last"),
        fingerprint(text="question"),
        fingerprint(text="question", split=True),
    ]
    assert len({*others, fingerprint(**PAIRS)}) == 9


def test_a_column_that_the_table_has_not_is_found_before_anything_runs():
    from dreamsmk.errors import TableError
    from dreamsmk.smk.checks import check_columns

    have = pl.DataFrame({"question": [], "answer": [], "chat": []}).columns
    meta = load_meta("fine_tune")
    check_columns(meta, given(**PAIRS), {"train": have}, where="rule r")
    with pytest.raises(TableError, match=r"no column 'chats'(.|\n)*did you mean 'chat'"):
        check_columns(meta, given(messages="chats"), {"train": have}, where="rule r")
