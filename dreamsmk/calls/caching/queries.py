"""The statements of the call cache, for every dialect.

Contract: each function returns a statement and its values; whatever a caller gives is a value, never part of the text.
"""

from __future__ import annotations

from dreamsmk.calls.caching.cache import Selection
from dreamsmk.calls.caching.database import COLUMNS, COUNTS, Dialect

# A statement and its values.
Query = tuple[str, list[object]]

_SUMS = ", ".join(f"coalesce(sum({name}), 0)" for name in COUNTS[:4])


def replies(dialect: Dialect) -> str:
    """Returns the statement for keys and replies; its values are those of the keys."""
    return f"SELECT key, response FROM {dialect.calls} WHERE {dialect.has_key}"


def existing(dialect: Dialect) -> str:
    """Returns the statement for the keys that there are; its values are those of the keys."""
    return f"SELECT key FROM {dialect.calls} WHERE {dialect.has_key}"


def stats(dialect: Dialect, selection: Selection, *, by_rule: bool) -> Query:
    """Returns the query for the counts of each model, or of each model and rule."""
    # The order of the index, so that nothing is sorted.
    groups = "model, provider, base_url" + (", rule" if by_rule else "")
    where, values = _where(dialect, selection)
    return (
        f"SELECT provider, model, base_url, {'rule' if by_rule else 'NULL'}, count(*), {_SUMS},"
        " coalesce(sum(retries), 0), coalesce(avg(latency_seconds), 0), min(created_at), max(created_at)"
        f" FROM {dialect.calls}{where} GROUP BY {groups}",
        values,
    )


def lately(dialect: Dialect, provider: str, model: str, latest: int) -> Query:
    """Returns the query for the counts of each rule that asked a model, among the latest calls of all models."""
    mark = dialect.mark
    counts = ", ".join(COUNTS[:4])
    return (
        f"SELECT rule, count(*), {_SUMS} FROM (SELECT rule, provider, model, {counts} FROM {dialect.calls}"
        f" ORDER BY {dialect.number} DESC LIMIT {mark}) AS latest"
        f" WHERE provider = {mark} AND model = {mark} GROUP BY rule ORDER BY rule",
        [latest, provider, model],
    )


def stored(dialect: Dialect, selection: Selection, limit: int) -> Query:
    """Returns the query for calls without their replies, the newest first."""
    number = dialect.number
    where, values = _where(dialect, selection)
    # Chosen by number first, so that no request is carried through a sort.
    chosen = f"SELECT {number} FROM {dialect.calls}{where} ORDER BY {number} DESC LIMIT {dialect.mark}"
    return (
        f"SELECT key, request, created_at, rule FROM {dialect.calls}"
        f" WHERE {number} IN ({chosen}) ORDER BY {number} DESC",
        [*values, limit],
    )


def newest(dialect: Dialect, selection: Selection, limit: int) -> Query:
    """Returns the query for whole calls, the newest first."""
    number = dialect.number
    where, values = _where(dialect, selection)
    chosen = f"SELECT {number} FROM {dialect.calls}{where} ORDER BY {number} DESC LIMIT {dialect.mark}"
    return (
        f"SELECT {', '.join(COLUMNS)} FROM {dialect.calls} WHERE {number} IN ({chosen}) ORDER BY {number} DESC",
        [*values, limit],
    )


def beginning(dialect: Dialect, start: str, limit: int) -> Query:
    """Returns the query for whole calls whose key begins with a text, by key."""
    # A range, which the index of the keys answers.
    return (
        f"SELECT {', '.join(COLUMNS)} FROM {dialect.calls} WHERE {dialect.begins}"
        f" ORDER BY {dialect.by_key} LIMIT {dialect.mark}",
        [*dialect.start(start), limit],
    )


def page(dialect: Dialect, selection: Selection, after: int, limit: int) -> Query:
    """Returns the query for some whole calls behind a number, the oldest first, each with its number."""
    number = dialect.number
    where, values = _where(dialect, selection, (f"{number} > {dialect.mark}", after))
    return (
        f"SELECT {number}, {', '.join(COLUMNS)} FROM {dialect.calls}{where} ORDER BY {number} LIMIT {dialect.mark}",
        [*values, limit],
    )


def count(dialect: Dialect, selection: Selection) -> Query:
    """Returns the query for how many calls there are, and the highest of their numbers."""
    where, values = _where(dialect, selection)
    return f"SELECT count(*), max({dialect.number}) FROM {dialect.calls}{where}", values


def drop(dialect: Dialect, selection: Selection, upto: int, limit: int) -> Query:
    """Returns the statement that deletes some calls up to a number."""
    number = dialect.number
    where, values = _where(dialect, selection, (f"{number} <= {dialect.mark}", upto))
    return (
        f"DELETE FROM {dialect.calls} WHERE {number} IN"
        f" (SELECT {number} FROM {dialect.calls}{where} ORDER BY {number} LIMIT {dialect.mark})",
        [*values, limit],
    )


def _where(dialect: Dialect, selection: Selection, *further: tuple[str, object]) -> Query:
    mark = dialect.mark
    conditions = [
        (f"model = {mark}", selection.model),
        (f"provider = {mark}", selection.provider),
        (f"rule = {mark}", selection.rule),
        (f"created_at >= {mark}", selection.since),
        (f"created_at < {mark}", selection.until),
        (f"{dialect.position}(request, {mark}) > 0", selection.containing or None),
        *further,
    ]
    texts = [text for text, value in conditions if value is not None]
    values: list[object] = [value for _, value in conditions if value is not None]
    if selection.keys is not None:
        texts.append(dialect.has_key)
        values += dialect.keys(sorted(selection.keys))
    return (f" WHERE {' AND '.join(texts)}" if texts else ""), values
