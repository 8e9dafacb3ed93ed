"""LiteLLM's disk cache with the key that it makes itself; it keeps the reply alone and does not wait for the disk."""

from __future__ import annotations

import json
from typing import Any

from benchmarks.peers.offline import stay_offline

PACKAGE = "litellm"
MOST_ROWS = 20_000


def open_store(folder: str) -> Store:
    """Returns the store in a folder."""
    return Store(folder)


class Store:
    def __init__(self, folder: str) -> None:
        stay_offline()
        from litellm.caching.caching import Cache, LiteLLMCacheType

        self._cache = Cache(type=LiteLLMCacheType.DISK, disk_cache_dir=f"{folder}/litellm")

    def put(self, key: str, request: str, reply: dict[str, Any]) -> None:
        value = json.loads(request)
        self._cache.add_cache(reply, model=value["model"]["model"], messages=value["messages"])

    def get(self, key: str, request: str) -> dict[str, Any] | None:
        value = json.loads(request)
        found: dict[str, Any] | None = self._cache.get_cache(model=value["model"]["model"], messages=value["messages"])
        return found
