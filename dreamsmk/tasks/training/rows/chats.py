"""Rows that are whole chats, as token ids and labels.

Contract: only what the assistant says has labels, with all that the chat template puts after it to end its turn. A
template with `{% generation %}` says itself where that is; else it is found by laying the chat out up to the turn and
up to its end. What comes after the assistant's last turn is left out: nothing is learnt from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from dreamsmk.errors import SettingsError, TableError, TrainingError
from dreamsmk.tables import require_columns
from dreamsmk.tasks.prompting.conversations import read_messages
from dreamsmk.tasks.training.rows.examples import (
    IGNORED,
    Encoder,
    common_length,
    labelled_table,
    rows_in_words,
)

if TYPE_CHECKING:
    import polars

Chat = Sequence[Mapping[str, str]]
Turns = Literal["all", "last"]

_CHUNK_CHATS = 200
# as transformers looks for it
_MARK = re.compile(r"\{%-?\s*generation\s*-?%\}")


@dataclass(frozen=True, slots=True)
class _Span:
    """The turn of an assistant in a chat.

    Attributes:
        chat: Which of the chats.
        turn: Which of its messages.
        start: The token ids of the chat up to the turn, with the assistant's header.
        end: Those up to its end.
    """

    chat: int
    turn: int
    start: list[int]
    end: list[int]


def read_chats(path: Path, column: str, system_prompt: str | None = None) -> list[Chat]:
    """Returns the chats of a column, each up to the last turn of the assistant.

    Args:
        path: The table.
        column: Lists of `role` and `content`, or the same as JSON.
        system_prompt: What the system message says, where the chats have none.

    Raises:
        TableError: The table is empty, or a row holds no chat.
        TrainingError: In a chat the assistant says nothing.
        SettingsError: There is a system prompt, and the chats have their own.
    """
    require_columns(path, [column])
    chats = [[{"role": m.role, "content": m.content} for m in messages] for messages in read_messages(path, column)]
    if not chats:
        raise TableError("the table has no rows to train on", where=str(path))
    silent = [row for row, chat in enumerate(chats) if not any(m["role"] == "assistant" for m in chat)]
    if silent:
        raise TrainingError(
            f"the assistant says nothing in {len(silent)} chats",
            where=f"{path}, column {column!r}, {rows_in_words(silent)}",
            hint="a chat is learnt from by its turns of the role assistant; leave these rows out",
        )
    own = [row for row, chat in enumerate(chats) if any(m["role"] == "system" for m in chat)]
    if own and system_prompt is not None:
        raise SettingsError(
            f"chats have a system message of their own ({rows_in_words(own)})",
            where="system_prompt",
            hint="leave it out",
        )
    system = [] if system_prompt is None else [{"role": "system", "content": system_prompt}]
    return [[*system, *chat[: _turns_of(chat)[-1] + 1]] for chat in chats]


def encode_chats(
    chats: Sequence[Chat], encoder: Encoder, turns: Turns, *, max_length: int, truncate: bool, where: str
) -> polars.DataFrame:
    """Returns a table with the columns `input_ids` and `labels`, a row for each chat.

    Args:
        chats: Each ends with a turn of the assistant.
        encoder: Lays them out.
        turns: Which turns of the assistant have labels.
        max_length: The most tokens that a chat may have.
        truncate: Whether the end of a longer one is cut off, rather than being an error.
        where: What to call the table in errors.

    Raises:
        SettingsError: The model has no chat template to lay them out with.
        TrainingError: Chats are too long, or the template lays out earlier turns otherwise once there are later ones.
    """
    if not encoder.is_chat:
        raise SettingsError(
            "chats are laid out by a chat template, and the model is used without one",
            where="messages",
            hint="leave `options: {chat: false}` out; `chat_template` gives a template to a model that has none",
        )
    is_marked = _MARK.search(encoder.tokenizer.get_chat_template()) is not None
    encode = _encode_marked if is_marked else _encode_by_prefixes

    def labelled() -> Iterator[tuple[list[int], list[int]]]:
        for begin in range(0, len(chats), _CHUNK_CHATS):
            yield from encode(chats[begin : begin + _CHUNK_CHATS], encoder, turns, f"{where}, row", begin)

    return labelled_table(labelled(), max_length=max_length, truncate=truncate, where=where)


def _encode_marked(
    chats: Sequence[Chat], encoder: Encoder, turns: Turns, where: str, first_row: int
) -> Iterator[tuple[list[int], list[int]]]:
    rendered = encoder.render(chats, return_assistant_tokens_mask=True)
    for ids, mask in zip(rendered["input_ids"], rendered["assistant_masks"], strict=True):
        kept = _last_run(mask) if turns == "last" else mask
        yield ids, [i if is_said else IGNORED for i, is_said in zip(ids, kept, strict=True)]


def _encode_by_prefixes(
    chats: Sequence[Chat], encoder: Encoder, turns: Turns, where: str, first_row: int
) -> Iterator[tuple[list[int], list[int]]]:
    wholes = encoder.render(chats)["input_ids"]
    labels = [[IGNORED] * len(whole) for whole in wholes]
    for span in _spans(chats, encoder, turns):
        whole = wholes[span.chat]
        start, end = common_length(span.start, whole), common_length(span.end, whole)
        if end < len(span.end) and not _goes_on(chats[span.chat], span.turn, encoder):
            raise TrainingError(
                "the chat template lays out a turn otherwise once there are later ones",
                where=f"{where} {first_row + span.chat} (from 0), message {span.turn}",
                hint="set `assistant_turns: last`, or give a chat_template that marks turns with {% generation %}",
            )
        labels[span.chat][start:end] = whole[start:end]
    yield from zip(wholes, labels, strict=True)


def _spans(chats: Sequence[Chat], encoder: Encoder, turns: Turns) -> list[_Span]:
    found = [
        (chat, turn)
        for chat, messages in enumerate(chats)
        for turn in (_turns_of(messages) if turns == "all" else _turns_of(messages)[-1:])
    ]
    starts = encoder.render([chats[chat][:turn] for chat, turn in found], add_generation_prompt=True)["input_ids"]
    ends = encoder.render([chats[chat][: turn + 1] for chat, turn in found])["input_ids"]
    return [_Span(*place, start, end) for place, start, end in zip(found, starts, ends, strict=True)]


def _goes_on(chat: Chat, turn: int, encoder: Encoder) -> bool:
    """Says whether a chat begins with the very text of its part, only the tokens where they part being others."""
    part, whole = (encoder.render([messages], tokenize=False)[0] for messages in (chat[: turn + 1], chat))
    return bool(whole.startswith(part))


def _turns_of(chat: Chat) -> list[int]:
    return [turn for turn, message in enumerate(chat) if message["role"] == "assistant"]


def _last_run(mask: Sequence[int]) -> list[int]:
    """Returns a mask with the last run of ones alone."""
    end = len(mask)
    while end and not mask[end - 1]:
        end -= 1
    start = end
    while start and mask[start - 1]:
        start -= 1
    return [0] * start + list(mask[start:end]) + [0] * (len(mask) - end)
