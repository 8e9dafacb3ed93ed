"""Copies of outputs that cost little and are safe: reflink, hard link, or plain copy.

Contract: a placed copy shares no inode with anything that another target uses, so that Snakemake's touch of one output
never ages another. Only what is large is ever hard-linked to the store: an edit in place of such a target changes the
inode's modification time, size or change time, and the store trusts no output whose signature is not the one it was
verified with. What goes into the store is freed of links first, so that it depends on nothing outside.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import stat
from pathlib import Path

from dreamsmk.store.files import beside, is_real_folder, remove, replace, sync_content

# A file up to this size is copied rather than linked: a copy costs little, and an edit in place of the target can
# then never reach the store.
COPY_LIMIT_BYTES = 16 * 2**20

_FICLONE = 0x40049409  # ioctl request of Linux that shares extents between two files (reflink)


def place(source: Path, target: Path) -> None:
    """Puts a copy of a file or folder at `target`, in one step for whoever looks at it.

    Raises:
        OSError: It cannot be copied; what stood at the target still does.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = beside(target)
    try:
        _copy(source, temporary, may_link=True)
        sync_content(temporary)
        replace(temporary, target)
    except BaseException:
        remove(temporary)
        raise


def move(source: Path, target: Path) -> None:
    """Moves a file or folder onto `target`, by way of a copy where that lies on another file system.

    Raises:
        OSError: It cannot be moved.
    """
    try:
        replace(source, target)
    except OSError as exc:
        if exc.errno != errno.EXDEV:
            raise
        place(source, target)
        remove(source)


def make_self_contained(path: Path) -> None:
    """Replaces symbolic links, at a path and in it, by copies of what they lead to, and lets its folders be moved.

    Raises:
        OSError: A link leads nowhere.
    """
    if path.is_symlink():
        temporary = beside(path)
        try:
            _copy(path.resolve(strict=True), temporary, may_link=False)
            replace(temporary, path)
        except BaseException:
            remove(temporary)
            raise
    elif path.is_dir():
        os.chmod(path, path.stat().st_mode | stat.S_IRWXU)  # a read-only folder cannot be renamed
        for folder, folders, files in os.walk(path):
            for name in (*folders, *files):
                if os.path.islink(inside := os.path.join(folder, name)):
                    make_self_contained(Path(inside))


def _copy(source: Path, target: Path, *, may_link: bool) -> None:
    if not source.is_dir():
        _clone(source, target, may_link=may_link)
        return
    for folder, _, names in os.walk(source, followlinks=True):
        inside = os.path.join(target, os.path.relpath(folder, source))
        os.makedirs(inside, exist_ok=True)
        for name in names:
            _clone(os.path.join(folder, name), os.path.join(inside, name), may_link=may_link)


def _clone(source: str | Path, target: str | Path, *, may_link: bool) -> None:
    """Copies one file the cheapest way that is safe."""
    if os.stat(source).st_size > COPY_LIMIT_BYTES:
        if _reflink(source, target):
            return
        if may_link and _link(source, target):
            return
    shutil.copyfile(source, target)


def _reflink(source: str | Path, target: str | Path) -> bool:
    with open(source, "rb") as reader, open(target, "wb") as writer:
        try:
            fcntl.ioctl(writer.fileno(), _FICLONE, reader.fileno())
        except OSError:
            os.unlink(target)
            return False
    return True


def _link(source: str | Path, target: str | Path) -> bool:
    """Links a file that nothing else is linked to, and that can be written: a link shares its permissions."""
    status = os.lstat(source)
    if status.st_nlink != 1 or not stat.S_ISREG(status.st_mode) or not status.st_mode & stat.S_IWUSR:
        return False
    with contextlib.suppress(OSError):
        os.link(source, target)
        if os.stat(target).st_nlink == 2:
            return True
        os.unlink(target)  # another process linked it at the same time
    return False


def size_of(path: Path, *, only_unshared: bool = False) -> int:
    """Returns the bytes of a file, or of all files below a folder; 0 for what is not there.

    Args:
        path: A file or folder.
        only_unshared: Whether to leave out files with another hard link, whose removal frees nothing.
    """
    if is_real_folder(path):
        with contextlib.suppress(FileNotFoundError), os.scandir(path) as entries:
            return sum(size_of(Path(entry.path), only_unshared=only_unshared) for entry in entries)
        return 0
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return 0
    return 0 if only_unshared and status.st_nlink > 1 else status.st_size
