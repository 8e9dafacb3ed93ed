"""Reads a bundle that may come from a stranger.

Contract: nothing of a bundle is run, and nothing is written but rows of the call cache and records of this home, whose
names are checked digests. Files are opened by five fixed names, a zip file is never unpacked by its own names, and each
file is compared with the manifest's SHA-256 before it is read. A reply of a stranger is taken at his word: who adds a
bundle trusts that the models said so.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dreamsmk.bundles.manifest import (
    ACTIONS,
    CALLS,
    DATA_FILES,
    MANIFEST,
    MAX_MANIFEST_BYTES,
    RECORDS,
    Manifest,
    check_files,
    no_bundle,
    parse_manifest,
)
from dreamsmk.calls import CallCache
from dreamsmk.calls.caching.cache import CallRow
from dreamsmk.calls.caching.row_check import checked
from dreamsmk.errors import StoreError
from dreamsmk.hashing import DigestMemo
from dreamsmk.requests import ModelIdentity, Request, Response
from dreamsmk.store import Home, Records
from dreamsmk.store.records import VERSION as RECORD_VERSION
from dreamsmk.tables import column_names, scan_table

FINGERPRINT = re.compile(r"xxh3:[0-9a-f]{32}")
DIGEST = re.compile(r"(?:[a-z]+-)?(?:xxh3:[0-9a-f]{32}|sha256:[0-9a-f]{64})")
CALL_KEY = re.compile(r"sha256:[0-9a-f]{64}")
ROWS_AT_ONCE = 2000


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose files are what its manifest says.

    Attributes:
        folder: Where its files lie.
        name: What messages call it.
    """

    folder: Path
    name: str
    manifest: Manifest

    # Any: JSON.
    def records(self) -> Iterator[dict[str, Any]]:
        """Yields its records, each checked."""
        for number, record in self._lines(RECORDS):
            if not _is_record(record):
                raise StoreError("this is no record", where=f"{self.name}, {RECORDS}, line {number}")
            yield record

    # Any: JSON.
    def actions(self) -> Iterator[dict[str, Any]]:
        """Yields its entries of the action store, each checked."""
        for number, action in self._lines(ACTIONS):
            if not _is_action(action):
                raise StoreError("this is no entry", where=f"{self.name}, {ACTIONS}, line {number}")
            yield action

    def calls(self) -> Iterator[CallRow]:
        """Yields its calls, without ever holding all of them."""
        path, names = self.folder / CALLS, list(CallRow.__dataclass_fields__)
        if set(column_names(path)) != set(names):
            raise StoreError("these are no calls", where=f"{self.name}, {CALLS}")
        for frame in scan_table(path).select(names).collect_batches(chunk_size=ROWS_AT_ONCE):
            for row in frame.iter_rows():
                call = CallRow(*row)
                if not all(isinstance(text, str) for text in row) or not CALL_KEY.fullmatch(call.key):
                    raise StoreError("this is no call", where=f"{self.name}, {CALLS}, key {call.key!r:.80}")
                yield call

    # Any: JSON.
    def _lines(self, name: str) -> Iterator[tuple[int, Any]]:
        with (self.folder / name).open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    yield number, json.loads(line)
                except (ValueError, RecursionError) as exc:
                    raise StoreError("the line is no JSON", where=f"{self.name}, {name}, line {number}") from exc


@dataclass(frozen=True, slots=True)
class Imported:
    """What of a bundle was new here."""

    calls: int
    records: int


@contextmanager
def open_bundle(path: Path) -> Iterator[Bundle]:
    """Opens a bundle: a folder or a zip file.

    Raises:
        StoreError: It is no bundle, is damaged, or is of a newer version.
    """
    where = str(path)
    if path.is_dir():
        yield _checked(path, where)
        return
    with tempfile.TemporaryDirectory(prefix="dreamsmk-bundle-") as scratch:
        _unpack(path, Path(scratch), where)
        yield _checked(Path(scratch), where)


def add_bundle(bundle: Bundle, home: Home, cache: CallCache) -> Imported:
    """Adds the calls and records of a bundle to those of this machine; what is here already stays as it is.

    Everything is read and checked once before anything is written.

    Raises:
        StoreError: A record or a call is not what it must be.
        CacheError: A call's key is not the digest of its request.
    """
    for _ in bundle.actions():
        pass
    missing = [record["fingerprint"] for record in bundle.records() if not home.record(record["fingerprint"]).exists()]
    for call in bundle.calls():
        _response(call, bundle)
        if bundle.manifest.has_prompts:
            # the cache checks a block of calls at a time, when those before it are stored already
            checked(call)
    new = cache.add_rows(bundle.calls()) if bundle.manifest.has_prompts else _put(bundle, cache)
    with DigestMemo(home.digests) as memo:
        records, wanted = Records(home, memo), set(missing)
        for record in bundle.records():
            if record["fingerprint"] in wanted:
                records.write(record)
    return Imported(new, len(missing))


def _put(bundle: Bundle, cache: CallCache) -> int:
    """Stores replies whose requests are not in the bundle, under the keys that it gives."""
    new = 0
    for call in bundle.calls():
        if not cache.existing([call.key]):
            request = Request(ModelIdentity(call.provider, call.model), ())
            cache.put(call.key, request, _response(call, bundle), rule=call.rule, body=call.request.encode())
            new += 1
    cache.flush()
    return new


def _response(call: CallRow, bundle: Bundle) -> Response:
    try:
        return Response.from_json(json.loads(call.response))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as exc:
        raise StoreError("the reply of a call is none", where=f"{bundle.name}, {CALLS}, key {call.key}") from exc


def _checked(folder: Path, where: str) -> Bundle:
    path = folder / MANIFEST
    if path.is_symlink() or not path.is_file() or path.stat().st_size > MAX_MANIFEST_BYTES:
        raise no_bundle(where)
    manifest = parse_manifest(path.read_bytes(), where)
    check_files(folder, manifest, where)
    return Bundle(folder, where, manifest)


def _unpack(path: Path, folder: Path, where: str) -> None:
    """Copies the five files of a zip file, by our names and not by its own."""
    try:
        with zipfile.ZipFile(path) as archive:
            for name in (MANIFEST, *DATA_FILES):
                with archive.open(name) as packed, (folder / name).open("wb") as plain:
                    shutil.copyfileobj(packed, plain)
    except FileNotFoundError as exc:
        raise StoreError("there is no such bundle", where=where) from exc
    except (zipfile.BadZipFile, KeyError, NotImplementedError, RuntimeError, EOFError, OSError) as exc:
        raise no_bundle(where) from exc


# Any: JSON of a stranger.
def _is_record(record: Any) -> bool:
    if not isinstance(record, Mapping) or not isinstance(record.get("outputs"), Mapping):
        return False
    version = record.get("record_version")
    digests = [output.get("digest") for output in record["outputs"].values() if isinstance(output, Mapping)]
    return (
        isinstance(version, int)
        and version <= RECORD_VERSION
        and _fits(FINGERPRINT, record.get("fingerprint"))
        and len(digests) == len(record["outputs"])
        and all(_fits(DIGEST, digest) for digest in digests)
    )


# Any: JSON of a stranger.
def _is_action(action: Any) -> bool:
    if not isinstance(action, Mapping) or not isinstance(action.get("outputs"), Mapping):
        return False
    outputs = action["outputs"].values()
    return _fits(FINGERPRINT, action.get("fingerprint")) and all(
        isinstance(output, Mapping) and _fits(DIGEST, output.get("digest")) and _fits(DIGEST, output.get("content"))
        for output in outputs
    )


# Any: JSON of a stranger.
def _fits(pattern: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None
