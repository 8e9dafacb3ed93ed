"""The order of the rows of a SQL query, where the query leaves it open.

Contract: two runs of a query give the same rows in the same order. What groups, joins or unites has no order of its
own, and a sort leaves open how equals stand; both are settled by all columns from left to right, at the end of the
query, and inside it where a LIMIT or a function such as `first` looks at the order. Such a function over a join has to
be told an order. What an ORDER BY inside a window or an aggregate leaves open is as the query says it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from dreamsmk.errors import SettingsError
from dreamsmk.tasks.shaping.sql_text import BEGINNING, bare

# What gives rows in no particular order, so that two runs need not agree.
_UNORDERED = re.compile(
    r"\b(group\s+by|distinct|join|union|intersect|except|exists|unnest)\b|\bfrom\s+[^()]*,|\bselect\b.*\bselect\b",
    re.IGNORECASE | re.DOTALL,
)
_ORDER = re.compile(r"\border\s+by\b(\s+all\b)?", re.IGNORECASE)
_END = re.compile(r"\b(limit|offset|fetch)\b|;|$", re.IGNORECASE)
# What looks at the order of rows: parts of a query, and functions.
_LIMITED = re.compile(r"\b(limit|offset|fetch|distinct\s+on)\b", re.IGNORECASE)
_BY_ORDER = re.compile(
    r"\b(first|last|array_agg|string_agg|listagg|group_concat|first_value|last_value|nth_value|lag|lead|row_number"
    r"|ntile)\s*(?=\()",
    re.IGNORECASE,
)
_OVER = re.compile(r"\s*over\s*(?=\()", re.IGNORECASE)
_DISTINCT = re.compile(r"\(\s*distinct\b", re.IGNORECASE)
_JOIN = re.compile(r"\bjoin\b", re.IGNORECASE)
# The tables of a SELECT.
_FROM = re.compile(
    r"\bfrom\b(.*?)(?=\b(?:where|group|having|window|qualify|order|limit|offset|fetch|union|intersect|except)\b|;|$)",
    re.IGNORECASE | re.DOTALL,
)


def require_settled(query: str, where: str) -> None:
    """Raises `SettingsError` for a function that looks at rows in an order that nothing settles."""
    for part in _parts(bare(query)):
        tables = (_emptied(found[1]) for found in _FROM.finditer(_emptied(part)))
        is_joined = any("," in found or _JOIN.search(found) for found in tables)
        for name, arguments in _by_order(part):
            if _DISTINCT.match(arguments):
                hint = f"say it: {name}(DISTINCT x ORDER BY x)"
                raise SettingsError(f"{name} has different values in no certain order", where=where, hint=hint)
            if is_joined:
                hint = "join in a query of its own: SELECT … FROM (SELECT … JOIN …) AS joined"
                raise SettingsError(f"{name} takes the rows of a join in no certain order", where=where, hint=hint)


def in_certain_order(query: str, columns: int) -> str:
    """Returns a query whose order of rows leaves nothing to chance.

    Args:
        query: A query.
        columns: How many columns its result has. Rows that are equal in all of them are the same rows.
    """
    plain = bare(query)
    looks_inside = any(_LIMITED.search(_emptied(part)) for part in _inner(plain))
    if looks_inside or any(True for part in _parts(plain) for _ in _by_order(part)):
        query = _settled_inside(query)
    numbers = ", ".join(str(number) for number in range(1, columns + 1))
    return _settled(query, f"ORDER BY {numbers}", numbers)


def _settled_inside(query: str) -> str:
    """Settles the order of all queries inside a query."""
    made, done = [], 0
    for start, stop in _groups(bare(query)):
        inner = _settled_inside(query[start:stop])
        if BEGINNING.match(bare(inner)):
            inner = _settled(inner, "ORDER BY ALL", "COLUMNS('^.*$')")
        made += [query[done:start], inner]
        done = stop
    return "".join([*made, query[done:]])


def _settled(query: str, order: str, more: str) -> str:
    """Puts an order into a query that has none and needs one, or more columns into the one that it has."""
    plain = bare(query)
    top = _emptied(plain)
    orders = list(_ORDER.finditer(top))
    if not orders and not _UNORDERED.search(plain):
        return query
    if orders and orders[-1][1]:
        return query
    end = _END.search(top, orders[-1].end() if orders else 0)
    assert end is not None  # it finds the end of the text at the latest
    # on lines of their own: the text before may end in a comment
    return f"{query[: end.start()]}\n{f', {more}' if orders else order}\n{query[end.start() :]}"


def _by_order(part: str) -> Iterator[tuple[str, str]]:
    """Yields the functions of a query, without those inside it, that look at the order of rows and name none."""
    for found in _BY_ORDER.finditer(part):
        arguments = _bracketed(part, found.end())
        over = _OVER.match(part, found.end() + len(arguments))
        if not _ORDER.search(arguments + (_bracketed(part, over.end()) if over else "")):
            yield found[1], arguments


def _parts(plain: str) -> Iterator[str]:
    """Yields a query and all queries inside it, each with blanks in the place of those inside."""
    yield _without_queries(plain)
    yield from _inner(plain)


def _inner(plain: str) -> Iterator[str]:
    """Yields the queries inside a query, each with blanks in the place of those inside it."""
    for start, stop in _groups(plain):
        inner = plain[start:stop]
        if BEGINNING.match(inner):
            yield _without_queries(inner)
        yield from _inner(inner)


def _without_queries(plain: str) -> str:
    for start, stop in _groups(plain):
        inner = plain[start:stop]
        left = " " * len(inner) if BEGINNING.match(inner) else _without_queries(inner)
        plain = plain[:start] + left + plain[stop:]
    return plain


def _emptied(plain: str) -> str:
    """Returns a text with blanks in the place of what stands in brackets."""
    for start, stop in _groups(plain):
        plain = plain[: start - 1] + " " * (stop - start + 2) + plain[stop + 1 :]
    return plain


def _bracketed(plain: str, start: int) -> str:
    """Returns what stands in the brackets that open at a place, with them."""
    stop = next((stop for begin, stop in _groups(plain[start:]) if begin == 1), len(plain) - start)
    return plain[start : start + stop + 1]


def _groups(plain: str) -> Iterator[tuple[int, int]]:
    """Yields where the contents of the outermost brackets begin and end."""
    depth = start = 0
    for place, character in enumerate(plain):
        if character == "(":
            depth += 1
            start = place + 1 if depth == 1 else start
        elif character == ")" and depth:
            depth -= 1
            if depth == 0:
                yield start, place
