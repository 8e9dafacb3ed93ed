"""The columns of a table that is handed on with more columns beside its own.

Contract: no column is ever lost to another of the same name: that is an error, before anything is asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dreamsmk.errors import SettingsError, nearest


# Any: JSON.
def widened_columns(have: Sequence[str] | None, added: Iterable[str], params: Mapping[str, Any]) -> list[str] | None:
    """Returns the names of a table's columns with some after them, which the parameter `columns` may rename.

    Args:
        have: The columns of the table; None where they are not known yet.
        added: The columns that come after them.
        params: The rule's parameters.

    Returns:
        The names; None where they are not known yet.

    Raises:
        SettingsError: `columns` names none of the new ones, or two columns would have the same name.
    """
    if have is None:
        return None
    columns, renamed = list(added), params["columns"]
    for name in renamed:
        if name not in columns:
            raise SettingsError(f"there is no new column {name!r}", where="columns", hint=nearest(name, columns))
    names = [*have, *(renamed.get(name, name) for name in columns)]
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        hint = "give one of them another name with the parameter columns"
        raise SettingsError(f"two columns would be called {twice!r}", where="columns", hint=hint)
    return names
