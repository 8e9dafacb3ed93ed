"""What `stat` says of a file, and when that is enough to tell that the file has not changed.

Contract: equal signatures mean equal content, given that the signature was *settled* when the content was read: no
later write can leave the same time stamp behind. A file that was written in the same tick of the file system's clock
as it was read in is not settled (the "racy" files of git), whatever its modification time says: `touch` can set that
one, the change time never.
"""

from __future__ import annotations

import functools
import os
import stat
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

from dreamsmk.errors import DreamsmkError, IdentityError

_FIELDS = struct.Struct("<QQqqq")
_ATTEMPTS = 3
# The kernel stamps files with its tick, at most 10 ms (15.6 ms on Windows).
_TICK_NS = 50_000_000
# File systems without fractions of a millisecond: FAT has 2 s, some network file systems and ext3 have 1 s.
_COARSE_TICK_NS = 2_000_000_000
_NETWORK_TYPES = (
    "nfs",
    "cifs",
    "smb",
    "lustre",
    "beegfs",
    "gpfs",
    "ceph",
    "afs",
    "9p",
    "virtiofs",
    "fuse",
    "pvfs",
    "orangefs",
)

S = TypeVar("S")
T = TypeVar("T")


class Signature(NamedTuple):
    """The identity and the times of a file, in nanoseconds since 1970."""

    device: int
    inode: int
    size_bytes: int
    mtime_ns: int
    ctime_ns: int

    def packed(self) -> bytes:
        """Returns the signature as 40 bytes."""
        return _FIELDS.pack(*self)

    def is_settled(self, read_at_ns: int) -> bool:
        """Tells whether every write after `read_at_ns` must have changed this signature."""
        # On Windows the "change time" is the time of creation.
        stamp = self.ctime_ns if os.name == "posix" else self.mtime_ns
        return stamp + self.tick_ns() < read_at_ns

    def is_settled_for_writer(self, now_ns: int) -> bool:
        """Tells the same for who wrote the content and knows that nobody else does so within the same fine tick."""
        return self.tick_ns() == _TICK_NS or self.is_settled(now_ns)

    def tick_ns(self) -> int:
        """Returns the longest time in which two writes can get the same time stamp."""
        has_fine_clock = self.ctime_ns % 1_000_000 != 0 and not is_network_device(self.device)
        return _TICK_NS if has_fine_clock else _COARSE_TICK_NS


def signature_of(status: os.stat_result) -> Signature:
    """Returns the signature in what `stat` gave."""
    return Signature(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def read_status(path: str | os.PathLike[str]) -> os.stat_result:
    """Returns the status of what a path leads to.

    A network file system may answer `stat` from its cache; opening a file makes it ask the server.

    Raises:
        OSError: The path leads nowhere, or cannot be asked for.
    """
    return confirmed_status(path, os.stat(path))


def confirmed_status(path: str | os.PathLike[str], status: os.stat_result) -> os.stat_result:
    """Returns the status that the server has of a regular file, where it may differ from the one given."""
    if not is_network_device(status.st_dev) or not stat.S_ISREG(status.st_mode):
        return status
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)


@functools.lru_cache(maxsize=256)
def is_network_device(device: int) -> bool:
    """Tells whether a device number belongs to a network file system; False where that cannot be found out."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text(errors="surrogateescape")
    except OSError:
        return False
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) > 2 and fields[2] == number:
            return after.startswith(_NETWORK_TYPES)
    return False


def wait_for_tick(signature: Signature, *, at_least_bytes: int) -> None:
    """Waits until a big file that was written just now is settled, so that it need not be read a second time."""
    tick_ns = signature.tick_ns()
    age_ns = time.time_ns() - signature.ctime_ns
    if signature.size_bytes >= at_least_bytes and tick_ns == _TICK_NS and 0 <= age_ns <= tick_ns:
        time.sleep((tick_ns - age_ns + 1_000_000) / 1e9)


def while_unchanged(path: Path, observe: Callable[[], S], compute: Callable[[S], T]) -> tuple[S, T]:
    """Returns what `compute` reads from a path, and what was observed of the path before and after it, unchanged.

    Raises:
        IdentityError: The path changed at each of three attempts.
        Exception: What `observe` raises, and what `compute` raises where nothing changed meanwhile.
    """
    for _ in range(_ATTEMPTS):
        before = observe()
        try:
            result = compute(before)
        except (DreamsmkError, OSError):
            if observe() == before:
                raise
            continue
        if observe() == before:
            return before, result
    raise changing(path)


def changing(path: Path) -> IdentityError:
    """Returns the error for a path whose content does not stay the same long enough to be read."""
    return IdentityError("it changes while it is read", where=str(path), hint="wait until its writer is done")


def unreadable(path: str | os.PathLike[str], exc: OSError) -> IdentityError:
    """Returns the error for a path that could not be read."""
    reason = exc.strerror or str(exc)
    return IdentityError(f"no digest: {reason[:1].lower()}{reason[1:]}", where=os.fspath(path))
