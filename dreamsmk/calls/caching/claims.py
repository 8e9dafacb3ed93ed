"""The right to make a call, held by one cache at a time, so that two jobs that want the same call make it once.

Contract: of a key there is one holder at most. A claim ends when it is given back, when its cache is closed, at once
when its process has ended and this machine can tell, and otherwise `CLAIM_SECONDS` after it was last renewed, which
happens by itself while its process lives. Claims need not survive anything: where they are lost, a call may be made
twice, and its first reply stays. Nothing is opened before the first claim.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from typing import Protocol

from dreamsmk.calls.caching.cache import CLAIM_SECONDS
from dreamsmk.calls.caching.claim_owner import has_ended, new_owner
from dreamsmk.errors import CacheError

RENEWALS_PER_LIFE = 4
SWEPT_AFTER_SECONDS = 86_400.0


class ClaimBook(Protocol):
    """Where claims are written down. Its methods may be called from any thread, and raise `CacheError` alone."""

    def take(self, owner: str, keys: Sequence[str]) -> dict[str, str]:
        """Writes down the free ones of some keys as the owner's, and renews all that are its own.

        Returns:
            Whose the others are, by key; "" where that is not known any more.
        """
        ...

    def sweep(self, older_than_seconds: float) -> None:
        """Ends all claims that were not renewed for so long: those of jobs that were killed."""
        ...

    def ages(self, owners: Collection[str]) -> dict[str, float]:
        """Returns for how many seconds owners have not renewed their claims; those that have left are left out."""
        ...

    def expel(self, owners: Collection[str]) -> None:
        """Ends all claims of some owners."""
        ...

    def give_back(self, owner: str, keys: Sequence[str]) -> None:
        """Ends claims of an owner."""
        ...

    def renew(self, owner: str) -> None:
        """Renews all claims of an owner."""
        ...

    def close(self) -> None:
        """Closes; harmless when closed already."""
        ...


class Claims:
    """The claims of one cache.

    Args:
        book: Where they are written down.
    """

    def __init__(self, book: ClaimBook) -> None:
        self._book = book
        self._owner = new_owner()
        self._lock = threading.Lock()
        self._held: set[str] = set()
        self._renewing: threading.Thread | None = None
        self._ending = threading.Event()
        self._has_swept = False

    def claim(self, keys: Sequence[str]) -> set[str]:
        """Claims keys; returns those that are now this cache's."""
        if not keys:
            return set()
        with self._lock:
            if not self._has_swept:
                self._book.sweep(SWEPT_AFTER_SECONDS)
                self._has_swept = True
            others = self._book.take(self._owner, keys)
            if others and (lapsed := self._lapsed(set(others.values()) - {""})):
                self._book.expel(lapsed)
                others = self._book.take(self._owner, keys)
            granted = set(keys) - others.keys()
            self._held |= granted
            if self._held:
                self._keep_renewing()
        return granted

    def release(self, keys: Sequence[str]) -> None:
        """Gives back those of the keys that this cache has claimed; costs nothing where there are none."""
        if not self._held:
            return
        with self._lock:
            ours = [key for key in keys if key in self._held]
            if ours:
                self._held.difference_update(ours)
                self._book.give_back(self._owner, ours)

    def close(self) -> None:
        """Gives everything back."""
        self._ending.set()
        with self._lock:
            try:
                if self._held:
                    self._held.clear()
                    self._book.expel([self._owner])
            finally:
                self._book.close()

    def _lapsed(self, owners: set[str]) -> list[str]:
        ages = self._book.ages(owners)
        return [owner for owner in owners if _is_lapsed(owner, ages.get(owner))]

    def _keep_renewing(self) -> None:
        if self._renewing is None:
            self._renewing = threading.Thread(target=self._renew, name="dreamsmk-claims", daemon=True)
            self._renewing.start()

    def _renew(self) -> None:
        """Runs in a thread of its own: a call may take far longer than a claim holds."""
        while not self._ending.wait(CLAIM_SECONDS / RENEWALS_PER_LIFE):
            with self._lock:
                if not self._held:
                    self._renewing = None
                    return
                try:
                    self._book.renew(self._owner)
                except CacheError:
                    # Whoever reads or writes next hears of it; claims may lapse meanwhile, which costs a call at worst.
                    continue


def _is_lapsed(owner: str, age_seconds: float | None) -> bool:
    ended = has_ended(owner)
    if ended is not None:
        return ended
    return age_seconds is None or age_seconds > CLAIM_SECONDS
