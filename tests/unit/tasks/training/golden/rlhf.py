"""What `rlhf` asks a model with, and what a reward model reads of its completions, as digests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import polars as pl

from dreamsmk.hashing import digest_rows
from dreamsmk.settings import validate_params
from dreamsmk.smk.meta import load_meta
from dreamsmk.tasks.training.rewards.sources import Prompts
from dreamsmk.tasks.training.rlhf import RlhfParameters
from dreamsmk.tasks.training.rows.examples import Encoder
from dreamsmk.tasks.training.rows.prompts import RewardEncoder
from tests.tiny import make_tiny_model
from tests.unit.tasks.desk import Desk

ROWS = {"question": ["the of", "Wer? 日本", "to be"], "weight": [1, 2, 3]}
COMPLETIONS = ["all of her", "", "x y"]


def parameters(**given: Any) -> RlhfParameters:
    """The parameters of a training, with the defaults of the rule."""
    params = {"model": "student", "prompts": "question", "reward_function": "rewards.py:short", **given}
    return RlhfParameters.from_json(validate_params(load_meta("rlhf").params, params, where="golden"))


def _rlhf(desk: Desk) -> Iterator[tuple[str, str]]:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(make_tiny_model(desk.folder / "tiny"))
    table = desk.table(ROWS)
    for name, is_chat, given in (("chat", True, {"system_prompt": "be kind"}), ("plain", False, {})):
        prompts = Prompts.read(table, parameters(instruction="Answer.", **given))
        asked = Encoder(tokenizer, is_chat=is_chat, **given).prompts(prompts.texts)
        yield _digest(desk, f"asked, {name}", asked)
        read = RewardEncoder(tokenizer, is_chat=is_chat, **given).encode(prompts.texts, COMPLETIONS)
        yield _digest(desk, f"read by a reward model, {name}", [ids for ids, _ in read])


CASES: dict[str, Callable[[Desk], Iterator[tuple[str, str]]]] = {"rlhf": _rlhf}


def _digest(desk: Desk, name: str, ids: Sequence[Sequence[int]]) -> tuple[str, str]:
    made = desk.folder / "made.parquet"
    pl.DataFrame({"ids": ids}, schema={"ids": pl.List(pl.Int64)}).write_parquet(made)
    return name, digest_rows(made)
