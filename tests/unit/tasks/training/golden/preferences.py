"""What `dpo`, `kto` and `orpo` train on, as digests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from dreamsmk.hashing import digest_rows
from dreamsmk.settings import validate_params
from dreamsmk.smk.meta import load_meta
from dreamsmk.tasks.training import dpo, kto, orpo
from dreamsmk.tasks.training.rows.examples import Encoder
from dreamsmk.tasks.training.rows.preferences import encode_pair_table
from tests.tiny import make_tiny_model
from tests.unit.tasks.desk import Desk

ROWS = {
    "question": ["the of", "Wer? 日本", "", "the of"],
    "good": ["to be", "all of her", "x", "as was with"],
    "bad": ["not", "who", "y z", "it"],
    "liked": [True, False, False, True],
}
PAIRS = {"prompts": "question", "chosen": "good", "rejected": "bad"}
LABELLED = {"prompts": "question", "completions": "good", "labels": "liked"}
MORE: dict[str, Any] = {"instruction": "Answer.", "truncate": True, "system_prompt": "be kind"}
Cases = Iterator[tuple[str, str]]


def _trained_on(desk: Desk, rule: str, kind: type[Any], encode: Callable[..., Any], given: dict[str, str]) -> Cases:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(make_tiny_model(desk.folder / "tiny"))
    for name, more, is_chat, limit in (("chat", {}, True, 512), ("all", MORE, True, 70), ("text", {}, False, 512)):
        raw = {"model": "student", "batch_size": 2, **given, **more}
        params = kind.from_json(validate_params(load_meta(rule).params, raw, where="golden"))
        encoder = Encoder(tokenizer, is_chat=is_chat, system_prompt=params.system_prompt)
        made = desk.folder / "made.parquet"
        encode(desk.table(ROWS), encoder, params, limit).write_parquet(made)
        yield f"{name}, {' and '.join(given)}", digest_rows(made)


def _kto(desk: Desk) -> Cases:
    yield from _trained_on(desk, "kto", kto.KtoParameters, kto.encode_table, LABELLED)
    yield from _trained_on(desk, "kto", kto.KtoParameters, kto.encode_table, PAIRS)


CASES: dict[str, Callable[[Desk], Cases]] = {
    "dpo": lambda desk: _trained_on(desk, "dpo", dpo.DpoParameters, encode_pair_table, PAIRS),
    "kto": _kto,
    "orpo": lambda desk: _trained_on(desk, "orpo", orpo.OrpoParameters, encode_pair_table, PAIRS),
}
