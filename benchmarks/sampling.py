"""Where the time goes: looks at the stacks of all threads a thousand times a second.

`python -m benchmarks.sampling MODULE ARGUMENT...` runs a module as `python -m` would and then prints, for each thread,
the lines that were seen most often, by themselves and with what they called. A thread that waits is not counted.
"""

from __future__ import annotations

import atexit
import runpy
import sys
import threading
import time
from collections import Counter
from types import FrameType

INTERVAL_SECONDS = 0.001
MOST_LINES = 25
_WAITING = {("selectors.py", "select"), ("threading.py", "wait"), ("threading.py", "_wait_for_tstate_lock")}


class Sampler:
    """Counts lines of code by thread while it runs."""

    def __init__(self) -> None:
        self._own: Counter[tuple[str, str]] = Counter()
        self._whole: Counter[tuple[str, str]] = Counter()
        self._is_stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)

    def start(self) -> None:
        """Starts to look."""
        self._thread.start()

    def stop(self) -> None:
        """Looks no more and prints what was seen."""
        self._is_stopped.set()
        self._thread.join()
        for name, counts in (("by itself", self._own), ("with what it calls", self._whole)):
            total = sum(self._own.values())
            print(f"--- {name}, share of {total} looks", file=sys.stderr)
            for (thread, line), count in counts.most_common(MOST_LINES):
                print(f"{count / total:6.1%}  {thread:22} {line}", file=sys.stderr)

    def _run(self) -> None:
        while not self._is_stopped.is_set():
            names = {thread.ident: thread.name for thread in threading.enumerate()}
            for ident, frame in sys._current_frames().items():
                if ident != threading.get_ident() and not _is_waiting(frame):
                    self._count(names.get(ident, "?"), frame)
            time.sleep(INTERVAL_SECONDS)

    def _count(self, thread: str, frame: FrameType) -> None:
        self._own[thread, _line(frame)] += 1
        seen: set[str] = set()
        inner: FrameType | None = frame
        while inner is not None:
            seen.add(_line(inner))
            inner = inner.f_back
        self._whole.update((thread, line) for line in seen)


def _is_waiting(frame: FrameType) -> bool:
    return (frame.f_code.co_filename.rpartition("/")[2], frame.f_code.co_name) in _WAITING


def _line(frame: FrameType) -> str:
    name = "/".join(frame.f_code.co_filename.split("/")[-3:])
    return f"{name}:{frame.f_lineno} {frame.f_code.co_name}"


def main() -> None:
    """Runs a module under a sampler."""
    module, sys.argv = sys.argv[1], sys.argv[1:]
    sampler = Sampler()
    atexit.register(sampler.stop)
    sampler.start()
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
