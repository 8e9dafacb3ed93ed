"""Deletion in two steps: out of sight by one rename, then file by file.

Contract: nobody ever sees a part of what is being deleted. What a killed collector left in the trash, the next one
removes.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from dreamsmk.store.files import remove
from dreamsmk.store.home import Home


def discard(home: Home, path: Path) -> None:
    """Moves a file or folder into the trash, if it is there."""
    home.trash.mkdir(parents=True, exist_ok=True)
    try:
        os.rename(path, home.discarded())
    except FileNotFoundError:
        return
    except OSError:
        # the trash is on another file system, or the folder is not ours to move
        remove(path)


def empty_trash(home: Home) -> None:
    """Removes what lies in the trash; several may do so at once."""
    with contextlib.suppress(FileNotFoundError):
        for entry in os.scandir(home.trash):
            remove(Path(entry.path))
