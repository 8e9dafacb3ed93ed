"""SIGTERM as an orderly end: replies in flight are paid for, so they are waited for and kept.

Contract: while at least one `exits_on_sigterm` is open in the main thread, SIGTERM raises `SystemExit(143)` there,
as Ctrl-C raises `KeyboardInterrupt`. A handler that the program has set itself is left alone.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

EXIT_CODE_OF_SIGTERM = 128 + signal.SIGTERM

# How many are open: generators may be opened and closed in any order.
_open = 0


@contextmanager
def exits_on_sigterm() -> Iterator[None]:
    """Lets SIGTERM raise `SystemExit` as long as this context is open."""
    global _open  # noqa: PLW0603  # signal handlers belong to the process
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    if _open == 0 and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _exit)
    _open += 1
    try:
        yield
    finally:
        _open -= 1
        is_main = threading.current_thread() is threading.main_thread()
        if _open == 0 and is_main and signal.getsignal(signal.SIGTERM) is _exit:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _exit(signum: int, frame: FrameType | None) -> None:
    raise SystemExit(EXIT_CODE_OF_SIGTERM)
