"""What a look at a path shows without reading content: a file, or a folder with all its files.

Contract: a path whose observation is equal at two times had no change that its file system could show in between.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from dreamsmk.hashing.signatures import Signature, read_status, signature_of, unreadable
from dreamsmk.hashing.trees import TreeFile, tree_signature, walk_tree


@dataclass(frozen=True, slots=True)
class Observation:
    """The state of a path.

    Attributes:
        signature: 40 bytes for a file, 16 for a folder.
        files: The one file, with no name, or all files of the folder.
    """

    is_folder: bool
    signature: bytes
    files: tuple[TreeFile, ...]

    def is_settled(self, read_at_ns: int) -> bool:
        """Tells whether every write after `read_at_ns` must have changed this observation."""
        return all(file.signature.is_settled(read_at_ns) for file in self.files)

    def is_settled_for_writer(self, now_ns: int) -> bool:
        """Tells the same for who has just written the content, so that nobody else does so within a tick."""
        return all(file.signature.is_settled_for_writer(now_ns) for file in self.files)

    def differs_only_in_times(self, other: Observation) -> bool:
        """Tells whether the same files, of the same sizes, are there in both."""
        return [(file.name, file.signature[:3]) for file in self.files] == [
            (file.name, file.signature[:3]) for file in other.files
        ]


def observe(path: str | os.PathLike[str]) -> Observation:
    """Returns the state of a path.

    Raises:
        IdentityError: It leads nowhere, or something in it cannot be read.
    """
    try:
        status = read_status(path)
    except OSError as exc:
        raise unreadable(path, exc) from exc
    if stat.S_ISDIR(status.st_mode):
        files = tuple(walk_tree(Path(path)))
        return Observation(True, tree_signature(files), files)
    signature: Signature = signature_of(status)
    return Observation(False, signature.packed(), (TreeFile(b"", os.fspath(path), signature),))
