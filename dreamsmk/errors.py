"""The exceptions of dreamsmk: one root, and one child for each boundary that can be crossed wrongly.

    DreamsmkError
    ├── SettingsError        a config or a parameter is wrong
    ├── IdentityError        a value cannot be hashed
    ├── TableError           a table or a column is missing, unreadable or of the wrong type
    ├── CacheError           the call cache cannot be opened or written
    ├── StoreError           the action store cannot be opened, read or written
    ├── TrainingError        a training cannot start or go on
    ├── CardError            a card cannot be made or is not valid
    ├── MissingExtra         an optional package is not installed
    └── ProviderError        a model or its service said no
        ├── MissingCredentials   no API key in the environment
        ├── RequestRejected      for good: 400, 401, 403, 404, unsupported values
        ├── ServiceUnavailable   for now: 429, 5xx, timeouts, dropped connections
        ├── BudgetSpent          the next call would cost more than the budget allows
        └── OfflineMiss          a reply must come from the call cache, and is not there

Contract: the message of a `DreamsmkError` is at most three lines: what is wrong, `at:` where (file, key path,
row), and `hint:` what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class DreamsmkError(Exception):
    """Something that a user can put right.

    Args:
        what: One sentence that says what is wrong.
        where: The file, key path, rule or row that it was found at.
        hint: What to do about it.
    """

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(what, where, hint)
        self.what = what
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        parts = [self.what, self.where and f"at: {self.where}", self.hint and f"hint: {self.hint}"]
        # a provider's own words may have lines of their own
        return "\n".join(" ".join(part.split()) for part in parts if part)


class SettingsError(DreamsmkError):
    """A config or a parameter is wrong."""


class IdentityError(DreamsmkError):
    """A value has no canonical form, so that it can be part of no fingerprint."""


class TableError(DreamsmkError):
    """A table or a column is missing, unreadable or of the wrong type."""


class CacheError(DreamsmkError):
    """The call cache cannot be opened or written."""


class StoreError(DreamsmkError):
    """The action store cannot be opened, read or written."""


class TrainingError(DreamsmkError):
    """A training cannot start or go on."""


class CardError(DreamsmkError):
    """A card cannot be made, or is not valid against its schema."""


class MissingExtra(DreamsmkError):
    """An optional package is not installed.

    Args:
        package: The package that could not be imported.
        extra: The extra of dreamsmk that brings it.
    """

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"the package {package!r} is not installed", hint=f"pip install 'dreamsmk[{extra}]'")


class ProviderError(DreamsmkError):
    """A model or its service said no.

    Args:
        what: One sentence, with the provider's own words.
        status: The HTTP status, where there was one.
        retry_after_seconds: How long the service asks to wait, where it does.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        hint: str = "",
        status: int | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(what, where=where, hint=hint)
        self.status = status
        self.retry_after_seconds = retry_after_seconds


class MissingCredentials(ProviderError):
    """The environment has no API key for the service."""


class RequestRejected(ProviderError):
    """The service will never answer this request: asking again is of no use."""


class ServiceUnavailable(ProviderError):
    """The service did not answer this time: asking again may help."""


class BudgetSpent(ProviderError):
    """The next call would cost more than the budget allows: nothing more is sent."""


class OfflineMiss(ProviderError):
    """Every reply must come from the call cache, and one is not there: nothing was asked."""


def nearest(word: str, valid: Iterable[str]) -> str:
    """Returns a hint that names the valid word nearest to `word`, or all of them where none is near."""
    choices = sorted(valid)
    close = difflib.get_close_matches(word, choices, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]!r}?"
    if not choices:
        return "there is none to choose from"
    shown = ", ".join(choices[:12]) + (", …" if len(choices) > 12 else "")
    return f"choose one of: {shown}"
