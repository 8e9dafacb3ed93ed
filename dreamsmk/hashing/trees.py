"""The digest of a folder: relative names, sizes and digests of all files in it, never times.

Contract: the digest is that of the bytes `dreamsmk-tree-1` NUL and then, for each file in the order of its name's
bytes, name NUL size NUL digest LF. Names are relative, with `/`, in Unicode's composed form (NFC), so that a folder
has the same digest on every file system. Links are followed. Empty folders do not count, nor does the time stamp that
Snakemake leaves at the top. What cannot be read, and a name that is there twice but for its Unicode form, is an error:
nothing is left out.
"""

from __future__ import annotations

import itertools
import os
import stat
import unicodedata
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from dreamsmk.errors import IdentityError
from dreamsmk.hashing.digests import Algorithm, digest_file, new_hasher
from dreamsmk.hashing.signatures import Signature, confirmed_status, signature_of, unreadable, while_unchanged

IGNORED_AT_TOP = frozenset({".snakemake_timestamp"})
_HEADER = b"dreamsmk-tree-1\0"
# Threads make small files slower; the algorithms let go of the interpreter for big ones.
_THREAD_FROM_BYTES = 8 * 1024 * 1024
_MAX_THREADS = 8


@dataclass(frozen=True, slots=True)
class TreeFile:
    """One file of a folder.

    Attributes:
        name: The name relative to the folder, as it goes into the digest.
        path: Where the file is.
    """

    name: bytes
    path: str
    signature: Signature


def digest_tree(path: str | os.PathLike[str], algorithm: Algorithm = "xxh3") -> str:
    """Returns the digest of a folder's files: `tree-xxh3:…` or `tree-sha256:…`.

    Raises:
        IdentityError: It is not a folder, or something in it cannot be read or does not stop changing.
    """
    folder = Path(path)

    def compute(files: list[TreeFile]) -> str:
        return combine(files, digest_files([file.path for file in files], algorithm), algorithm)

    return while_unchanged(folder, lambda: walk_tree(folder), compute)[1]


def walk_tree(folder: Path) -> list[TreeFile]:
    """Returns all files of a folder and of the folders in it, in the order of their names' bytes.

    Raises:
        IdentityError: Something in the folder cannot be read, or is neither a file nor a folder.
    """
    try:
        if not stat.S_ISDIR(os.stat(folder).st_mode):
            raise IdentityError("not a folder", where=str(folder))
        files = _walk(folder)
    except OSError as exc:
        raise unreadable(exc.filename or folder, exc) from exc
    files.sort(key=lambda file: file.name)
    for earlier, later in itertools.pairwise(files):
        if earlier.name == later.name:
            raise IdentityError("two names differ only in their Unicode form", where=later.path, hint="rename one")
    return files


def _walk(folder: Path) -> list[TreeFile]:
    files: list[TreeFile] = []
    pending: list[tuple[str, str, frozenset[tuple[int, int]]]] = [(os.fspath(folder), "", frozenset())]
    while pending:
        here, prefix, above = pending.pop()
        status = os.stat(here)
        place = (status.st_dev, status.st_ino)
        if place in above:
            raise IdentityError("a link leads back to a folder that it is in", where=here, hint="remove the link")
        with os.scandir(here) as entries:
            for entry in entries:
                if not prefix and entry.name in IGNORED_AT_TOP:
                    continue
                if entry.is_dir():
                    pending.append((entry.path, f"{prefix}{entry.name}/", above | {place}))
                else:
                    files.append(_tree_file(entry, prefix))
    return files


def _tree_file(entry: os.DirEntry[str], prefix: str) -> TreeFile:
    status = confirmed_status(entry.path, entry.stat())
    if not stat.S_ISREG(status.st_mode):
        raise IdentityError("only regular files have a digest", where=entry.path, hint="remove it from the folder")
    return TreeFile(_stored_name(prefix + entry.name), entry.path, signature_of(status))


def _stored_name(name: str) -> bytes:
    composed = name if name.isascii() else unicodedata.normalize("NFC", name)
    # Bytes that are not UTF-8 come back as they are on the disk.
    return composed.encode("utf-8", "surrogateescape")


def tree_signature(files: Iterable[TreeFile]) -> bytes:
    """Returns 16 bytes that change when a file is added, renamed, removed or written."""
    hasher = new_hasher("xxh3")
    for file in files:
        hasher.update(file.name + b"\0" + file.signature.packed())
    return bytes.fromhex(hasher.hexdigest())


def digest_files(paths: Sequence[str], algorithm: Algorithm) -> list[str]:
    """Returns the digest of each file, big ones side by side."""
    big = [path for path in paths if os.path.exists(path) and os.path.getsize(path) >= _THREAD_FROM_BYTES]
    done: dict[str, str] = {}
    if len(big) > 1:
        with ThreadPoolExecutor(min(_MAX_THREADS, os.cpu_count() or 1)) as pool:
            done = dict(zip(big, pool.map(lambda path: digest_file(path, algorithm), big), strict=True))
    return [done.get(path) or digest_file(path, algorithm) for path in paths]


def combine(files: Sequence[TreeFile], digests: Sequence[str], algorithm: Algorithm) -> str:
    """Returns the digest of a folder from those of its files, which are in the order of `walk_tree`."""
    hasher = new_hasher(algorithm)
    hasher.update(_HEADER)
    for file, digest in zip(files, digests, strict=True):
        hasher.update(b"%b\0%d\0%b\n" % (file.name, file.signature.size_bytes, digest.encode()))
    return f"tree-{algorithm}:{hasher.hexdigest()}"
