"""Measures one store: `python -m benchmarks.peers.run_store MODULE COUNT FOLDER`.

A store's module has `open_store(folder)`, which returns an object with `put(key, request, reply)` and
`get(key, request)`, the name of its `PACKAGE`, and `MOST_ROWS`: how many rows it is given where it is slow. A
reply goes in and comes out as a value of JSON, not as text that somebody else must make and read.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from importlib import metadata

from benchmarks.workload import stored_rows


def main() -> None:
    module, count, folder = sys.argv[1:]
    result, sys.stdout = sys.stdout, sys.stderr
    store = importlib.import_module(f"benchmarks.peers.{module}")
    texts = stored_rows(min(int(count), store.MOST_ROWS))
    rows = [(key, request, json.loads(reply)) for key, request, reply in texts]
    opened = store.open_store(folder)
    started = time.perf_counter()
    for key, request, reply in rows:
        opened.put(key, request, reply)
    put_seconds = time.perf_counter() - started
    opened = store.open_store(folder)
    started = time.perf_counter()
    for key, request, reply in rows:
        assert opened.get(key, request) == reply
    get_seconds = time.perf_counter() - started
    value = {"put": len(rows) / put_seconds, "get": len(rows) / get_seconds, "rows": len(rows)}
    print(json.dumps(value | {"version": metadata.version(store.PACKAGE)}), file=result, flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
