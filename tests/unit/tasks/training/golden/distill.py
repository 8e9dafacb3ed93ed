"""What `distill` trains on, as digests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from dreamsmk.hashing import digest_rows
from dreamsmk.settings import validate_params
from dreamsmk.smk.meta import load_meta
from dreamsmk.tasks.training.distill import DistillParameters, encode_table
from dreamsmk.tasks.training.rows.examples import Encoder
from tests.tiny import make_tiny_model
from tests.unit.tasks.desk import Desk
from tests.unit.tasks.training.golden.fine_tune import LABELS, TABLE

GIVEN: dict[str, dict[str, Any]] = {
    "on-policy": {},
    "off-policy": {"outputs": "tweet", "on_policy": 0},
    "all": {"outputs": "tweet", "instruction": "Write a tweet.", **LABELS},
}


def _distill(desk: Desk) -> Iterator[tuple[str, str]]:
    from transformers import AutoTokenizer

    # without merges, which another version of the library may learn otherwise
    tokenizer = AutoTokenizer.from_pretrained(make_tiny_model(desk.folder / "model", vocabulary=260))
    table = desk.table(TABLE)
    for name, given in GIVEN.items():
        raw = {"model": "student", "teacher": "teacher", "prompts": "abstract", **given}
        params = DistillParameters.from_json(validate_params(load_meta("distill").params, raw, where="distill"))
        encoder = Encoder(tokenizer, system_prompt=params.system_prompt)
        encode_table(table, encoder, params, 1024).write_parquet("made.parquet")
        yield name, digest_rows(Path("made.parquet"))


CASES: dict[str, Callable[[Desk], Iterator[tuple[str, str]]]] = {"distill": _distill}
