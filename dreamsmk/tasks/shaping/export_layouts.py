"""Rows in the layouts that trainers read: chat messages and ShareGPT.

Contract: a row without what its layout needs is an error that names it; nothing is made up. Chat messages are
`{"messages": [{"role", "content"}]}`, preferences `{"prompt": […], "chosen": […], "rejected": […]}` as TRL reads them;
ShareGPT is `{"conversations": [{"from", "value"}]}`, with `chosen` and `rejected` beside for preferences.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import SettingsError, TableError

if TYPE_CHECKING:
    import polars as pl

ROWS = "rows"
_TO_SHAREGPT = {"system": "system", "user": "human", "assistant": "gpt", "tool": "tool"}
_FROM_SHAREGPT = {name: role for role, name in _TO_SHAREGPT.items()} | {
    "user": "user",
    "assistant": "assistant",
    "observation": "tool",
}


@dataclass(frozen=True, slots=True)
class _Layout:
    """How a layout calls things."""

    conversation: str
    role: str
    content: str
    user: str
    assistant: str


_LAYOUTS = {
    "messages": _Layout("messages", "role", "content", "user", "assistant"),
    "sharegpt": _Layout("conversations", "from", "value", "human", "gpt"),
}
_NEEDS = (("messages",), ("prompt", "completion"), ("prompt", "chosen", "rejected"))


# Any: JSON.
def check_layout(params: Mapping[str, Any]) -> None:
    """Raises where the columns are not those of a layout."""
    given = tuple(name for name in ("messages", "prompt", "completion", "chosen", "rejected") if params[name])
    has_system = params["system"] or params["system_prompt"]
    if params["layout"] == ROWS:
        if given or has_system or params["keep"]:
            name = (*given, *(["keep"] if params["keep"] else ["system"]))[0]
            raise SettingsError("plain rows have no such part", where=f"params.{name}", hint="layout='messages'")
        return
    if given not in _NEEDS:
        said = ", ".join(given) if given else "none of them"
        raise SettingsError(
            f"the layout {params['layout']} needs messages, or prompt and completion, or prompt, chosen and rejected",
            where="params",
            hint=f"there is {said}",
        )
    if params["columns"]:
        raise SettingsError(
            f"the layout {params['layout']} has its own columns", where="params.columns", hint="keep=[…]"
        )
    if params["system"] and params["system_prompt"]:
        raise SettingsError("give system or system_prompt, not both", where="params.system")


# Any: JSON.
def laid_out(frame: pl.LazyFrame, params: Mapping[str, Any], source: str) -> pl.LazyFrame:
    """Returns the rows of a table in a layout.

    Args:
        frame: The table.
        params: The parameters of the rule.
        source: What messages call the table.

    Raises:
        TableError: A row lacks what the layout needs, or a column is of another type.
    """
    import polars as pl

    if params["layout"] == ROWS:
        return frame.select(params["columns"]) if params["columns"] else frame
    layout = _LAYOUTS[params["layout"]]
    made = _conversation(frame, params, layout, source)
    for name in ("chosen", "rejected"):
        if params[name]:
            answer = _turn(layout, layout.assistant, _text(frame, params[name], source))
            made[name] = pl.concat_list(answer) if layout.role == "role" else answer
    clash = [name for name in params["keep"] if name in made]
    if clash:
        raise SettingsError(
            f"the layout has a column {clash[0]!r} itself", where="params.keep", hint="rename it before"
        )
    return frame.select(*(expr.alias(name) for name, expr in made.items()), *params["keep"])


# Any: JSON.
def _conversation(frame: pl.LazyFrame, params: Mapping[str, Any], layout: _Layout, source: str) -> dict[str, pl.Expr]:
    import polars as pl

    needed = [params[name] for name in ("messages", "prompt", "completion", "chosen", "rejected") if params[name]]
    _require_values(frame, needed, source)
    opening = _system(frame, params, layout, source)
    if params["messages"]:
        turns = _messages(frame, params["messages"], layout, source, has_system=bool(opening))
        joined = pl.concat_list(*[pl.concat_list(part) for part in opening], turns) if opening else turns
    else:
        spoken = [_turn(layout, layout.user, _text(frame, params["prompt"], source))]
        if params["completion"]:
            spoken.append(_turn(layout, layout.assistant, _text(frame, params["completion"], source)))
        joined = pl.concat_list(*opening, *spoken)
    name = "prompt" if params["chosen"] and layout.role == "role" else layout.conversation
    # where a row has no system text
    return {name: joined.list.drop_nulls() if params["system"] else joined}


# Any: JSON.
def _system(frame: pl.LazyFrame, params: Mapping[str, Any], layout: _Layout, source: str) -> list[pl.Expr]:
    import polars as pl

    if params["system_prompt"]:
        # of the table's height, also where it has no rows
        return [_turn(layout, "system", pl.repeat(params["system_prompt"], pl.len(), dtype=pl.String))]
    if params["system"]:
        said = _text(frame, params["system"], source)
        return [pl.when(said.is_not_null()).then(_turn(layout, "system", said))]
    return []


def _turn(layout: _Layout, role: str, said: pl.Expr) -> pl.Expr:
    import polars as pl

    return pl.struct(pl.lit(role).alias(layout.role), said.alias(layout.content))


def _text(frame: pl.LazyFrame, column: str, source: str) -> pl.Expr:
    import polars as pl

    dtype = frame.collect_schema()[column]
    if dtype not in (pl.String, pl.Null) and not isinstance(dtype, (pl.Categorical, pl.Enum)):
        raise TableError(f"the column {column!r} is of type {dtype}, not text", where=source)
    return pl.col(column).cast(pl.String)


def _messages(frame: pl.LazyFrame, column: str, layout: _Layout, source: str, *, has_system: bool) -> pl.Expr:
    """Returns a column of messages as a layout has them."""
    import polars as pl

    dtype = frame.collect_schema()[column]
    inner = dtype.inner if isinstance(dtype, pl.List) else None
    fields = [field.name for field in inner.fields] if isinstance(inner, pl.Struct) else []
    own = next((own for own in _LAYOUTS.values() if own.role in fields and own.content in fields), None)
    if own is None:
        raise TableError(
            f"the column {column!r} is of type {dtype}, not a list of messages",
            where=source,
            hint="a message has role and content, or from and value",
        )
    names = _TO_SHAREGPT if own.role == "role" else _FROM_SHAREGPT
    said = pl.element().struct.field(own.role)
    _refuse(frame, column, ~said.is_in(list(names)).fill_null(False), "a message of no known role", source)
    if has_system:
        _refuse(frame, column, said == "system", "a system message already", source)
    if own is layout:
        return pl.col(column)
    more = [field for field in fields if field not in (own.role, own.content)]
    if more:
        raise TableError(f"the messages have a field {more[0]!r}, which the layout does not hold", where=source)
    turned = pl.struct(
        said.replace_strict(names, return_dtype=pl.String).alias(layout.role),
        pl.element().struct.field(own.content).alias(layout.content),
    )
    return pl.col(column).list.eval(turned)


def _require_values(frame: pl.LazyFrame, columns: Sequence[str], source: str) -> None:
    import polars as pl

    for column in columns:
        rows = frame.select(pl.col(column).is_null().alias("missing")).with_row_index("row", offset=1)
        _raise_at(rows.filter("missing"), f"the column {column!r} is null", source)


def _refuse(frame: pl.LazyFrame, column: str, fault: pl.Expr, what: str, source: str) -> None:
    import polars as pl

    found = pl.col(column).list.eval(fault).list.any().alias("fault")
    rows = frame.select(found).with_row_index("row", offset=1)
    _raise_at(rows.filter("fault"), f"the column {column!r} has {what}", source)


def _raise_at(rows: pl.LazyFrame, what: str, source: str) -> None:
    first = rows.select("row").head(1).collect()
    if first.height:
        raise TableError(what, where=f"{source}, row {first['row'].item()}", hint="leave such rows out with filter")
