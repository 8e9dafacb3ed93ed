"""What `fine_tune` trains on, as digests: weights differ in their last digits from one processor to the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from dreamsmk.hashing import digest_rows
from dreamsmk.settings import validate_params
from dreamsmk.smk.meta import load_meta
from dreamsmk.tasks.training.fine_tune import FineTuneParameters, encode_sequence_table, encode_table
from dreamsmk.tasks.training.rows.examples import Encoder
from tests.tiny import CHATML, make_tiny_model
from tests.unit.tasks.desk import Desk

CHATS = [
    [
        {"role": "system", "content": "You are brief."},
        {"role": "user", "content": "Zähl bis drei: 日本"},
        {"role": "assistant", "content": "1, 2, 3 🦜"},
        {"role": "user", "content": "Thanks!"},
        {"role": "assistant", "content": "You are welcome."},
    ],
    [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": ""}, {"role": "user", "content": "?"}],
]
TABLE = {
    "abstract": ["We show a thing.", "", "We show a thing.", "Zwei\nZeilen, 日本"],
    "tweet": ["A thing!", "Nothing.", "A thing!", "Zwei! 🦜"],
    "number": [1, 2, 3, 4],
    "chat": [*CHATS, *CHATS],
}
UNMARKED = CHATML.replace("{% generation %}", "").replace("{% endgeneration %}", "")
LABELS = {"input_label": "Text:", "instruction_label": None, "separator": "\n", "system_prompt": "You are brief."}
PAIRS = {"inputs": "abstract", "outputs": "tweet"}
# Name, whether there is a chat template, the most tokens, the parameters.
GIVEN: list[tuple[str, bool, int, dict[str, Any]]] = [
    ("plain", True, 1024, PAIRS),
    ("all", True, 1024, {**PAIRS, "instruction": "Write a tweet.", **LABELS}),
    ("truncated", True, 60, {**PAIRS, "truncate": True}),
    ("no chat", False, 1024, {**PAIRS, "instruction": "Write a tweet."}),
    ("messages", True, 1024, {"messages": "chat"}),
    ("messages: last", True, 1024, {"messages": "chat", "assistant_turns": "last"}),
    ("messages: no marks", True, 1024, {"messages": "chat", "chat_template": UNMARKED}),
    (
        "messages: no marks, last",
        True,
        1024,
        {"messages": "chat", "chat_template": UNMARKED, "assistant_turns": "last"},
    ),
    ("text", False, 1024, {"text": "tweet"}),
    ("text: split", False, 8, {"text": "tweet", "split": True}),
]


def _fine_tune(desk: Desk) -> Iterator[tuple[str, str]]:
    from transformers import AutoTokenizer

    # without merges, which another version of the library may learn otherwise
    folder = make_tiny_model(desk.folder / "model", vocabulary=260)
    table = desk.table(TABLE)
    for name, is_chat, limit, given in GIVEN:
        tokenizer, params = AutoTokenizer.from_pretrained(folder), _parameters(given)
        tokenizer.chat_template = params.chat_template or tokenizer.chat_template
        encoder = Encoder(tokenizer, is_chat=is_chat, system_prompt=params.system_prompt)
        encode_table(table, encoder, params, limit).write_parquet("made.parquet")
        yield name, digest_rows(Path("made.parquet"))
    encoder = Encoder(AutoTokenizer.from_pretrained(folder), is_chat=False)
    for name, given in (("sequences", {}), ("sequences: truncated", {"max_output_length": 5, "truncate": True})):
        params = _parameters({**PAIRS, "instruction": "Write a tweet.", **given})
        encode_sequence_table(table, encoder, params, 64).write_parquet("made.parquet")
        yield name, digest_rows(Path("made.parquet"))


def _parameters(given: dict[str, Any]) -> FineTuneParameters:
    raw = {"model": "student", **given}
    return FineTuneParameters.from_json(validate_params(load_meta("fine_tune").params, raw, where="fine_tune"))


CASES: dict[str, Callable[[Desk], Iterator[tuple[str, str]]]] = {"fine_tune": _fine_tune}
