"""Rows of a table as the lines of a file that the service learns from.

Contract: the same rows give the same bytes. Every row is checked before anything is uploaded, and one that the service
would refuse is an error that names it; nothing is left out or cut.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from dreamsmk.errors import TableError
from dreamsmk.tables import read_table, require_columns
from dreamsmk.tasks.prompting.generations import read_texts
from dreamsmk.tasks.prompting.layout import process_prompt
from dreamsmk.tasks.training.openai.parameters import OpenAIParameters
from dreamsmk.tasks.training.rows.examples import rows_in_words

# What the service says of fewer: "Training file has N example(s), but must have at least 10 examples".
MIN_ROWS = 10
TOO_FEW_CODE = "invalid_n_examples"
ROLES = ("system", "developer", "user", "assistant", "tool", "function")

# Any (in this file): JSON.
Message = Mapping[str, Any]
Chat = Sequence[Message]


def write_rows(table: Path, file: Path, params: OpenAIParameters, *, min_rows: int = 1) -> int:
    """Writes one line a row.

    Args:
        table: The rows.
        file: What to write.
        params: They say which columns are read, and how a prompt is laid out.
        min_rows: The fewest rows that the service takes.

    Returns:
        The number of rows.

    Raises:
        TableError: A column is missing, a cell is empty or no chat, or there are too few rows.
    """
    require_columns(table, params.columns)
    count = 0
    with open(file, "wb") as out:
        for line in _lines(table, params):
            out.write(orjson.dumps(line) + b"\n")
            count += 1
    if count < min_rows:
        what = f"the training file has {count} example(s), but must have at least {min_rows} examples"
        raise TableError(
            what if count else "the table has no rows to train on",
            where=str(table),
            hint=f"the service would refuse it ({TOO_FEW_CODE})",
        )
    return count


def _lines(table: Path, params: OpenAIParameters) -> Iterator[dict[str, Any]]:
    chats = _prompts(table, params)
    if params.method == "dpo":
        assert params.chosen is not None
        assert params.rejected is not None
        pairs = zip(_answers(table, params.chosen), _answers(table, params.rejected), strict=True)
        for chat, (chosen, rejected) in zip(chats, pairs, strict=True):
            yield {
                "input": {"messages": chat},
                "preferred_output": [_said("assistant", chosen)],
                "non_preferred_output": [_said("assistant", rejected)],
            }
    elif params.outputs is not None:
        for chat, answer in zip(chats, _answers(table, params.outputs), strict=True):
            yield {"messages": [*chat, _said("assistant", answer)]}
    else:
        for chat in chats:
            yield {"messages": chat}


def _prompts(table: Path, params: OpenAIParameters) -> Iterable[Chat]:
    """Returns what each row begins with: all of a chat, or the prompt that is made of a text."""
    if params.messages is not None:
        return _chats(table, params.messages, is_whole=params.method == "supervised")
    assert params.inputs is not None
    system = [] if params.system_prompt is None else [_said("system", params.system_prompt)]
    prompts = (
        process_prompt(
            text,
            params.instruction,
            input_label=params.input_label,
            instruction_label=params.instruction_label,
            separator=params.separator,
        )
        for text in read_texts(table, params.inputs)
    )
    return ([*system, _said("user", prompt)] for prompt in prompts)


def _answers(table: Path, column: str) -> list[str]:
    answers = read_texts(table, column)
    blank = [row for row, answer in enumerate(answers) if not answer]
    if blank:
        raise TableError(
            f"{len(blank)} rows have nothing to learn from in the column {column!r}",
            where=f"{table}, {rows_in_words(blank)}",
            hint="fill or drop these rows",
        )
    return answers


def _said(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def _chats(table: Path, column: str, *, is_whole: bool) -> Iterator[Chat]:
    """Yields the chats of a column.

    Args:
        table: The table.
        column: The column.
        is_whole: Whether the last message is what the model learns to say, rather than what it is asked.
    """
    for row, cell in enumerate(read_table(table, columns=[column])[column].to_list()):
        where = f"{table}, column {column!r}, row {row} (from 0)"
        chat = _chat(cell, where)
        if (chat[-1]["role"] == "assistant") != is_whole:
            wanted = "the assistant's" if is_whole else "not the assistant's: its answers stand in other columns"
            raise TableError(f"the last message must be {wanted}", where=where)
        yield chat


def _chat(cell: Any, where: str) -> Chat:
    hint = "a chat is a list of messages, each with `role` and `content`, or the same as JSON"
    if isinstance(cell, str):
        try:
            cell = json.loads(cell)
        except ValueError as exc:
            raise TableError(f"the chat is no JSON: {exc}", where=where, hint=hint) from exc
    if not isinstance(cell, list) or not cell:
        raise TableError("the row has no chat", where=where, hint=hint)
    return [_message(message, f"{where}, message {number} (from 0)", hint) for number, message in enumerate(cell)]


def _message(message: Any, where: str, hint: str) -> Message:
    if not isinstance(message, Mapping) or message.get("role") not in ROLES:
        raise TableError(f"a message has no role of {', '.join(ROLES)}", where=where, hint=hint)
    # a list of structs has every field in every message, as null where it is not given
    given = {name: value for name, value in message.items() if value is not None}
    if not given.get("content") and not (given.get("tool_calls") or given.get("function_call")):
        raise TableError("a message has no content", where=where, hint=hint)
    return given
