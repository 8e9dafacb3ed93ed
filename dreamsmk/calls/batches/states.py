"""A batch and its calls, as the ledger remembers them, and the states that a batch goes through.

planned     nothing that counts was sent; an input file may have been uploaded, which costs nothing
submitting  the service was asked to begin it, and its answer is not known
running     it has an id at the service
ended       its replies are in the cache, and what failed has failed
dropped     it never began, or nobody wants to hear of it any more
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

State = Literal["planned", "submitting", "running", "ended", "dropped"]


@dataclass(frozen=True, slots=True)
class LedgerBatch:
    """One batch.

    Attributes:
        uuid: Our own name for it, which the service is told where it can be.
        base_url: The endpoint; empty for the provider's own.
        spec: The identity of the model spec as JSON, and the variable that holds the key.
        calls: How many calls it has.
        planned_at: When it was planned: UTC, ISO 8601, like all times here.
        submitting_at: When the service was asked to begin it, for the last time.
        input_id: The service's id of the uploaded input file, where there is one.
        remote_id: The service's id of the batch.
        answered: Calls that the cache has the reply of through it.
        words: What there is to say about its end.
    """

    uuid: str
    provider: str
    base_url: str
    model: str
    spec: str
    state: State
    calls: int
    planned_at: str
    submitting_at: str | None = None
    input_id: str | None = None
    remote_id: str | None = None
    ended_at: str | None = None
    answered: int = 0
    words: str = ""

    @property
    def is_open(self) -> bool:
        """Whether its replies may still be to be had."""
        return self.state not in ("ended", "dropped")


@dataclass(frozen=True, slots=True)
class LedgerCall:
    """A call of an open batch.

    Attributes:
        request: The canonical JSON of its request.
        attempts: In how many batches it was, this one included.
    """

    key: str
    request: str
    attempts: int


def utc_now() -> str:
    """Returns the time as it stands in the ledger."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def seconds_since(moment: str | None) -> float:
    """Returns how long ago a moment of the ledger was, by this machine's clock."""
    if moment is None:
        return float("inf")
    return (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()
