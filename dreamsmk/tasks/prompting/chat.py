"""Conversations with a model, one a row: those of a column are answered, or turns are said one after the other.

Contract: one conversation a row, rows in the order of the input, no row waits for another. Every turn is a call of its
own, kept and paid for once. A row's conversation depends on that row alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dreamsmk.errors import SettingsError, TableError
from dreamsmk.requests import Message
from dreamsmk.tables import column_names, row_count
from dreamsmk.tasks.context import Asked, Context
from dreamsmk.tasks.prompting.conversations import REPLIES, REPLY, Dialogue, Opening, next_turn, read_messages
from dreamsmk.tasks.prompting.generations import generation_columns, write_generations
from dreamsmk.tasks.prompting.inputs import read_carried
from dreamsmk.tasks.prompting.sampling import sampling_of
from dreamsmk.tasks.prompting.templates import ROW, Template, rows_of
from dreamsmk.tasks.unchanged import rows

__all__ = ["chat", "columns", "plan", "reads", "rows"]

MESSAGES = "messages"
_OF_REPLIES = (REPLIES, REPLY)


def chat(context: Context) -> None:
    """Holds the conversation of each row."""
    asked, dialogue = _ask(context)
    write_generations(context, {**read_carried(context), MESSAGES: dialogue}, asked, None)


def plan(context: Context) -> Iterator[Asked]:
    """Yields what the task would ask first; later turns depend on the replies."""
    yield _ask(context)[0]


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of the table."""
    have = inputs.get("table")
    for number, turn in enumerate(_turns(params)):
        if have is not None:
            turn.check(have, _known(params, number))
    return {"table": generation_columns(params, [*params["carry"], MESSAGES])}


# Any: JSON.
def reads(params: Mapping[str, Any], files: Mapping[str, Path]) -> dict[str, list[str]]:
    """Returns the columns that the turns read."""
    return {"table": [name for turn in _turns(params) for name in turn.columns(_OF_REPLIES)]}


# Any: JSON.
def _turns(params: Mapping[str, Any]) -> list[Template]:
    if params["messages"] is None and not params["turns"]:
        raise SettingsError(
            "there is nothing to say", where="params", hint="give messages=column, turns=[…], or both of them"
        )
    return [Template.of(text, where=f"params.turns/{number}") for number, text in enumerate(params["turns"])]


# Any: JSON.
def _known(params: Mapping[str, Any], number: int) -> Sequence[str]:
    """Returns what a turn may use beside the columns: the first one is said before there is a reply."""
    return () if number == 0 and params["messages"] is None else _OF_REPLIES


def _ask(context: Context) -> tuple[Asked, Dialogue]:
    params, table = context.params, context.input()
    turns, have = _turns(params), column_names(table)
    for number, turn in enumerate(turns):
        turn.check(have, _known(params, number))
    used = list(dict.fromkeys(name for turn in turns for name in turn.columns(_OF_REPLIES)))
    is_whole = any(ROW in turn.names for turn in turns)
    cells = [row for _, row in rows_of(table, None if is_whole else used)] if turns else []
    if params["messages"] is None:
        started: list[tuple[Message, ...]] = [()] * row_count(table)
    else:
        started = read_messages(table, params["messages"])
    openings = [
        _opening(messages, turns, cells[row] if cells else {}, f"{table}, row {row} (from 0)")
        for row, messages in enumerate(started)
    ]
    firsts = [opening.messages for opening in openings]
    if params["system_prompt"] is not None and any(message.role == "system" for first in firsts for message in first):
        raise SettingsError(
            "the conversations have system messages of their own", where="params.system_prompt", hint="leave it out"
        )
    model = context.model(params["model"])
    requests = model.requests(firsts, system=params["system_prompt"], **sampling_of(params))
    dialogue = Dialogue(openings, where=f"{table}, row", fail_on=params["fail_on"])
    prompts = [messages[-1].content for messages in firsts]
    asked = Asked(model, prompts, dialogue.started(requests), dialogue.judge, params["max_failures"])
    return asked, dialogue


# Any: cells.
def _opening(messages: tuple[Message, ...], turns: Sequence[Template], cells: Mapping[str, Any], where: str) -> Opening:
    """Returns what is asked first for a row, and the turns that come after."""
    if messages and messages[-1].role == "user":
        return Opening(messages, turns, cells)
    if not turns:
        raise TableError("the conversation does not end with the user, and there are no turns", where=where)
    return Opening((*messages, next_turn(turns[0], messages, cells, where=where)), turns[1:], cells)
