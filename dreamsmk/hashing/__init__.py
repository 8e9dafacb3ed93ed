"""Canonical JSON, digests of bytes, files, folders and tables, and the memo that reads each content once.

The identity of code stands in `dreamsmk.hashing.code`, which only a workflow with functions of its own needs to load.
"""

from dreamsmk.hashing.canonical import canonical_bytes
from dreamsmk.hashing.digests import Algorithm, digest_bytes, digest_file
from dreamsmk.hashing.memo import DigestMemo, Kind
from dreamsmk.hashing.rows import digest_rows
from dreamsmk.hashing.trees import digest_tree

__all__ = [
    "Algorithm",
    "DigestMemo",
    "Kind",
    "canonical_bytes",
    "digest_bytes",
    "digest_file",
    "digest_rows",
    "digest_tree",
]
