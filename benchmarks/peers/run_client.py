"""Measures one client: `python -m benchmarks.peers.run_client MODULE URL FIRST COUNT CONCURRENCY [slow] [sample]`.

A client's module has `run(prompts, url, concurrency)`, which returns the texts of the replies in order (None for a row
without one), and the name of its `PACKAGE`. It is run once over a few prompts, so that imports and first-time costs are
not measured, and then over those that are. `slow` marks one prompt in a hundred as slow, `sample` tells on
stderr where the time goes.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import time
from importlib import metadata

from benchmarks.sampling import Sampler
from benchmarks.workload import KEY, KEY_NAMES, is_reply_to, prompts, with_slow

WARM_UP_ROWS = 300
# Beyond the rows of every measurement.
WARM_UP_FIRST = 900_000_000


def main() -> None:
    module, url, first, count, concurrency, *flags = sys.argv[1:]
    os.environ.update(dict.fromkeys(KEY_NAMES, KEY))
    # Talk goes to stderr, whatever a client prints: stdout is the result alone.
    result, sys.stdout = sys.stdout, sys.stderr
    client = importlib.import_module(f"benchmarks.peers.{module}")
    client.run(list(prompts(WARM_UP_ROWS, start=WARM_UP_FIRST)), url, int(concurrency))
    asked = list(prompts(int(count), start=int(first)))
    if "slow" in flags:
        asked = with_slow(asked)
    sampler = Sampler() if "sample" in flags else None
    if sampler is not None:
        sampler.start()
    gc.collect()
    cpu, started = time.process_time(), time.perf_counter()
    texts = client.run(asked, url, int(concurrency))
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    if sampler is not None:
        sampler.stop()
    right = sum(map(is_reply_to, asked, texts))
    value = {"seconds": seconds, "cpu_seconds": cpu, "rows": len(asked), "right": right}
    print(json.dumps(value | {"version": metadata.version(client.PACKAGE)}), file=result, flush=True)
    # Some clients leave threads or processes behind that would hold this one up.
    os._exit(0)


if __name__ == "__main__":
    main()
