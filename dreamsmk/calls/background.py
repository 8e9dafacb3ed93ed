"""The one asyncio loop of the process, in a background thread, for everything that talks to services.

One loop for all: the connections of a provider belong to the loop that opened them, and a provider outlives the calls
of one task step. Contract: the loop starts when it is first asked for; on a normal end of the process, whatever was
registered with `on_exit` runs before the loop stops.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
import weakref
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

Result = TypeVar("Result")


class Stoppable(Protocol):
    """What has calls in flight."""

    def stop(self, grace_seconds: float | None) -> None:
        """Waits for what is in flight and gives up the rest."""
        ...


EXIT_GRACE_SECONDS = 5.0


class BackgroundLoop:
    """An asyncio loop in a daemon thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._pid = os.getpid()
        self._active: weakref.WeakSet[Stoppable] = weakref.WeakSet()
        self._thread = threading.Thread(target=self.loop.run_forever, name="dreamsmk-calls", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:  # Any: the loop's own protocol with a coroutine
        """Runs a coroutine on the loop and returns its result; cancels it when the wait is interrupted."""
        future: Future[Result] = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def is_current(self) -> bool:
        """Whether the calling thread is the one that runs the loop."""
        return threading.current_thread() is self._thread

    def on_exit(self, stoppable: Stoppable) -> None:
        """Lets `stoppable` come to its end before the process ends, if it still exists then."""
        self._active.add(stoppable)

    def close(self) -> None:
        """Lets everything in flight come to its end, and ends the thread."""
        if os.getpid() != self._pid:
            return  # a forked child: the thread lives on in the parent
        for stoppable in list(self._active):
            stoppable.stop(EXIT_GRACE_SECONDS)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


_lock = threading.Lock()
_loops: dict[int, BackgroundLoop] = {}


def background_loop() -> BackgroundLoop:
    """Returns the loop of this process."""
    with _lock:
        # By process: after a fork the thread is gone, and the child gets a loop of its own.
        if os.getpid() not in _loops:
            _loops.clear()
            _loops[os.getpid()] = BackgroundLoop()
        return _loops[os.getpid()]
