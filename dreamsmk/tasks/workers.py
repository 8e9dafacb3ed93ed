"""Work on batches in several processes, in order and in bounded memory.

Contract: results come in the order of the batches; no more than two batches a process wait. A worker process is started
afresh (spawned), so that it shares no lock or thread with this one, and does not run this one's script again.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from multiprocessing import get_context
from types import ModuleType
from typing import TypeVar

from dreamsmk.errors import TableError

_WAITING_PER_PROCESS = 2
_ONE_THREAD = ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

T = TypeVar("T")
R = TypeVar("R")


def in_order(work: Callable[[T], R], batches: Iterable[T], *, processes: int) -> Iterator[R]:
    """Yields what `work` makes of each batch, in their order.

    Args:
        work: What to do with a batch; it and the batches are pickled, unless there is only one process.
        batches: The batches, taken as they are needed.
        processes: Worker processes; with one or none of them, this process does the work.

    Raises:
        TableError: A worker process died.
    """
    if processes <= 1:
        yield from map(work, batches)
        return
    source = iter(batches)
    with _fresh_processes(), ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        waiting: deque[Future[R]] = deque()
        try:
            for batch in islice(source, processes * _WAITING_PER_PROCESS):
                waiting.append(pool.submit(work, batch))
            while waiting:
                made = waiting.popleft().result()
                waiting.extend(pool.submit(work, batch) for batch in islice(source, 1))
                yield made
        except BrokenProcessPool as exc:
            hint = "it was killed, perhaps for want of memory: give the rule fewer threads or more mem_mb"
            raise TableError("a worker process died", hint=hint) from exc
        finally:
            pool.shutdown(cancel_futures=True)


@contextmanager
def _fresh_processes() -> Iterator[None]:
    """Lets spawned processes begin with nothing: one thread each, and without this process's main module.

    Python would execute the script of this process in each of them, and that is the job itself.
    """
    main, before = sys.modules["__main__"], {name: os.environ.get(name) for name in _ONE_THREAD}
    sys.modules["__main__"] = ModuleType("__main__")
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    try:
        yield
    finally:
        sys.modules["__main__"] = main
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
