"""Writes a bundle: a folder, or one zip file.

Contract: it appears whole or not at all. Nothing that looks like a secret is in it: the first one found ends the work
with an error that says where it is, and not what it is, unless such calls are to be left out.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dreamsmk
from dreamsmk.bundles.manifest import (
    ACTIONS,
    CALLS,
    DATA_FILES,
    MANIFEST,
    README,
    RECORDS,
    Manifest,
    file_digests,
    write_manifest,
)
from dreamsmk.bundles.redaction import without_places, without_prompt, without_texts
from dreamsmk.bundles.secrets import SecretScan
from dreamsmk.calls import CallCache
from dreamsmk.calls.caching.cache import ALL, CallRow, Selection
from dreamsmk.errors import SettingsError, StoreError
from dreamsmk.store import Home
from dreamsmk.store.files import storing
from dreamsmk.tables import TableWriter

COLUMNS = ("key", "request", "response", "created_at", "rule", "model", "provider")
ROWS_AT_ONCE = 2000

ABOUT = """\
# A replay bundle

What a workflow asked language models, what they answered, and how each result was made: {calls:,} calls,
{records:,} records, {actions:,} entries. Written by dreamsmk {version}.

To build the workflow from it, without a network and without a key, in the workflow's folder:

    dreamsmk unbundle PATH_OF_THIS
    snakemake --cores 2 --config offline=true
    dreamsmk unbundle PATH_OF_THIS --compare

`calls.parquet` and the two `.jsonl` files are plain data: any tool reads them. `manifest.json` has their SHA-256.
"""


@dataclass(frozen=True, slots=True)
class BundleOptions:
    """What goes into a bundle.

    Attributes:
        selection: Which calls.
        has_prompts: Whether requests are in it; else only their keys, by which a replay finds the replies.
        leaves_out_secrets: Whether calls and records with something like a secret are left out, instead of an error.
    """

    selection: Selection = ALL
    has_prompts: bool = True
    leaves_out_secrets: bool = False


def write_bundle(out: Path, home: Home, cache: CallCache, options: BundleOptions = BundleOptions()) -> Manifest:
    """Writes a bundle of what a home and a call cache hold.

    Args:
        out: The folder or, with the suffix `.zip`, the file to make.
        home: Where records and entries are taken from.
        cache: Where calls are taken from.
        options: What goes into it.

    Raises:
        SettingsError: `out` exists.
        StoreError: A text looks like a secret, or the disk is full.
    """
    out = Path(out)
    if out.exists():
        raise SettingsError("there is something of that name already", where=str(out), hint="give another name")
    project = Path.cwd()
    with storing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
        try:
            manifest = _write(scratch, home, cache, options, project)
            _publish(scratch, out)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return manifest


def _write(folder: Path, home: Home, cache: CallCache, options: BundleOptions, project: Path) -> Manifest:
    scan = _Scan(leaves_out=options.leaves_out_secrets)
    calls = _write_calls(folder / CALLS, cache, options, scan)
    kept: set[str] = set()
    records = _write_lines(folder / RECORDS, _records(home, options, project, scan, kept))
    actions = _write_lines(folder / ACTIONS, _actions(home, kept))
    words = ABOUT.format(calls=calls, records=records, actions=actions, version=dreamsmk.__version__)
    (folder / README).write_text(words, encoding="utf-8")
    manifest = Manifest(
        has_prompts=options.has_prompts,
        calls=calls,
        records=records,
        actions=actions,
        files=file_digests(folder),
        made_by=dreamsmk.__version__,
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    write_manifest(folder, manifest)
    return manifest


class _Scan:
    """Looks at each thing that is about to leave."""

    def __init__(self, *, leaves_out: bool) -> None:
        self._scan = SecretScan()
        self._leaves_out = leaves_out

    def passes(self, text: str, where: str) -> bool:
        """Says whether a text may leave; raises where a secret is not just to be left out."""
        kind = self._scan.find(text)
        if kind is None:
            return True
        if self._leaves_out:
            return False
        raise StoreError(
            f"something that looks like {kind} is in what would leave this machine",
            where=where,
            hint="look at it with dreamsmk cache show, drop it, or leave all such out with --leave-out-secrets",
        )


def _write_calls(path: Path, cache: CallCache, options: BundleOptions, scan: _Scan) -> int:
    rows = cache.rows(options.selection)
    # as what a service says of a call (model, id) is part of the reply, both texts are looked at as they are
    passing = (row for row in rows if scan.passes(row.request + row.response, f"call {row.key}, rule {row.rule}"))
    with TableWriter(path, columns=dict.fromkeys(COLUMNS, "String")) as table:
        for batch in _batches(passing, ROWS_AT_ONCE):
            requests = [row.request if options.has_prompts else without_prompt(row.request) for row in batch]
            values = {name: [getattr(row, name) for row in batch] for name in COLUMNS}
            table.write(values | {"request": requests})
        return table.rows


# Any: JSON.
def _records(
    home: Home, options: BundleOptions, project: Path, scan: _Scan, kept: set[str]
) -> Iterator[dict[str, Any]]:
    for fingerprint in home.fingerprints("records"):
        try:
            # Any: JSON.
            record: dict[str, Any] = json.loads(home.record(fingerprint).read_bytes())
        except (OSError, ValueError):
            continue  # collected just now, or damaged: a record that cannot be read is none
        record = without_places(record, project)
        record = record if options.has_prompts else without_texts(record)
        if scan.passes(json.dumps(record, ensure_ascii=False), f"record {fingerprint}, rule {record.get('rule')}"):
            kept.add(fingerprint)
            yield record


# Any: JSON.
def _actions(home: Home, kept: set[str]) -> Iterator[dict[str, Any]]:
    for fingerprint in home.fingerprints("actions"):
        if fingerprint in kept:
            try:
                yield {"fingerprint": fingerprint, **json.loads(home.action(fingerprint).read_bytes())}
            except (OSError, ValueError):
                continue  # as above


# Any: JSON.
def _write_lines(path: Path, values: Iterable[dict[str, Any]]) -> int:
    count = 0
    with path.open("w", encoding="utf-8", errors="surrogatepass") as out:
        for value in values:
            # ASCII alone: a text may hold half a surrogate pair
            out.write(json.dumps(value, sort_keys=True) + "\n")
            count += 1
    return count


def _batches(rows: Iterator[CallRow], size: int) -> Iterator[list[CallRow]]:
    while batch := list(itertools.islice(rows, size)):
        yield batch


def _publish(folder: Path, out: Path) -> None:
    if out.suffix == ".zip":
        packed = folder / "bundle.zip"
        # stored, not deflated: Parquet is compressed already
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
            for name in (MANIFEST, *DATA_FILES):
                archive.write(folder / name, name)
        packed.replace(out)
    else:
        folder.chmod(0o777 & ~_umask())
        folder.replace(out)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
