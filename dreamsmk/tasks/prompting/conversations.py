"""Conversations of rows: how they are read, how they go on turn by turn, and how they are written.

Contract: each row's conversation goes on as soon as its reply is there, whatever the other rows wait for. Its next turn
depends on its own row and its own replies alone. A reply that a turn cannot follow (an empty one) fails its row.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from dreamsmk.errors import TableError
from dreamsmk.requests import Failure, Message, Request, Response
from dreamsmk.tables import read_table
from dreamsmk.tasks.prompting.judging import failure_by, lack_of
from dreamsmk.tasks.prompting.templates import Template

if TYPE_CHECKING:
    import polars as pl

ROLES = ("system", "user", "assistant")
# What a message may say beside its content, and would be lost.
UNREAD = ("tool_calls", "function_call")
# What a template of a turn may use beside the columns: all replies so far, and the last one.
REPLIES = "replies"
REPLY = "reply"


@dataclass(frozen=True, slots=True)
class Opening:
    """How the conversation of a row begins.

    Attributes:
        messages: What is sent first; the last message is the user's.
        turns: What the user says after each reply.
        cells: The cells of the row that turns use.
    """

    messages: tuple[Message, ...]
    turns: Sequence[Template]
    # Any: cells.
    cells: Mapping[str, Any]


class Dialogue(Sequence[Any]):
    """The conversations of all rows, as they go on; a column of a table once they are over.

    Args:
        openings: One a row.
        where: What messages call a row, before its number.
        fail_on: Which replies fail their row; see `rules/_params/failures.yaml`.
    """

    def __init__(self, openings: Sequence[Opening], *, where: str, fail_on: Sequence[str]) -> None:
        self._openings = openings
        self._where = where
        self._fail_on = frozenset(fail_on)
        # By the identity of the request that a row asks now, which is held so that no other object gets it.
        self._open: dict[int, tuple[int, Request]] = {}
        self._over: dict[int, list[dict[str, str]]] = {}

    @property
    def dtype(self) -> pl.DataType:
        """The type of the column."""
        return messages_type()

    def started(self, requests: Iterator[Request]) -> Iterator[Request]:
        """Yields the requests of the first turns, one a row, and remembers whose they are."""
        for row, request in enumerate(requests):
            self._open[id(request)] = (row, request)
            yield request

    def judge(self, request: Request, response: Response, earlier: int) -> Request | Failure | None:
        """Goes on with the conversation that a reply belongs to; a `requests.Judge`."""
        row, _ = self._open.pop(id(request))
        opening = self._openings[row]
        lack, is_last = lack_of(response), earlier == len(opening.turns)
        if lack is not None and (lack in self._fail_on or (lack == "empty" and not is_last)):
            return failure_by(lack, response)
        messages = (*request.messages, Message("assistant", response.text))
        if is_last:
            self._over[row] = [{"role": message.role, "content": message.content} for message in messages]
            return None
        turn = next_turn(opening.turns[earlier], messages, opening.cells, where=f"{self._where} {row} (from 0)")
        follow_up = dataclasses.replace(request, messages=(*messages, turn))
        self._open[id(follow_up)] = (row, follow_up)
        return follow_up

    def __len__(self) -> int:
        return len(self._openings)

    @overload
    def __getitem__(self, rows: int) -> Any: ...

    @overload
    def __getitem__(self, rows: slice) -> Sequence[Any]: ...

    def __getitem__(self, rows: int | slice) -> Any:
        """Returns the whole conversations of rows, null for those that failed; each can be taken once."""
        if isinstance(rows, int):
            return self._over.pop(rows, None)
        return [self._over.pop(row, None) for row in range(*rows.indices(len(self)))]


# Any: cells.
def next_turn(turn: Template, messages: Sequence[Message], cells: Mapping[str, Any], *, where: str) -> Message:
    """Returns what the user says next.

    Args:
        turn: The template; it may use the replies so far, `replies`, and the last of them, `reply`.
        messages: The conversation so far.
        cells: The cells of the row that turns use.
        where: What messages call the row.
    """
    replies = [message.content for message in messages if message.role == "assistant"]
    known = {REPLIES: replies, REPLY: replies[-1]} if replies else {}
    return Message("user", turn.render({**cells, **known}, where=where))


def messages_type() -> pl.DataType:
    """Returns the type of a column of conversations."""
    import polars as pl

    return pl.List(pl.Struct({"role": pl.String(), "content": pl.String()}))


def read_messages(table: Path, column: str) -> list[tuple[Message, ...]]:
    """Returns the conversation of each row: a list of `role` and `content`, the same as JSON, or a user's one text.

    Raises:
        TableError: A row is null or no conversation.
    """
    values = read_table(table, columns=[column])[column].to_list()
    return [_messages(value, f"{table}, column {column!r}, row {row} (from 0)") for row, value in enumerate(values)]


# Any: a cell.
def _messages(cell: Any, where: str) -> tuple[Message, ...]:
    if isinstance(cell, str):
        if not cell.lstrip().startswith("["):
            return (Message("user", cell),)
        try:
            cell = json.loads(cell)
        except ValueError:
            return (Message("user", cell),)
    hint = "a conversation is a list of {role, content}, or a text of the user's"
    if not isinstance(cell, list):
        raise TableError("the row has no conversation", where=where, hint=hint)
    messages = []
    for message in cell:
        is_message = isinstance(message, Mapping) and message.get("role") in ROLES
        if not is_message or not isinstance(message.get("content"), str):
            raise TableError(
                f"a message is no {{role, content}} with a role of {', '.join(ROLES)}", where=where, hint=hint
            )
        if unread := next((name for name in UNREAD if message.get(name)), None):
            raise TableError(
                f"a message has {unread!r}, and tools are not told here",
                where=where,
                hint="leave such rows out, or write the calls into the content as the model's chat template does",
            )
        messages.append(Message(message["role"], message["content"]))
    return tuple(messages)
