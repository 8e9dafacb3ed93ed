"""How the loss went, step by step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars

FILE_NAME = "history.parquet"


# Any: log entries of transformers, numbers of every type.
def history_table(log: Iterable[Mapping[str, Any]]) -> polars.DataFrame:
    """Returns one row a step, from the log of a trainer.

    Columns: `step`, `epoch`, `loss` (mean over the output tokens of the batch; none for step 0, the model before the
    training), `eval_loss` (none where there was no validation), `learning_rate`, `tokens` (seen so far, prompts
    included, padding not). Nothing in it depends on the clock, so that equal trainings leave equal files.
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
    # Any: as above.
    rows: dict[int, dict[str, Any]] = {}
    for entry in log:
        if "loss" not in entry and "eval_loss" not in entry:
            continue
        row = rows.setdefault(entry["step"], dict.fromkeys(schema))
        row |= {"step": entry["step"], "epoch": entry.get("epoch"), "tokens": entry.get("num_input_tokens_seen")}
        row |= {name: entry[name] for name in ("loss", "eval_loss", "learning_rate") if name in entry}
    return pl.DataFrame([rows[step] for step in sorted(rows)], schema=schema)
