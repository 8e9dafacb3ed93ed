"""`dreamsmk cache export|import`: calls out to a file and in again."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from dreamsmk.calls import open_cache
from dreamsmk.calls.caching.row_files import check_suffix, json_line, read_rows, write_rows
from dreamsmk.cli.cache_choice import existing_cache, place_of, selection_of
from dreamsmk.errors import SettingsError
from dreamsmk.store import Home


def run_export(given: argparse.Namespace) -> int:
    """Writes calls to a new file."""
    out: Path = given.out
    is_stdout = str(out) == "-"
    if not is_stdout:
        check_suffix(out)
    if out.exists():
        raise SettingsError("there is such a file already", where=str(out), hint="move it away, or give another name")
    with existing_cache(given) as cache:
        rows = cache.rows(selection_of(given)) if cache is not None else iter(())
        if is_stdout:
            for row in rows:
                sys.stdout.buffer.write(json_line(row))
            sys.stdout.buffer.flush()
            return 0
        written = write_rows(rows, out)
    print(f"{written:,} calls written to {out}", file=sys.stderr)
    return 0


def run_import(given: argparse.Namespace) -> int:
    """Adds the calls of a file, and prints how many were new."""
    source: Path = given.source
    check_suffix(source)
    if not source.is_file():
        raise SettingsError("there is no such file", where=str(source))
    with open_cache(_place(given)) as cache:
        before = cache.count()
        added = cache.add_rows(read_rows(source))
        print(f"{added:,} calls added to {before:,}", file=sys.stderr)
    return 0


def _place(given: argparse.Namespace) -> str | Path:
    """Returns where to add calls: what was named is made where it is not there yet."""
    if given.file is None and given.url is None:
        return Home.of(given.home).calls
    return Path(given.file) if given.file is not None and "://" not in given.file else place_of(given)
