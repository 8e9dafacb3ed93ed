"""Whether every stored output still has the bytes that it was stored with.

Contract: every byte is read; no memo is believed. A damaged entry is dropped, so that its job runs again, and nothing
that a running job holds is looked at.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from dreamsmk.errors import IdentityError
from dreamsmk.hashing import digest_file, digest_tree
from dreamsmk.store.copies import size_of
from dreamsmk.store.entry import Output, parse_action
from dreamsmk.store.files import remove
from dreamsmk.store.home import Home
from dreamsmk.store.locks import try_locked
from dreamsmk.store.trash import discard, empty_trash


@dataclass(frozen=True, slots=True)
class Damage:
    """One stored output that is not what it was, or an entry that cannot be read, which has no role."""

    fingerprint: str
    role: str
    what: str


@dataclass(slots=True)
class Verified:
    """What was looked at and found.

    Attributes:
        in_use: Entries that a running job held.
    """

    entries: int = 0
    size_bytes: int = 0
    in_use: int = 0
    damages: list[Damage] = field(default_factory=list)


def verify(home: Home, *, is_dry_run: bool = False) -> Verified:
    """Reads every stored output and drops the damaged entries.

    Args:
        home: The folder of dreamsmk's state.
        is_dry_run: Whether to drop nothing.

    Raises:
        StoreError: A newer dreamsmk wrote an entry.
    """
    verified = Verified()
    for fingerprint in home.fingerprints("actions"):
        with try_locked(home.lock(fingerprint)) as is_held:
            if not is_held:
                verified.in_use += 1
                continue
            damages = _look_at(home, fingerprint, verified)
            verified.damages += damages
            if damages and not is_dry_run:
                remove(home.action(fingerprint))
                discard(home, home.blob(fingerprint))
    if not is_dry_run:
        empty_trash(home)
    return verified


def _look_at(home: Home, fingerprint: str, verified: Verified) -> list[Damage]:
    path = home.action(fingerprint)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []  # dropped since it was listed
    verified.entries += 1
    action = parse_action(content, fingerprint, path)
    if action is None:
        return [Damage(fingerprint, "", "the entry cannot be read")]
    damages = []
    for role, output in action.outputs.items():
        blob = home.blob(fingerprint) / role
        verified.size_bytes += size_of(blob)
        if what := _damage(blob, output):
            damages.append(Damage(fingerprint, role, what))
    return damages


def _damage(blob: Path, output: Output) -> str:
    """Says what is wrong with a stored output; nothing if it is whole."""
    if not blob.exists():
        return "it is gone"
    try:
        digest = digest_tree(blob) if output.content_kind == "tree" else digest_file(blob)
    except IdentityError as exc:
        return exc.what
    return "" if digest == output.content else "its content is not what was stored"
