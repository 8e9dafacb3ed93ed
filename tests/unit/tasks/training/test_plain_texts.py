from __future__ import annotations

import polars as pl
import pytest

from dreamsmk.errors import TableError, TrainingError
from dreamsmk.tasks.training.rows.plain_texts import encode_texts

LONG = "the of and " * 40


@pytest.fixture(scope="module")
def tokenizer(tiny_model):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_model)


@pytest.fixture
def encode(tmp_path, tokenizer):
    def of(texts, **given) -> pl.DataFrame:
        pl.DataFrame({"text": texts}).write_parquet(tmp_path / "t.parquet")
        limits = {"max_length": 64, "truncate": False, "split": False, **given}
        return encode_texts(tmp_path / "t.parquet", "text", tokenizer, **limits)

    return of


def test_every_token_is_learnt_and_the_end_of_the_text_too(encode, tokenizer):
    frame = encode(["the question", "an answer"])
    assert frame["labels"].to_list() == frame["input_ids"].to_list()
    assert tokenizer.batch_decode(frame["input_ids"].to_list()) == ["the question<|im_end|>", "an answer<|im_end|>"]


def test_a_tokenizer_that_ends_texts_itself_ends_them_once(tmp_path):
    from tests.tiny import make_tiny_t5

    pl.DataFrame({"text": ["the of and"]}).write_parquet(tmp_path / "t.parquet")
    from transformers import AutoTokenizer

    ends = AutoTokenizer.from_pretrained(make_tiny_t5(tmp_path / "t5"))
    limits = {"max_length": 64, "truncate": False, "split": False}
    ids = encode_texts(tmp_path / "t.parquet", "text", ends, **limits)["input_ids"][0].to_list()
    assert ids.count(ends.eos_token_id) == 1
    assert ids[-1] == ends.eos_token_id


def test_long_texts_are_named_cut_or_split(encode):
    with pytest.raises(TrainingError, match=r"more than 64 tokens(.|\n)*row 1 "):
        encode(["a", LONG])
    cut = encode(["a", LONG], truncate=True)["input_ids"].to_list()
    assert [len(ids) for ids in cut][1:] == [64]
    whole = encode([LONG], max_length=512)["input_ids"][0].to_list()
    pieces = encode(["a", LONG], split=True)["input_ids"].to_list()[1:]
    assert [i for piece in pieces for i in piece] == whole
    assert {len(piece) for piece in pieces[:-1]} == {64}


def test_a_last_piece_of_one_token_is_left_out(encode):
    whole = encode([LONG], max_length=512)["input_ids"][0].to_list()
    pieces = encode([LONG], max_length=len(whole) - 1, split=True)["input_ids"].to_list()
    assert pieces == [whole[:-1]]


def test_empty_texts_are_named_and_so_are_cells_without_one(encode, tmp_path):
    with pytest.raises(TrainingError, match=r"2 texts are empty(.|\n)*rows 1, 3 "):
        encode(["a", "", "b", ""], split=True)
    with pytest.raises(TableError, match="row 1"):
        encode(["a", None])
    with pytest.raises(TableError, match="no rows"):
        encode(pl.Series([], dtype=pl.String))
