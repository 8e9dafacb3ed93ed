"""Who holds a claim: one cache of one process, named so that others can tell whether that process still lives.

Contract: a process is known by the machine's boot, its namespace of process ids, its id and its start time, so that an
id that was given to another process since is never taken for the old one. Where that cannot be asked (another machine,
another container), nothing is said, and time must tell.
"""

from __future__ import annotations

import json
import os
import socket
import uuid
from functools import cache
from pathlib import Path

# What `/proc` says of a process that has ended and was not waited for yet: `Z`, `X`.
_ENDED = frozenset("ZXx")


def new_owner() -> str:
    """Returns a name for one holder of claims of this process: JSON of place, process id, start time and a number."""
    return json.dumps([*_place(), os.getpid(), _started(os.getpid()), uuid.uuid4().hex])


def has_ended(owner: str) -> bool | None:
    """Tells whether the process of a holder has ended; None where this process cannot know."""
    *place, process_id, started, _ = json.loads(owner)
    if place != _place():
        return None
    if process_id == os.getpid():
        return False
    if started is None:
        return not _exists(process_id)
    return bool(_started(process_id) != started)


@cache
def _place() -> list[str]:
    """Returns what two processes share that can look each other up: the host, its boot, the process ids they see."""
    return [socket.gethostname(), _read("/proc/sys/kernel/random/boot_id"), _namespace()]


def _namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _started(process_id: int) -> str | None:
    """Returns the start time of a process in clock ticks since boot; None where it has ended or nobody knows."""
    # The name, in parentheses, may hold anything; behind it are the state and, as 20th field, the start time.
    fields = _read(f"/proc/{process_id}/stat").rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 and fields[0] not in _ENDED else None


def _exists(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
