"""A run whose every reply is cached: `python -m benchmarks.replaying fill|replay COUNT PATH` prints what it does.

`fill` stores replies to as many prompts; `replay` asks for all of them again in a process of its own, as a task does:
prompt to request to key to cache to reply, in order. The endpoint is one where nobody listens.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from benchmarks.asking import model_of
from benchmarks.workload import KEY, KEY_NAMES, prompts, stored_reply
from dreamsmk.calls import SqliteCallCache
from dreamsmk.hashing import digest_bytes
from dreamsmk.requests import Response
from dreamsmk.requests.writing import RequestWriter

NOWHERE = "http://127.0.0.1:9/v1"


def fill(count: int, path: Path) -> dict[str, float]:
    """Stores the replies."""
    with SqliteCallCache(path) as cache:
        model = model_of(cache, base_url=NOWHERE)
        writer, started = RequestWriter(), time.perf_counter()
        for number, request in enumerate(model.requests(prompts(count))):
            body = writer.body(request)
            reply = Response.from_json(stored_reply(number))
            cache.put(digest_bytes(body, "sha256"), request, reply, rule="benchmark", body=body)
            if number % 50_000 == 0:
                cache.flush()  # so that what waits to be written never fills the memory
        cache.flush()
        return {"rows_per_second": count / (time.perf_counter() - started), "size_bytes": path.stat().st_size}


def replay(count: int, path: Path) -> dict[str, float]:
    """Asks for all of them again and looks at every reply."""
    os.environ.update(dict.fromkeys(KEY_NAMES, KEY))
    with SqliteCallCache(path) as cache:
        model = model_of(cache, base_url=NOWHERE)
        started, rows = time.perf_counter(), 0
        for reply in model.answer(model.requests(prompts(count)), total=count):
            rows += reply.finish_reason == "stop"
        seconds = time.perf_counter() - started
        assert rows == model.tally.hits == count
    return {"rows_per_second": count / seconds, "seconds": seconds, "peak_mib": peak_mib()}


def peak_mib() -> float:
    """Returns the most memory that this process has held, in MiB; it has no children.

    Not `getrusage`: its peak goes over from the process that started this one.
    """
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


if __name__ == "__main__":
    print(json.dumps({"fill": fill, "replay": replay}[sys.argv[1]](int(sys.argv[2]), Path(sys.argv[3]))))
