"""The failures of a run, told as one error of at most three lines."""

from __future__ import annotations

from dataclasses import dataclass, field

from dreamsmk.calls.retry import is_for_all
from dreamsmk.errors import MissingCredentials, ProviderError, RequestRejected, ServiceUnavailable

REASONS_SHOWN = 3
REASON_CHARACTERS = 200
_KINDS = (MissingCredentials, RequestRejected, ServiceUnavailable)


@dataclass(slots=True)
class Failures:
    """What failed for good in one run.

    Attributes:
        by_key: The error of each call that failed, by its key: an identical request is not sent again.
        rows: Numbers of the first rows that failed, from 0.
        count: How many rows failed.
        stopped_by: The failure after which nothing more was sent.
    """

    by_key: dict[str, ProviderError] = field(default_factory=dict)
    rows: list[int] = field(default_factory=list)
    count: int = 0
    stopped_by: ProviderError | None = None

    def add(self, key: str, error: ProviderError, rows: int) -> None:
        """Counts a call that failed and the rows that it leaves without a reply."""
        self.by_key.setdefault(key, error)
        self.count += rows

    def note_row(self, row: int) -> None:
        """Notes the number of a row that got no reply."""
        if len(self.rows) < REASONS_SHOWN:
            self.rows.append(row)

    def stop(self) -> None:
        """Says that nothing more is sent, because of the failures so far."""
        errors = list(self.by_key.values())
        self.stopped_by = next(filter(is_for_all, errors), errors[-1])

    def first(self) -> ProviderError:
        """Returns the failure that stands for all."""
        return self.stopped_by or next(iter(self.by_key.values()))

    def error(self, *, asked: int, kept: int) -> ProviderError:
        """Returns the error to raise: of the kind of the first failure, with the first reasons and its hint.

        Args:
            asked: Rows that were read.
            kept: Rows that have their reply.
        """
        first = self.first()
        if self.stopped_by is not None:
            what = f"{_line(first.what)} (nothing more was sent; {kept} of {asked} rows have their reply)"
        else:
            reasons = list(dict.fromkeys(_line(error.what) for error in self.by_key.values()))
            shown = "; ".join(reasons[:REASONS_SHOWN]) + ("; …" if len(reasons) > REASONS_SHOWN else "")
            what = f"{self.count} of {asked} rows got no reply: {shown}"
        numbers = ", ".join(map(str, self.rows)) + (", …" if self.count > len(self.rows) else "")
        rows = f"row{'s' if self.count > 1 else ''} {numbers} (from 0)" if self.rows else ""
        kind = next((kind for kind in _KINDS if isinstance(first, kind)), ProviderError)
        return kind(
            what,
            where="; ".join(filter(None, (_line(first.where), rows))),
            hint=_line(first.hint) or "run it again: only what has no reply yet is sent",
            status=first.status,
            retry_after_seconds=first.retry_after_seconds,
        )


def _line(text: str) -> str:
    """Returns a text as one line that is not too long."""
    line = " ".join(text.split())
    return line if len(line) <= REASON_CHARACTERS else line[: REASON_CHARACTERS - 1] + "…"
