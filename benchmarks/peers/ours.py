"""dreamsmk as a task uses it: prompts to requests to keys, the whole engine, and the durable SQLite cache."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.asking import model_of
from dreamsmk.calls import SqliteCallCache

PACKAGE = "dreamsmk"


def run(prompts: list[str], url: str, concurrency: int) -> list[str | None]:
    """Returns the replies; each of them is on the disk by then."""
    with tempfile.TemporaryDirectory() as folder, SqliteCallCache(Path(folder) / "calls.db") as cache:
        model = model_of(cache, base_url=url, max_concurrency=concurrency)
        texts: list[str | None] = [reply.text for reply in model.answer(model.requests(prompts))]
        model.close()
        return texts
