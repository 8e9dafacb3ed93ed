"""Files that appear whole or not at all: temporary name, fsync, rename.

Contract: a reader of a path written here sees the old content or the new, never a part. A placed copy shares no inode
with anything that another target uses, so that Snakemake's touch of one output never ages another.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import orjson

from dreamsmk.errors import StoreError

# A file up to this size is copied rather than linked: a copy costs little, and an edit in place of the target can
# then never reach the store.
COPY_LIMIT_BYTES = 16 * 2**20

_FICLONE = 0x40049409  # ioctl request of Linux that shares extents between two files (reflink)


def sync_folder(folder: Path) -> None:
    """Makes renames in a folder survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def beside(path: Path) -> Path:
    """Returns a hidden, unused name in the folder of `path`, on the same file system."""
    return path.with_name(f".{path.name[:80]}.{uuid.uuid4().hex[:12]}.tmp")


# Any: JSON.
def write_json(path: Path, value: object) -> None:
    """Writes JSON with sorted keys, atomically."""
    write_bytes(path, orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2) + b"\n")


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file atomically and durably."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = beside(path)
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync_folder(path.parent)
    except OSError as exc:
        raise StoreError(
            f"cannot write: {exc.strerror or exc}", where=str(path), hint="check free space and permissions"
        ) from exc


def remove(path: Path) -> None:
    """Removes a file, link or folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def replace(source: Path, target: Path) -> None:
    """Moves a file or folder onto `target`, whatever stands there, on the same file system."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir() or (target.is_dir() and not target.is_symlink()):
        # rename() cannot replace a folder that is not empty
        remove(target)
    os.replace(source, target)
    sync_folder(target.parent)


def place(source: Path, target: Path) -> None:
    """Puts a copy of a file or folder at `target`, in one step for whoever looks at it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = beside(target)
    try:
        if source.is_dir():
            for folder, _, names in os.walk(source):
                inside = temporary / Path(folder).relative_to(source)
                inside.mkdir(parents=True, exist_ok=True)
                for name in names:
                    _clone(Path(folder) / name, inside / name)
        else:
            _clone(source, temporary)
        replace(temporary, target)
    except BaseException:
        remove(temporary)
        raise


def _clone(source: Path, target: Path) -> None:
    """Copies one file the cheapest way that is safe: reflink, hard link for what is large and unshared, else copy."""
    status = source.stat()
    if status.st_size > COPY_LIMIT_BYTES:
        if _reflink(source, target):
            return
        if status.st_nlink == 1:
            with contextlib.suppress(OSError):
                os.link(source, target)
                return
    shutil.copyfile(source, target)


def _reflink(source: Path, target: Path) -> bool:
    with open(source, "rb") as reader, open(target, "wb") as writer:
        try:
            fcntl.ioctl(writer.fileno(), _FICLONE, reader.fileno())
        except OSError:
            target.unlink()
            return False
    return True


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds an exclusive lock, waiting for it; the system frees it when the process dies, however it dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
