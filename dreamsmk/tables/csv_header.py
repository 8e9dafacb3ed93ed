"""The header of a delimited file: a name that is there twice is an error, where polars renames the second one.

Contract: polars reads the names; only where they look as if it had renamed one, or left quotes in one as they stand in
the file, is the header itself looked at.
"""

from __future__ import annotations

import csv
import itertools
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from dreamsmk.errors import TableError

# How polars 2.1 calls the second column of a name.
_RENAMED = re.compile(r"(.*)_duplicated_\d+", re.DOTALL)


def true_names(
    names: Sequence[str],
    path: Path,
    separator: str,
    *,
    quote: str | None = '"',
    skip_lines: int = 0,
    comment: str | None = None,
) -> list[str]:
    """Returns the names of a header, of which none is there twice.

    Args:
        names: The columns as polars names them.
        path: The file, in UTF-8.
        separator: What stands between two fields.
        quote: What stands around a field.
        skip_lines: How many lines stand before the header.
        comment: What a line begins with that is not read.

    Raises:
        TableError: A column is there twice.
    """
    known = set(names)
    if not any('"' in name or ((found := _RENAMED.fullmatch(name)) and found[1] in known) for name in names):
        return list(names)
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as text:
        after = itertools.islice(text, skip_lines, None)
        lines = (line for line in after if not (comment and line.startswith(comment)))
        quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE
        records = csv.reader(lines, delimiter=separator, quotechar=quote or '"', quoting=quoting)
        # polars takes the first line that is not empty for the header
        header = next((record for record in records if record), [])
    twice = [name for name, count in Counter(header).items() if count > 1]
    if twice:
        what = f"the column {twice[0]!r} is there twice" if twice[0] else "two columns have no name"
        raise TableError(what, where=f"{path}, header", hint="rename one: columns are told apart by their names")
    return header if len(header) == len(names) else list(names)
