"""What a plan says: one line a job, and the sum of them.

Contract: a number that is not known is None, and never counted as 0 without the plan saying so. On a line that is not
an estimate `requests`, `cached` and `to_make` are exact; tokens and money are estimates everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

RUN = "run"
RESTORE = "restore"


@dataclass(frozen=True, slots=True)
class ModelLine:
    """What one job asks one model.

    Attributes:
        alias: The model's name under `models:`.
        model: The model id.
        requests: Rows that are put to the model.
        cached: Those of them that nothing is sent for: their reply is in the call cache, or will be when they come.
        to_make: Calls that will be made.
        input_tokens: Tokens of the calls that will be made: their characters, divided by four.
        output_tokens: Tokens that the model will write.
        output_basis: What `output_tokens` is from: `mean of 64 replies`, `max_tokens`.
        cost_usd: What the calls will cost, in US dollars.
        prices: Where the price is from.
        is_open: Whether only the user's code knows what it asks, so that no number is known.
    """

    alias: str
    model: str
    requests: int | None
    cached: int | None
    to_make: int | None
    input_tokens: int | None
    output_tokens: int | None
    output_basis: str | None
    cost_usd: float | None
    prices: str | None
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class JobLine:
    """One job that Snakemake will run.

    Attributes:
        rule: The rule's name in the workflow.
        task: The rule's name in the library; None for a rule of the user's own.
        why: Snakemake's reason in short words: `params: instruction changed`, `missing output`, `after tweets`.
        action: `restore` where the store has the result, so that nothing is computed.
        is_estimate: Whether an input is still to be made, so that rows and calls are worked out, not counted.
        rows: Rows of the outputs that are tables.
        gpu_hours: Hours of all its GPUs, by earlier jobs of the same kind.
    """

    rule: str
    task: str | None
    wildcards: Mapping[str, str]
    outputs: Sequence[str]
    why: str
    action: Literal["run", "restore"]
    is_estimate: bool
    rows: int | None
    models: Sequence[ModelLine]
    gpu_hours: float | None

    @property
    def cached(self) -> int | None:
        """Rows that nothing is sent for."""
        return whole_sum([line.cached for line in self.models])

    @property
    def to_make(self) -> int | None:
        """Calls that will be made."""
        return whole_sum([line.to_make for line in self.models])

    @property
    def input_tokens(self) -> int | None:
        """Tokens that will be sent."""
        return whole_sum([line.input_tokens for line in self.models])

    @property
    def output_tokens(self) -> int | None:
        """Tokens that will be written."""
        return whole_sum([line.output_tokens for line in self.models])

    @property
    def cost_usd(self) -> float | None:
        """What the calls will cost."""
        costs = [line.cost_usd for line in self.models]
        return None if None in costs else sum(cost for cost in costs if cost is not None)

    # Any: JSON.
    def to_json(self) -> dict[str, Any]:
        """Returns the line as a plain JSON value."""
        sums = ("cached", "to_make", "input_tokens", "output_tokens", "cost_usd")
        return asdict(self) | {name: getattr(self, name) for name in sums}


@dataclass(frozen=True, slots=True)
class Plan:
    """All jobs that will run, makers before what is made of theirs.

    Attributes:
        prices: The price list that is used where the config has no prices; None where none is installed.
        notes: What else the reader should know, one sentence each.
    """

    jobs: Sequence[JobLine]
    prices: str | None
    notes: Sequence[str] = ()

    # Any: JSON.
    def totals(self) -> dict[str, Any]:
        """Returns the sums of what is known, and under `unknown` how many jobs each sum leaves out."""
        summed = ("cached", "to_make", "input_tokens", "output_tokens", "cost_usd")
        values = {name: [getattr(job, name) for job in self.jobs] for name in summed}
        hours = [job.gpu_hours for job in self.jobs if job.gpu_hours is not None]
        return {
            "jobs": len(self.jobs),
            "restored": sum(job.action == RESTORE for job in self.jobs),
            **{name: sum(v for v in found if v is not None) for name, found in values.items()},
            "gpu_hours": sum(hours) if hours else None,
            "is_estimate": any(job.is_estimate for job in self.jobs),
            "unknown": {name: found.count(None) for name, found in values.items() if None in found},
        }

    # Any: JSON.
    def to_json(self) -> dict[str, Any]:
        """Returns the plan as a plain JSON value."""
        return {
            "jobs": [job.to_json() for job in self.jobs],
            "totals": self.totals(),
            "prices": self.prices,
            "notes": list(self.notes),
        }


def whole_sum(counts: Sequence[int | None]) -> int | None:
    """Returns the sum of counts; None where one is not known."""
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None
