"""The first rows of a table, as a card shows them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dreamsmk.cards.privacy import public_path
from dreamsmk.cards.trace import Record
from dreamsmk.settings import spec_fields


@dataclass(frozen=True, slots=True)
class Sample:
    """The first rows of a table.

    Attributes:
        rows: One list a row, in the order of `columns`; cells are text, cut to a length, or `None`.
        total_rows: How many rows the table has.
        made_by: The step that made the table, which need not be one of those that made the targets.
    """

    path: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]
    total_rows: int
    # Any: JSON.
    made_by: Mapping[str, Any] | None = None

    # Any: JSON.
    def to_json(self) -> dict[str, Any]:
        """Returns the sample as it stands in a card."""
        rows = [list(row) for row in self.rows]
        return {
            "path": self.path,
            "columns": list(self.columns),
            "rows": rows,
            "total_rows": self.total_rows,
            "made_by": dict(self.made_by) if self.made_by else None,
        }


def read_sample(path: Path, *, rows: int = 3, cell_characters: int = 400, record: Record | None = None) -> Sample:
    """Returns the first rows of a table.

    Args:
        path: A table.
        rows: How many rows, at most.
        cell_characters: The length at which a cell is cut; what was cut off is marked by `…`.
        record: The record of the table.

    Raises:
        TableError: The table cannot be read.
    """
    from dreamsmk.tables import row_count, scan_table

    frame = scan_table(path).head(rows).collect()
    cells = tuple(tuple(_cell(value, cell_characters) for value in row) for row in frame.iter_rows())
    return Sample(public_path(path.as_posix()), tuple(frame.columns), cells, row_count(path), _maker(record))


# Any: JSON.
def _maker(record: Record | None) -> dict[str, Any] | None:
    if record is None:
        return None
    params = record["preimage"].get("params") or {}
    names = [field.name for field in spec_fields("sampling")]
    return {
        "name": record.get("rule") or record["task"]["name"],
        "fingerprint": record["fingerprint"],
        "models": sorted(
            {public_path(str(m["spec"].get("adapter") or m["spec"]["model"])) for m in record["models"].values()}
        ),
        "sampling": {name: params[name] for name in names if params.get(name) not in (None, [])},
    }


def _cell(value: object, length: int) -> str | None:
    if value is None:
        return None
    text = _text(value)
    return text if len(text) <= length else text[: max(length - 1, 0)].rstrip() + "…"


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return f"({len(value)} bytes)"
    if hasattr(value, "to_list"):
        value = value.to_list()
    if isinstance(value, (list, Mapping)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)
