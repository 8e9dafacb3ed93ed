"""diskcache as it is by default; it does not wait for the disk."""

from __future__ import annotations

from typing import Any

PACKAGE = "diskcache"
MOST_ROWS = 50_000


def open_store(folder: str) -> Store:
    """Returns the store in a folder."""
    return Store(folder)


class Store:
    def __init__(self, folder: str) -> None:
        import diskcache

        self._cache: Any = diskcache.Cache(f"{folder}/diskcache")  # Any: the package has no types

    def put(self, key: str, request: str, reply: dict[str, Any]) -> None:
        self._cache.set(key, (request, reply))

    def get(self, key: str, request: str) -> dict[str, Any]:
        value: dict[str, Any] = self._cache.get(key)[1]
        return value
