"""The names of a table's columns: those that it has, those that a task adds, and what users call them.

Contract: no column is ever lost to another of the same name: that is an error, before anything is asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dreamsmk.errors import SettingsError, nearest


# Any: JSON.
def renamed(columns: Sequence[str], params: Mapping[str, Any]) -> list[str]:
    """Returns names of columns as the parameter `columns` gives them anew.

    Raises:
        SettingsError: It names none of these columns, or two get the same name.
    """
    new: Mapping[str, str] = params["columns"]
    for name in new:
        if name not in columns:
            raise SettingsError(f"there is no column {name!r} to rename", where="columns", hint=nearest(name, columns))
    return distinct([new.get(name, name) for name in columns])


# Any: JSON.
def widened(have: Sequence[str] | None, added: Sequence[str], params: Mapping[str, Any]) -> list[str] | None:
    """Returns the names of a table's columns with some after them, which the parameter `columns` may rename.

    Args:
        have: The columns of the table; None where they are not known yet.
        added: The columns that come after them.
        params: The rule's parameters.

    Returns:
        The names; None where they are not known yet.

    Raises:
        SettingsError: As `renamed`, or a new column is called as one of the table.
    """
    new = renamed(added, params)
    return None if have is None else distinct([*have, *new])


def distinct(names: Iterable[str], *, where: str = "columns") -> list[str]:
    """Returns names of columns, of which no two are the same.

    Raises:
        SettingsError: Two are.
    """
    found = list(names)
    twice = next((name for name, count in Counter(found).items() if count > 1), None)
    if twice is not None:
        raise SettingsError(f"two columns would be called {twice!r}", where=where, hint="give one of them another name")
    return found
