"""Canonical JSON, digests of bytes, files, folders, tables and code, and the memo that reads each content once."""

from dreamsmk.hashing.canonical import canonical_bytes
from dreamsmk.hashing.code import CodeIdentity, identify_function, locate_function
from dreamsmk.hashing.code_files import import_roots
from dreamsmk.hashing.digests import Algorithm, digest_bytes, digest_file
from dreamsmk.hashing.memo import DigestMemo, Kind
from dreamsmk.hashing.rows import digest_rows
from dreamsmk.hashing.trees import digest_tree

__all__ = [
    "Algorithm",
    "CodeIdentity",
    "DigestMemo",
    "Kind",
    "canonical_bytes",
    "digest_bytes",
    "digest_file",
    "digest_rows",
    "digest_tree",
    "identify_function",
    "import_roots",
    "locate_function",
]
