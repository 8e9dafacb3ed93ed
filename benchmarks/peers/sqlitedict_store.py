"""sqlitedict with a commit a row, as it must be where no reply may be lost."""

from __future__ import annotations

from typing import Any

PACKAGE = "sqlitedict"
MOST_ROWS = 20_000


def open_store(folder: str) -> Store:
    """Returns the store in a folder."""
    return Store(folder)


class Store:
    def __init__(self, folder: str) -> None:
        import sqlitedict

        # Any: the package has no types.
        self._rows: Any = sqlitedict.SqliteDict(f"{folder}/rows.sqlite", autocommit=True, journal_mode="WAL")

    def put(self, key: str, request: str, reply: dict[str, Any]) -> None:
        self._rows[key] = (request, reply)

    def get(self, key: str, request: str) -> dict[str, Any]:
        value: dict[str, Any] = self._rows[key][1]
        return value
