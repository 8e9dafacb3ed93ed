"""SQL that users write: what it may not say, and its faults told.

Contract: the dialect is that of polars' SQL interface. A query sees its tables and nothing else: no file, no clock.
These are words of the text, outside of quotes and comments; whether it is SQL at all, polars says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from dreamsmk.errors import DreamsmkError, SettingsError, TableError, nearest

# What polars itself calls the one table of a query; TABLE is a word of the language.
ONE = "self"

_HIDDEN = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/", re.DOTALL)
_FILES = re.compile(r"\bread_\w+\s*\(", re.IGNORECASE)
_CLOCK = re.compile(r"\b(current_(date|time|timestamp)|localtime|localtimestamp)\b|\bnow\s*\(", re.IGNORECASE)
BEGINNING = re.compile(r"[\s(]*(select|with|from|values)\b", re.IGNORECASE)
# What looks at more than one row.
_MANY_ROWS = re.compile(
    r"\b(select|over|(avg|mean|sum|count|min|max|median|first|last|lag|lead|stdev|stddev|stddev_samp|variance|var|var_samp"
    r"|quantile_cont|quantile_disc|corr|covar|covar_samp|covar_pop|row_number|rank|dense_rank|array_agg|string_agg"
    r"|listagg|group_concat|total|first_value|last_value|nth_value|ntile|mode)(?=\s*\())\b",
    re.IGNORECASE,
)


def bare(text: str) -> str:
    """Returns a text with blanks in place of what is quoted or a comment; all else stays where it is."""
    return _HIDDEN.sub(lambda found: " " * len(found[0]), text)


def require_pure(text: str, where: str) -> None:
    """Raises `SettingsError` for SQL that reads files or the clock, which no fingerprint sees."""
    if found := _FILES.search(bare(text)):
        hint = "make the file an input, and name it in tables"
        raise SettingsError(f"{found[0].rstrip('( ')} reads a file that is no input", where=where, hint=hint)
    if found := _CLOCK.search(bare(text)):
        raise SettingsError(f"{found[0].rstrip('( ')} depends on the clock", where=where, hint="write the date out")


def require_query(text: str, where: str) -> None:
    """Raises `SettingsError` for a statement that is no query, or is not pure."""
    require_pure(text, where)
    if not BEGINNING.match(bare(text)):
        raise SettingsError("this is no query", where=where, hint="begin with SELECT or WITH")


def require_row_wise(text: str, where: str) -> None:
    """Raises `SettingsError` for a condition that is not of one row alone, or is not pure."""
    require_pure(text, where)
    plain = bare(text)
    if found := _MANY_ROWS.search(plain):
        hint = "the rule sql looks at several rows, as in SELECT … WHERE score > (SELECT avg(score) …)"
        raise SettingsError(f"a condition is of one row, and {found[0]} is of many", where=where, hint=hint)
    depth = 0
    for character in plain:
        depth += (character == "(") - (character == ")")
        if depth < 0 or character == ";":
            raise SettingsError(f"this is no condition: {text[:80]!r}", where=where, hint="close what is open")


@contextmanager
def telling(what: str, where: str, tables: Mapping[str, Sequence[str]]) -> Iterator[None]:
    """Turns what polars says about SQL into an error of ours.

    Args:
        what: What is wrong then, such as "the query fails".
        where: The parameter.
        tables: The columns of each table that the SQL may name.

    Raises:
        TableError: It names a column that no table has.
        SettingsError: All else.
    """
    import polars as pl

    try:
        yield
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as exc:
        raise _told(exc, what, where, tables) from exc


def _told(exc: BaseException, what: str, where: str, tables: Mapping[str, Sequence[str]]) -> DreamsmkError:
    missing = re.match(r"unable to find column \"([^\"]*)\"", str(exc))
    names = [name for columns in tables.values() for name in columns]
    if missing and missing[1] not in names:
        return TableError(f"the table has no column {missing[1]!r}", where=where, hint=nearest(missing[1], names))
    known = "; ".join(f"{name}: {', '.join(list(columns)[:12])}" for name, columns in tables.items())
    return SettingsError(f"{what}: {first_line(exc)}", where=where, hint=f"there is {known}")


def first_line(exc: BaseException) -> str:
    """Returns what polars says, in one line."""
    return (str(exc).splitlines() or [type(exc).__name__])[0]
