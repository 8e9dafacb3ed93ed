"""Digests of bytes and of files: `xxh3:<32 hex>` (XXH3, 128 bits) and `sha256:<64 hex>`.

Contract: a digest names its algorithm and depends on nothing but the bytes. `xxh3` decides what is rebuilt on the
user's own machines; what leaves them, and the keys of calls, carry `sha256`, which nobody can forge.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import Literal, Protocol

import xxhash

from dreamsmk.errors import IdentityError
from dreamsmk.hashing.signatures import changing, unreadable

Algorithm = Literal["xxh3", "sha256"]

# Fits the second-level cache: hashing then reads what the copy from the page cache has just put there.
_BUFFER_BYTES = 512 * 1024
_ATTEMPTS = 3
# Without O_NONBLOCK a named pipe would make `open` wait for a writer for ever.
_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


class Hasher(Protocol):
    """What a running digest can do; both algorithms give it."""

    def update(self, data: bytes | bytearray | memoryview, /) -> None:
        """Takes in more bytes."""
        ...

    def hexdigest(self) -> str:
        """Returns the digest of all bytes so far."""
        ...


def new_hasher(algorithm: Algorithm = "xxh3") -> Hasher:
    """Returns a running digest of no bytes."""
    if algorithm == "xxh3":
        return xxhash.xxh3_128()
    if algorithm == "sha256":
        return hashlib.sha256()
    raise IdentityError(f"there is no digest algorithm {algorithm!r}", hint="choose one of: sha256, xxh3")


def digest_bytes(data: bytes | bytearray | memoryview, algorithm: Algorithm = "xxh3") -> str:
    """Returns the digest of some bytes, with the name of its algorithm before it."""
    if algorithm == "xxh3":
        return f"xxh3:{xxhash.xxh3_128_hexdigest(data)}"
    hasher = new_hasher(algorithm)
    hasher.update(data)
    return f"{algorithm}:{hasher.hexdigest()}"


def digest_file(path: str | os.PathLike[str], algorithm: Algorithm = "xxh3") -> str:
    """Returns the digest of a file's bytes; a link is followed.

    The file is read, not mapped: another process that shortens a mapped file would kill this one (SIGBUS).

    Raises:
        IdentityError: There is no such file, it cannot be read, or it does not stop changing.
    """
    try:
        for _ in range(_ATTEMPTS):
            digest = _digest_once(path, algorithm)
            if digest is not None:
                return digest
    except OSError as exc:
        raise unreadable(path, exc) from exc
    raise changing(Path(path))


def _digest_once(path: str | os.PathLike[str], algorithm: Algorithm) -> str | None:
    """Returns the digest, or None where the file changed meanwhile."""
    hasher = new_hasher(algorithm)
    descriptor = os.open(path, _OPEN_FLAGS)
    with open(descriptor, "rb", buffering=0) as file:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise IdentityError("only regular files have a digest", where=os.fspath(path))
        buffer = bytearray(min(_BUFFER_BYTES, before.st_size + 1))
        view = memoryview(buffer)
        size = 0
        while count := file.readinto(buffer):
            hasher.update(view[:count])
            size += count
        after = os.fstat(descriptor)
    if size != after.st_size or before.st_mtime_ns != after.st_mtime_ns:
        return None
    return f"{algorithm}:{hasher.hexdigest()}"
