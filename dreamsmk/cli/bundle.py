"""`dreamsmk bundle OUT` and `dreamsmk unbundle BUNDLE`: a workflow's calls and records, for another machine."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from dreamsmk.bundles import Bundle, BundleOptions, add_bundle, compare_bundle, open_bundle, write_bundle
from dreamsmk.calls.caching.cache import Selection
from dreamsmk.calls.caching.opening import open_cache
from dreamsmk.cli.table import print_table
from dreamsmk.cli.target import add_home, open_home
from dreamsmk.errors import SettingsError
from dreamsmk.store import Home

ABOUT_BUNDLE = """\
Writes what the workflow asked models, what they answered, and how each result
was made into OUT: a folder, or one file where the name ends in .zip. Nothing
in it is code. What looks like an API key stops it.
"""
ABOUT_UNBUNDLE = """\
Adds the calls and records of a bundle to this workflow's, so that
`snakemake --config offline=true` builds it again without a network. Nothing
of the bundle is run. With --compare it adds nothing, and says of each result
whether what was built here is the same.
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds both commands."""
    kind = argparse.RawDescriptionHelpFormatter
    bundle = commands.add_parser(
        "bundle", help="write calls and records for another machine", description=ABOUT_BUNDLE, formatter_class=kind
    )
    bundle.add_argument("out", type=Path, metavar="OUT", help="the folder or .zip file to make")
    _add_places(bundle)
    bundle.add_argument("--model", help="only calls of this model id; all records")
    bundle.add_argument("--rule", help="only calls that this rule made; all records")
    bundle.add_argument("--no-prompts", action="store_true", help="digests in the place of what models were shown")
    bundle.add_argument("--leave-out-secrets", action="store_true", help="without what looks like an API key")
    bundle.set_defaults(run=run_bundle)
    unbundle = commands.add_parser(
        "unbundle", help="add the calls and records of a bundle", description=ABOUT_UNBUNDLE, formatter_class=kind
    )
    unbundle.add_argument("bundle", type=Path, metavar="BUNDLE", help="the folder or .zip file")
    _add_places(unbundle)
    unbundle.add_argument("--compare", action="store_true", help="only compare the results here with the bundle's")
    unbundle.set_defaults(run=run_unbundle)


def _add_places(parser: argparse.ArgumentParser) -> None:
    add_home(parser)
    parser.add_argument("--cache", help="the call cache, where the config's `cache:` names another")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run_bundle(given: argparse.Namespace) -> int:
    """Writes a bundle and says what it holds."""
    home = open_home(given.home)
    options = BundleOptions(
        selection=Selection(model=given.model, rule=given.rule),
        has_prompts=not given.no_prompts,
        leaves_out_secrets=given.leave_out_secrets,
    )
    with open_cache(_cache(given, home)) as cache:
        manifest = write_bundle(given.out, home, cache, options)
    if given.json:
        print(json.dumps(asdict(manifest), indent=2))
    else:
        without = "" if manifest.has_prompts else ", without prompts"
        print(f"{given.out}: {manifest.calls:,} calls{without}, {manifest.records:,} records")
        print(f"sha256 of calls.parquet: {manifest.files['calls.parquet'].partition(':')[2]}")
    return 0


def run_unbundle(given: argparse.Namespace) -> int:
    """Adds or compares a bundle."""
    home = open_home(given.home) if given.compare else Home.of(given.home)
    with open_bundle(given.bundle) as bundle:
        if given.compare:
            return _compare(given, bundle, home)
        home.path.mkdir(parents=True, exist_ok=True)
        with open_cache(_cache(given, home)) as cache:
            new = add_bundle(bundle, home, cache)
        if given.json:
            print(json.dumps(asdict(new)))
        else:
            manifest = bundle.manifest
            print(
                f"{new.calls:,} of {manifest.calls:,} calls and {new.records:,} of {manifest.records:,} records are new"
            )
            print("snakemake --config offline=true   builds the workflow from them")
    return 0


def _compare(given: argparse.Namespace, bundle: Bundle, home: Home) -> int:
    """Prints one line a result.

    Returns:
        1 if one is different or was not built, else 0.
    """
    compared = list(compare_bundle(bundle, home))
    if given.json:
        print(json.dumps([asdict(each) for each in compared], indent=2))
    else:
        if compared:
            print_table([asdict(each) for each in compared])
        counts = Counter(each.verdict for each in compared)
        print(", ".join(f"{count:,} {verdict}" for verdict, count in sorted(counts.items())) or "nothing to compare")
    return 1 if any(each.verdict in ("different", "not built") for each in compared) else 0


def _cache(given: argparse.Namespace, home: Home) -> str | Path:
    """Returns the call cache that is meant.

    Raises:
        SettingsError: A file is named to be read that is not there.
    """
    if given.cache is None:
        return home.calls
    if given.command == "bundle" and "://" not in given.cache and not Path(given.cache).is_file():
        raise SettingsError("there is no such call cache", where=given.cache)
    return str(given.cache)
