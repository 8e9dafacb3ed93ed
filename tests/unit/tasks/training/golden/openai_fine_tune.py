"""What `openai_fine_tune` uploads for a small fixed input, and the name of its order, as digests.

By that name a job is found again at the service: where it changed, a training that runs would be paid for again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from dreamsmk.hashing import digest_bytes, digest_file
from dreamsmk.settings import ModelSpec, validate_params
from dreamsmk.smk.meta import load_meta
from dreamsmk.tasks.training.openai.parameters import OpenAIParameters
from dreamsmk.tasks.training.openai.rows import write_rows
from dreamsmk.tasks.training.openai_fine_tune import make_order
from tests.unit.tasks.desk import Desk

CHAT = [
    {"role": "user", "content": "Zähl bis drei: 日本", "weight": None},
    {"role": "assistant", "content": "1, 2, 3 🦜", "weight": 0},
]
TABLE = {
    "abstract": ["We show a thing.", "", "Zwei\nZeilen, 日本"],
    "tweet": ["A thing!", "Nothing.", "Zwei! 🦜"],
    "number": [1, 2, 3],
    "chat": [CHAT, CHAT[1:], CHAT],
    "asked": [CHAT[:1]] * 3,
}
PAIRS = {"inputs": "abstract", "outputs": "tweet"}
LABELS = {"input_label": "Text:", "instruction_label": None, "separator": "\n", "system_prompt": "You are brief."}
CHOSEN = {"chosen": "tweet", "rejected": "number"}
GIVEN: dict[str, dict[str, Any]] = {
    "plain": PAIRS,
    "all": {**PAIRS, "instruction": "Write a tweet.", **LABELS},
    "values": {**PAIRS, "epochs": 2, "batch_size": 4, "learning_rate_multiplier": 0.5, "seed": 7, "suffix": "brief"},
    "chats": {"messages": "chat"},
    "preferences": {"method": "dpo", "inputs": "abstract", **CHOSEN, "beta": 0.2},
    "preferences in chats": {"method": "dpo", "messages": "asked", **CHOSEN},
}


def _openai_fine_tune(desk: Desk) -> Iterator[tuple[str, str]]:
    table, spec = desk.table(TABLE), ModelSpec(provider="openai", model="gpt-test")
    for name, given in GIVEN.items():
        raw = validate_params(
            load_meta("openai_fine_tune").params, {"model": "base", **given}, where="openai_fine_tune"
        )
        params, file = OpenAIParameters.from_json(raw), Path("train.jsonl")
        write_rows(table, file, params)
        yield name, digest_file(file)
        yield f"{name}: order", digest_bytes(make_order(params, spec, {"train": file}).name.encode())


CASES: dict[str, Callable[[Desk], Iterator[tuple[str, str]]]] = {"openai_fine_tune": _openai_fine_tune}
