"""A plan as a table for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from dreamsmk.smk.planning import JobLine, Plan

HEAD = ("job", "why", "rows", "cached", "calls", "tokens in", "tokens out", "cost", "GPU h")
RESTORED = "restored from the store"
# More jobs than this are shown by rule.
MOST_JOBS = 40
_TEXT_COLUMNS = 2
_LEAST_WIDTH = 16
_NONE, _UNKNOWN = "-", "?"


def plan_text(plan: Plan, *, width: int | None = None, is_whole: bool = False) -> list[str]:
    """Returns the lines of the table: the head, the jobs, the sums.

    Args:
        plan: A plan with at least one job.
        width: Characters that a line may have; None for as many as it takes.
        is_whole: Whether every job gets a line of its own, however many there are.
    """
    if is_whole or len(plan.jobs) <= MOST_JOBS:
        rows = [_cells([job]) for job in plan.jobs]
    else:
        grouped = groupby(plan.jobs, key=lambda job: (job.rule, job.action, job.is_estimate))
        rows = [_cells(list(group)) for _, group in grouped]
    return _aligned([list(HEAD), *rows, _total(plan)], width)


def footnotes(plan: Plan) -> list[str]:
    """Returns what is to be read below the table."""
    notes = []
    if any(job.is_estimate for job in plan.jobs):
        notes.append(
            "~ before rows and calls: an input is still to be made; equal texts and cached replies make it less"
        )
    lines = {line.alias: line for job in plan.jobs for line in job.models if line.to_make != 0 and not line.is_open}
    if lines:
        bases = "; ".join(f"{alias}: {line.output_basis or 'not known'}" for alias, line in sorted(lines.items()))
        notes.append(f"tokens: estimates everywhere; in is characters / 4, out is by {bases}")
    if any(line.prices not in ("local", "config") for line in lines.values()):
        today = datetime.now(UTC).date().isoformat()
        missing = "no price list is installed: pip install 'dreamsmk[prices]', or give models.<alias>.prices"
        notes.append(f"prices: {plan.prices}, for {today}" if plan.prices else missing)
    return [*notes, *plan.notes]


def _cells(jobs: Sequence[JobLine]) -> list[str]:
    """Returns the cells of one job, or of several of one rule."""
    first = jobs[0]
    mark = "~" if first.is_estimate else ""
    has_calls = bool(first.models)
    sums = {
        name: _sum([getattr(job, name) for job in jobs])
        for name in ("rows", "cached", "to_make", "input_tokens", "output_tokens", "cost_usd", "gpu_hours")
    }
    return [
        _name(first) if len(jobs) == 1 else f"{first.rule} × {len(jobs):,}",
        _why(jobs),
        _count(sums["rows"], mark) if any(job.rows is not None for job in jobs) or has_calls else _NONE,
        _count(sums["cached"], "") if has_calls else _NONE,
        _count(sums["to_make"], mark) if has_calls else _NONE,
        _tokens(sums["input_tokens"]) if has_calls else _NONE,
        _tokens(sums["output_tokens"]) if has_calls else _NONE,
        _money(sums["cost_usd"]) if has_calls else _NONE,
        _NONE if sums["gpu_hours"] is None else f"~{sums['gpu_hours']:,.2g}",
    ]


def _total(plan: Plan) -> list[str]:
    totals: dict[str, Any] = plan.totals()  # Any: JSON
    unknown = totals["unknown"]
    mark = "~" if totals["is_estimate"] else ""

    def summed(name: str, shown: str) -> str:
        return shown + (f" + {_UNKNOWN}" if name in unknown else "")

    jobs = "1 job" if totals["jobs"] == 1 else f"{totals['jobs']:,} jobs"
    hours = totals["gpu_hours"]
    return [
        "total",
        jobs + (f", {totals['restored']:,} of them {RESTORED}" if totals["restored"] else ""),
        "",
        summed("cached", _count(totals["cached"], "")),
        summed("to_make", _count(totals["to_make"], mark)),
        summed("input_tokens", _tokens(totals["input_tokens"])),
        summed("output_tokens", _tokens(totals["output_tokens"])),
        _money(totals["cost_usd"]) + (" + unknown" if "cost_usd" in unknown else ""),
        _NONE if hours is None else f"~{hours:,.2g}",
    ]


def _name(job: JobLine) -> str:
    return " ".join([job.rule, *(f"{name}={value}" for name, value in job.wildcards.items())])


def _why(jobs: Sequence[JobLine]) -> str:
    reasons = Counter(job.why for job in jobs)
    reason = reasons.most_common(1)[0][0] + (", …" if len(reasons) > 1 else "")
    return f"{reason}: {RESTORED}" if jobs[0].action == "restore" else reason


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _count(value: float | None, mark: str) -> str:
    if value is None:
        return _UNKNOWN
    return f"{mark if value else ''}{value:,.0f}"


def _tokens(value: float | None) -> str:
    """Returns tokens with no more digits than an estimate has."""
    return f"~{value / 1e6:,.1f}M" if value is not None and value >= 1e6 else _count(value, "~")


def _money(usd: float | None) -> str:
    if usd is None:
        return "unknown"
    if usd == 0:
        return "$0"
    return f"~${usd:,.2f}" if usd >= 1 else "<$0.0001" if usd < 0.0001 else f"~${usd:.4f}"


def _aligned(rows: Sequence[list[str]], width: int | None) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEAD))]
    if width is not None:
        for column in (1, 0):
            excess = sum(widths) + 2 * (len(widths) - 1) - width
            if excess > 0:
                widths[column] = max(min(widths[column], _LEAST_WIDTH), widths[column] - excess)
    return ["  ".join(_padded(row, widths)).rstrip() for row in rows]


def _padded(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    for column, (cell, width) in enumerate(zip(row, widths, strict=True)):
        shown = cell if len(cell) <= width else cell[: width - 1] + "…"
        yield shown.ljust(width) if column < _TEXT_COLUMNS else shown.rjust(width)
