"""Files that appear whole or not at all: temporary name, fsync, rename.

Contract: a reader of a path written here sees the old content or the new, never a part, after a power failure too.
Whoever is killed leaves at most a hidden file beside the path, which `is_leftover` knows again.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import re
import shutil
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path

import orjson

from dreamsmk.errors import StoreError

# Up to this many files are synced one by one; for more, one sync of the whole file system is faster.
_SYNC_EACH_UP_TO = 64
_LEFTOVER_END = re.compile(r"\.[0-9a-f]{12}\.tmp")
_LEFTOVER_END_LENGTH = len(".0123456789ab.tmp")
# What file systems answer that cannot sync a folder (some of FUSE and CIFS).
_NO_FOLDER_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EBADF)


@contextlib.contextmanager
def storing(path: Path) -> Iterator[None]:
    """Turns what the system says no to, while something is written at `path`, into a `StoreError`."""
    try:
        yield
    except OSError as exc:
        where = os.fsencode(exc.filename or path).decode("utf-8", "backslashreplace")
        hint = "check free space and permissions"
        raise StoreError(f"cannot write: {exc.strerror or exc}", where=where, hint=hint) from exc


def sync_folder(folder: Path) -> None:
    """Makes renames in a folder survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as exc:
        if exc.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(descriptor)


def sync_content(path: Path) -> None:
    """Makes the content of a file, or of all files of a folder, survive a power failure."""
    if not is_real_folder(path):
        _sync_file(path)
        return
    files = [os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names]
    if len(files) > _SYNC_EACH_UP_TO:
        _sync_file_system(path)
        return
    for file in files:
        _sync_file(file)
    for folder, _, _ in os.walk(path):
        sync_folder(Path(folder))


def _sync_file(path: str | Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_file_system(path: Path) -> None:
    sync = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if sync is None:
        os.sync()  # not Linux
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if sync(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(path))
    finally:
        os.close(descriptor)


def beside(path: Path) -> Path:
    """Returns a hidden, unused name in the folder of `path`, on the same file system."""
    return path.with_name(f"{_leftover_start(path)}.{uuid.uuid4().hex[:12]}.tmp")


def is_leftover(name: str, path: Path | None = None) -> bool:
    """Tells whether a name is one that `beside(path)` gives, or `beside` any path."""
    start, end = name[:-_LEFTOVER_END_LENGTH], name[-_LEFTOVER_END_LENGTH:]
    is_start = start.startswith(".") if path is None else start == _leftover_start(path)
    return is_start and _LEFTOVER_END.fullmatch(end) is not None


def _leftover_start(path: Path) -> str:
    # a name may have 255 bytes, not characters
    return "." + path.name.encode("utf-8", "ignore")[:80].decode("utf-8", "ignore")


def write_json(path: Path, value: object, *, is_durable: bool = True) -> None:
    """Writes JSON with sorted keys, atomically."""
    try:
        content = orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2)
    except orjson.JSONEncodeError:
        # a path that is not UTF-8 has lone surrogates, which only `json` can write
        content = json.dumps(value, sort_keys=True, indent=2).encode("ascii")
    write_bytes(path, content + b"\n", is_durable=is_durable)


def write_bytes(path: Path, content: bytes, *, is_durable: bool = True) -> None:
    """Writes a file atomically.

    Args:
        path: The file; its folder is made too.
        content: What it shall hold.
        is_durable: Whether it must survive a power failure once this returns.

    Raises:
        StoreError: It cannot be written.
    """
    with storing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = beside(path)
        try:
            with open(temporary, "wb") as file:
                file.write(content)
                if is_durable:
                    file.flush()
                    os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            remove(temporary)
            raise
        if is_durable:
            sync_folder(path.parent)


def is_real_folder(path: Path) -> bool:
    """Tells whether a folder itself is there, not a link to one."""
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


def remove(path: Path) -> None:
    """Removes a file, link or folder, if it is there; read-only ones too, where the user owns them."""
    if not is_real_folder(path):
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        return
    shutil.rmtree(path, ignore_errors=True)
    if is_real_folder(path):
        _make_writable(path)
        shutil.rmtree(path, ignore_errors=True)


def _make_writable(folder: Path) -> None:
    """Lets the files of read-only folders be removed."""
    with contextlib.suppress(OSError):
        os.chmod(folder, stat.S_IRWXU)
    for above, names, _ in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                os.chmod(os.path.join(above, name), stat.S_IRWXU)


def replace(source: Path, target: Path) -> None:
    """Moves a file or folder onto `target`, whatever stands there, on the same file system.

    Raises:
        OSError: It cannot be moved; what stood there still does.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = None
    if is_real_folder(target) or (is_real_folder(source) and os.path.lexists(target)):
        # rename() cannot replace a folder that is not empty, and removing it file by file would show parts of it
        aside = beside(target)
        os.replace(target, aside)
    try:
        os.replace(source, target)
    except BaseException:
        if aside is not None:
            os.replace(aside, target)
        raise
    sync_folder(target.parent)
    if aside is not None:
        remove(aside)
