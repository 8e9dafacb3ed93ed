"""How the loss went, step by step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars

FILE_NAME = "history.parquet"


# Any: log entries of transformers, numbers of every type.
def history_table(log: Iterable[Mapping[str, Any]], metrics: Sequence[str] = ()) -> polars.DataFrame:
    """Returns one row a step, from the log of a trainer.

    Columns: `step`, `epoch`, `loss` (mean over the output tokens of the batch; none for step 0, the model before the
    training), `eval_loss` (none where there was no validation), `learning_rate`, `tokens` (seen so far, prompts
    included, padding not). Further ones for those of `metrics`, the other numbers that a trainer logs, and for their
    values on the validation rows, `eval_` before the name, where there are any. Nothing in it depends on the clock, so
    that equal trainings leave equal files.
    """
    import polars as pl

    schema = {
        "step": pl.Int64,
        "epoch": pl.Float64,
        "loss": pl.Float64,
        "eval_loss": pl.Float64,
        "learning_rate": pl.Float64,
        "tokens": pl.Int64,
    }
    entries = list(log)
    names = [name for metric in metrics for name in (metric, f"eval_{metric}")]
    schema |= {name: pl.Float64 for name in names if any(name in entry for entry in entries)}
    # Any: as above.
    rows: dict[int, dict[str, Any]] = {}
    for entry in entries:
        if not any(name in entry for name in ("loss", "eval_loss", *names)):
            continue
        row = rows.setdefault(entry["step"], dict.fromkeys(schema))
        row |= {"step": entry["step"], "epoch": entry.get("epoch"), "tokens": entry.get("num_input_tokens_seen")}
        row |= {name: entry[name] for name in ("loss", "eval_loss", "learning_rate", *names) if name in entry}
    return pl.DataFrame([rows[step] for step in sorted(rows)], schema=schema)
