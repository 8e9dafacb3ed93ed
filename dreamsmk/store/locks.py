"""Locks between processes, which the system frees when their holder dies, however it dies.

Contract: at most one process holds the lock of a path. Whoever holds it may delete the file as its last
act: those that wait for it notice, and take the file that is there then. A process that was forked, and not made anew,
shares its parent's lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from dreamsmk.store.files import storing


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds an exclusive lock, waiting for it.

    Raises:
        StoreError: The lock cannot be made.
    """
    file = _take(path, is_waiting=True)
    assert file is not None
    with file:
        yield


@contextlib.contextmanager
def try_locked(path: Path) -> Iterator[bool]:
    """Holds an exclusive lock if nobody else does, and says whether it does.

    Raises:
        StoreError: The lock cannot be made.
    """
    file = _take(path, is_waiting=False)
    if file is None:
        yield False
        return
    with file:
        yield True


def _take(path: Path, *, is_waiting: bool) -> IO[bytes] | None:
    flags = fcntl.LOCK_EX if is_waiting else fcntl.LOCK_EX | fcntl.LOCK_NB
    with storing(path):
        while True:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = open(path, "a+b")  # noqa: SIM115 - the lock lasts as long as the file is open
            try:
                fcntl.flock(file, flags)
                if _stands_at(path, file):
                    return file
            except BlockingIOError:
                file.close()
                return None
            except BaseException:
                file.close()
                raise
            # the collector deleted it between the two calls: a lock on it keeps nobody out
            file.close()


def _stands_at(path: Path, file: IO[bytes]) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
