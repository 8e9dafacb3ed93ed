"""What `reward_model` trains on, as digests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from dreamsmk.hashing import digest_rows
from dreamsmk.settings import validate_params
from dreamsmk.smk.meta import load_meta
from dreamsmk.tasks.training.reward_model import RewardModelParameters, encode_table
from dreamsmk.tasks.training.rows.prompts import RewardEncoder
from tests.tiny import make_tiny_model
from tests.unit.tasks.desk import Desk

ROWS = {
    "question": ["the of", "Wer? 日本", ""],
    "good": ["to be", "all of her", "x"],
    "bad": ["not", "who", "y z"],
    "margin": [1, 0, 2],
    "score": [0.5, -1.0, 2.0],
}
PAIRS = {"prompts": "question", "chosen": "good", "rejected": "bad"}
SCORES = {"prompts": "question", "completions": "good", "scores": "score"}


def parameters(**given: Any) -> RewardModelParameters:
    """The parameters of a training, with the defaults of the rule."""
    params = {"model": "student", **given}
    return RewardModelParameters.from_json(validate_params(load_meta("reward_model").params, params, where="golden"))


def _reward_model(desk: Desk) -> Iterator[tuple[str, str]]:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(make_tiny_model(desk.folder / "tiny"))
    table, chat = desk.table(ROWS), RewardEncoder(tokenizer, system_prompt="be kind")
    yield _digest(desk, "pairs", table, RewardEncoder(tokenizer), parameters(**PAIRS))
    more = {"margin": "margin", "instruction": "Answer.", "truncate": True}
    yield _digest(desk, "pairs, all", table, chat, parameters(**PAIRS, **more), 72)
    yield _digest(desk, "scores", table, RewardEncoder(tokenizer, is_chat=False), parameters(**SCORES))


CASES: dict[str, Callable[[Desk], Iterator[tuple[str, str]]]] = {"reward_model": _reward_model}


def _digest(
    desk: Desk, name: str, table: Path, encoder: RewardEncoder, params: RewardModelParameters, limit: int = 512
) -> tuple[str, str]:
    made = desk.folder / "made.parquet"
    frame: pl.DataFrame = encode_table(table, encoder, params, limit)
    frame.write_parquet(made)
    return name, digest_rows(made)
