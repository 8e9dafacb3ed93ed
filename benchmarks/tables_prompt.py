"""`process_with_prompt` over a table with the `echo` provider and a durable cache, in a process of its own.

`python -m benchmarks.tables_prompt TABLE FOLDER` prints `{"seconds", "rows", "peak_mib"}` of a run without any reply in
the cache, and the `again_seconds` of one with all of them, as JSON. PROFILE=1 tells on stderr what takes the time.
"""

from __future__ import annotations

import cProfile
import json
import os
import pstats
import sys
import time
from pathlib import Path

from benchmarks.tables_steps import Silence, timed
from dreamsmk.calls import CachedModel, SqliteCallCache
from dreamsmk.providers import resolve_identity
from dreamsmk.settings import ModelSpec, validate_params
from dreamsmk.smk.meta import load_meta
from dreamsmk.tables import row_count
from dreamsmk.tasks.context import Context

PARAMS = {"model": "teacher", "inputs": "text", "instruction": "Write it as a tweet."}


def ask(table: Path, folder: Path) -> None:
    """Runs the task as its job does, cache and table included."""
    meta, spec = load_meta("process_with_prompt"), ModelSpec(provider="echo", model="teacher")
    with SqliteCallCache(folder / "calls.db") as cache:
        identity = resolve_identity(spec, lambda folder: "")
        model = CachedModel("teacher", spec, identity, cache, rule="process_with_prompt")
        context = Context(
            params=validate_params(meta.params, PARAMS, where="process_with_prompt"),
            inputs={"table": [table]},
            outputs={"table": folder / "table.parquet"},
            scratch=folder,
            model=lambda alias: model,
            progress=Silence(),
        )
        try:
            meta.load_task()(context)
        finally:
            model.close()


def main() -> None:
    table, folder = Path(sys.argv[1]), Path(sys.argv[2])
    with cProfile.Profile() as profile:
        if not os.environ.get("PROFILE"):
            profile.disable()
        figures = timed(lambda: ask(table, folder))
    if os.environ.get("PROFILE"):
        pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(25)
    started = time.perf_counter()
    ask(table, folder)
    again = time.perf_counter() - started
    print(json.dumps({**figures, "again_seconds": again, "rows": row_count(folder / "table.parquet")}))


if __name__ == "__main__":
    main()
