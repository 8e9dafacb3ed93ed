"""What breaks a training that was right: too little memory, too little room on the disk.

Contract: either is told as an error that says what to lower or to clear; what else fails is raised as it is. Libraries
write files in their own ways (torch says `iostream error` where the disk is full), so that the disk itself is asked.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dreamsmk.errors import TrainingError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_PROBE_BYTES = 1 << 20


@contextmanager
def breakdowns_told(folder: Path) -> Iterator[None]:
    """Within it a training runs, and writes into a folder.

    Raises:
        TrainingError: Memory or disk space ran out.
    """
    import torch
    from safetensors import SafetensorError

    try:
        yield
    except torch.OutOfMemoryError as exc:
        raise _too_little_memory("the GPU has") from exc
    except MemoryError as exc:
        raise _too_little_memory("the machine has") from exc
    except (OSError, RuntimeError, SafetensorError) as exc:
        # torch's allocator for CPUs has no exception of its own
        if "can't allocate memory" in str(exc):
            raise _too_little_memory("the machine has") from exc
        if not (getattr(exc, "errno", None) in _FULL or _is_full(folder)):
            raise
        raise TrainingError(
            "the disk is full, so that no checkpoint or model can be written",
            where=str(folder),
            hint="make room and run again: the training goes on from its last checkpoint",
        ) from exc


def _too_little_memory(who: str) -> TrainingError:
    return TrainingError(
        f"{who} too little memory for the batch",
        hint="raise gradient_accumulation_steps, set gradient_checkpointing, or lower max_length",
    )


def _is_full(folder: Path) -> bool:
    """Says whether a mebibyte can no longer be written: what failed to be written has taken the rest."""
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / f".probe-{os.getpid()}"
    try:
        with probe.open("wb") as file:
            file.write(b"\0" * _PROBE_BYTES)
            os.fsync(file.fileno())
    except OSError as exc:
        return exc.errno in _FULL
    finally:
        probe.unlink(missing_ok=True)
    return False
