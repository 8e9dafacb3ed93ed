"""The manifest of a bundle: which files it has, what they are by SHA-256, and what they hold.

    manifest.json    this
    calls.parquet    model calls: key, request and response as JSON, created_at, rule, model, provider
    records.jsonl    how each result was made, one record a line
    actions.jsonl    what each fingerprint gave, by digest, one entry a line
    README.md        what to do with it

Contract: a bundle is data alone. A reader opens these five names and no other, whatever else is there, and reads none
of them before its digest is that of the manifest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dreamsmk.errors import StoreError
from dreamsmk.hashing import digest_file
from dreamsmk.store import write_json

BUNDLE_VERSION = 1
MANIFEST = "manifest.json"
CALLS = "calls.parquet"
RECORDS = "records.jsonl"
ACTIONS = "actions.jsonl"
README = "README.md"
DATA_FILES = (CALLS, RECORDS, ACTIONS, README)
MAX_MANIFEST_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a bundle says of itself.

    Attributes:
        has_prompts: Whether the requests are in it, or only their keys.
        calls: How many model calls it holds.
        records: How many records.
        actions: How many entries of the action store.
        files: SHA-256 of each file, as `sha256:…`, by name.
        made_by: The version of dreamsmk that wrote it.
        made_at: UTC, ISO 8601.
    """

    has_prompts: bool
    calls: int
    records: int
    actions: int
    files: Mapping[str, str]
    made_by: str
    made_at: str


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Writes the manifest, last of all: a folder without one is no bundle."""
    write_json(folder / MANIFEST, {"bundle_version": BUNDLE_VERSION, **asdict(manifest)})


def file_digests(folder: Path) -> dict[str, str]:
    """Returns the SHA-256 of each data file of a bundle."""
    return {name: digest_file(folder / name, "sha256") for name in DATA_FILES}


def parse_manifest(content: bytes, where: str) -> Manifest:
    """Returns a manifest.

    Raises:
        StoreError: It is none, or of a newer version.
    """
    try:
        # Any: JSON.
        value: dict[str, Any] = json.loads(content)
        version = value.pop("bundle_version")
        if isinstance(version, int) and version > BUNDLE_VERSION:
            raise StoreError(
                f"the bundle has version {version}, and this dreamsmk knows up to {BUNDLE_VERSION}",
                where=where,
                hint="upgrade dreamsmk",
            )
        manifest = Manifest(**value)
        if set(manifest.files) != set(DATA_FILES):
            raise ValueError("other files")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise no_bundle(where) from exc
    return manifest


def check_files(folder: Path, manifest: Manifest, where: str) -> None:
    """Raises `StoreError` for a file that is missing or not what the manifest says."""
    for name in DATA_FILES:
        path = folder / name
        # a link could make a reader of the bundle read any file of this machine
        if path.is_symlink() or not path.is_file():
            raise StoreError(f"the bundle has no file {name!r}", where=where, hint="fetch it again")
        if digest_file(path, "sha256") != manifest.files[name]:
            raise StoreError(
                f"{name!r} is not what the bundle's manifest says", where=where, hint="it is damaged: fetch it again"
            )


def no_bundle(where: str) -> StoreError:
    """Returns the error for what is no bundle."""
    return StoreError("this is no bundle of dreamsmk", where=where, hint="make one with dreamsmk bundle")
