"""LangChain's SQLiteCache as it is by default."""

from __future__ import annotations

import json
import warnings
from typing import Any

PACKAGE = "langchain-community"
MOST_ROWS = 2_000
_MODEL = "benchmark-model at openai"


def open_store(folder: str) -> Store:
    """Returns the store in a folder."""
    return Store(folder)


class Store:
    def __init__(self, folder: str) -> None:
        warnings.simplefilter("ignore")
        from langchain_community.cache import SQLiteCache

        self._cache = SQLiteCache(f"{folder}/langchain.db")

    def put(self, key: str, request: str, reply: dict[str, Any]) -> None:
        from langchain_core.outputs import Generation

        self._cache.update(request, _MODEL, [Generation(text=json.dumps(reply))])

    def get(self, key: str, request: str) -> dict[str, Any] | None:
        found = self._cache.lookup(request, _MODEL)
        return json.loads(found[0].text) if found else None
