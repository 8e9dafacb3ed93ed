"""The metrics: what each is called, which family measures it, and on which scale it is.

Contract: a metric that stands in `rules/evaluate/meta.yaml` stands here too, and no other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Family = Literal["texts", "labels", "perplexity", "verdicts"]
# What the axis of a plot says; scores of one scale share it.
Scale = Literal["score, 0 to 1", "score, 0 to 100", "perplexity, lower is better"]

SHARE: Scale = "score, 0 to 1"
AVERAGES = ("macro", "micro", "weighted")


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Attributes:
        label: What a plot calls it.
        beside: The columns that it puts beside the rows.
    """

    label: str
    family: Family
    scale: Scale = SHARE
    beside: tuple[str, ...] = ()


METRICS: dict[str, Metric] = {
    "exact_match": Metric("exact match", "texts", beside=("exact_match",)),
    "rouge1": Metric("ROUGE-1", "texts", beside=("rouge1",)),
    "rouge2": Metric("ROUGE-2", "texts", beside=("rouge2",)),
    "rougeL": Metric("ROUGE-L", "texts", beside=("rougeL",)),
    "bleu": Metric("BLEU", "texts", "score, 0 to 100", ("bleu",)),
    "chrf": Metric("chrF", "texts", "score, 0 to 100", ("chrf",)),
    "accuracy": Metric("accuracy", "labels", beside=("accuracy",)),
    **{
        f"{kind}_{average}": Metric(f"{label} ({average})", "labels")
        for kind, label in (("precision", "precision"), ("recall", "recall"), ("f1", "F1"))
        for average in AVERAGES
    },
    "perplexity": Metric("perplexity", "perplexity", "perplexity, lower is better", ("nll", "tokens")),
    "win_rate": Metric("win rate", "verdicts", beside=("win_rate",)),
}

# What a metric brings with it: counts, which are no scores and are in no plot.
COUNTS = {"win_rate": ("wins", "ties", "losses", "unjudged")}
# What else an extra has to bring, by the metric that needs it.
PACKAGES = {
    **dict.fromkeys(("rouge1", "rouge2", "rougeL"), "rouge_score"),
    **dict.fromkeys(("bleu", "chrf"), "sacrebleu"),
    **{name: "sklearn" for name, metric in METRICS.items() if metric.family == "labels"},
}


def of_family(metrics: Sequence[str], family: Family) -> list[str]:
    """Returns those of some metrics that belong to a family."""
    return [name for name in metrics if METRICS[name].family == family]


def lines_of(metrics: Sequence[str]) -> list[str]:
    """Returns what the scores have a row of, in order: each metric, and what it brings with it."""
    return [line for name in metrics for line in (name, *COUNTS.get(name, ()))]


def beside_of(metrics: Sequence[str]) -> list[str]:
    """Returns the columns that metrics put beside the rows, in order."""
    return [column for name in metrics for column in METRICS[name].beside]
