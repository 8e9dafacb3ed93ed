"""`dreamsmk batches`: the batches at services that runs have submitted, and what is to be done with them.

Contract: listing asks no service. Cancelling is the one thing here that goes outward; calls that have their reply keep
it, and the next run fetches it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

from dreamsmk.calls.batches.ledger import BatchLedger
from dreamsmk.calls.batches.states import LedgerBatch
from dreamsmk.cli.quantities import positive
from dreamsmk.cli.table import print_table
from dreamsmk.cli.target import add_home, open_home
from dreamsmk.errors import SettingsError
from dreamsmk.providers import open_provider
from dreamsmk.providers.http_provider import HttpProvider
from dreamsmk.settings import ModelSpec

SHOWN_BATCHES = 20
ID_CHARACTERS = 8


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command."""
    about = "list, cancel or forget the batches that runs have submitted to services"
    parser = commands.add_parser("batches", help=about, description=f"{about.capitalize()}.")
    verbs = parser.add_subparsers(title="verbs", dest="verb", required=True, metavar="VERB")
    listing = _verb(verbs, "list", "batches, the newest first, as the last run saw them")
    listing.add_argument(
        "--limit", type=positive, default=SHOWN_BATCHES, metavar="N", help=f"the most (default: {SHOWN_BATCHES})"
    )
    listing.add_argument("--json", action="store_true", help="print JSON")
    listing.set_defaults(run=run_list)
    cancel = _verb(verbs, "cancel", "ask the service to end a batch; what it has answered is kept")
    cancel.set_defaults(run=run_cancel)
    forget = _verb(verbs, "forget", "give up a batch that is gone for good; its calls are submitted and paid anew")
    forget.set_defaults(run=run_forget)
    for verb in (cancel, forget):
        verb.add_argument("id", help="its id in the list, or as much of its beginning as no other one has")


def run_list(given: argparse.Namespace) -> int:
    """Prints one line a batch."""
    rows: list[LedgerBatch] = []
    if open_home(given.home).batches.exists():
        with _ledger(given) as ledger:
            rows = ledger.all(limit=given.limit)
    if given.json:
        print(json.dumps([asdict(row) | {"spec": json.loads(row.spec)} for row in rows], indent=2))
    elif rows:
        print_table([_line(row) for row in rows])
    else:
        print("no run has submitted a batch yet", file=sys.stderr)
    return 0


def run_cancel(given: argparse.Namespace) -> int:
    """Cancels a batch."""
    with _ledger(given) as ledger:
        batch = _one(ledger, given.id)
    if batch.remote_id is None or not batch.is_open:
        raise SettingsError(f"the batch is {batch.state}", where=batch.uuid, hint="only one that runs can be cancelled")
    provider = open_provider(ModelSpec(**json.loads(batch.spec)))
    if not isinstance(provider, HttpProvider):
        raise SettingsError(f"the provider {batch.provider!r} has no batch API", where=batch.uuid)
    service = provider.batches()
    try:
        service.cancel(batch.remote_id)
    finally:
        service.close()
    print(f"{batch.provider} was asked to cancel {batch.remote_id}; the next run fetches what it has answered")
    return 0


def run_forget(given: argparse.Namespace) -> int:
    """Forgets a batch."""
    with _ledger(given) as ledger:
        batch = _one(ledger, given.id)
        if not batch.is_open:
            raise SettingsError(f"the batch is {batch.state}", where=batch.uuid, hint="there is nothing to forget")
        ledger.close_batch(batch.uuid, "dropped", words="forgotten by hand")
    print(f"{batch.uuid} is forgotten: the next run submits those of its {batch.calls:,} calls that it wants")
    return 0


def _verb(verbs: argparse._SubParsersAction[argparse.ArgumentParser], name: str, about: str) -> argparse.ArgumentParser:
    verb = verbs.add_parser(name, help=about, description=f"{about[0].upper()}{about[1:]}.")
    add_home(verb)
    return verb


@contextmanager
def _ledger(given: argparse.Namespace) -> Iterator[BatchLedger]:
    path = open_home(given.home).batches
    if not path.exists():
        raise SettingsError("no run has submitted a batch yet", where=str(path), hint="give a model `mode: batch`")
    ledger = BatchLedger(path)
    try:
        yield ledger
    finally:
        ledger.close()


def _one(ledger: BatchLedger, start: str) -> LedgerBatch:
    found = [batch for batch in ledger.all() if batch.uuid.startswith(start) or batch.remote_id == start]
    if len(found) != 1:
        count = "no batch has" if not found else f"{len(found)} batches have"
        raise SettingsError(f"{count} an id that begins with {start!r}", hint="see `dreamsmk batches list`")
    return found[0]


def _line(batch: LedgerBatch) -> dict[str, object]:
    return {
        "id": batch.uuid[:ID_CHARACTERS],
        "provider": batch.provider,
        "model": batch.model,
        "calls": batch.calls,
        "answered": batch.answered if batch.state == "ended" else None,
        "state": batch.state,
        "planned": f"{batch.planned_at[:10]} {batch.planned_at[11:16]} UTC",
        "at the service": batch.remote_id,
    }
