"""The rows that `plot_training` gathers; its pictures differ from one version of matplotlib to the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import polars as pl

from dreamsmk.hashing import digest_rows
from dreamsmk.tasks.training.frame.history import FILE_NAME, history_table
from dreamsmk.tasks.training.plot_training import history_of, metrics_of
from tests.unit.tasks.desk import Desk

LOG = [
    {"eval_loss": 3.0, "step": 0, "num_input_tokens_seen": 0},
    {"loss": 2.0, "learning_rate": 0.1, "epoch": 0.5, "num_input_tokens_seen": 10, "step": 1},
    {"eval_loss": 1.5, "epoch": 1.0, "num_input_tokens_seen": 21, "step": 2},
]


def _plot_training(desk: Desk) -> Iterator[tuple[str, str]]:
    plain = history_table(LOG)
    margins = plain.select(
        "step", "loss", pl.col("loss").alias("rewards/margins"), pl.lit(1).alias("eval_rewards/margins")
    )
    path = desk.folder / FILE_NAME
    for name, names, histories in (
        ("one", [None], [plain]),
        ("two", ["SFT", "DPO"], [plain, margins]),
        ("no steps", ["SFT", "bare"], [plain, history_table([])]),
    ):
        history_of(names, histories).write_parquet(path)
        yield name, digest_rows(path)
        pl.DataFrame({"metric": metrics_of(histories, [])}).write_parquet(path)
        yield f"{name}: metrics", digest_rows(path)


CASES: dict[str, Callable[[Desk], Iterator[tuple[str, str]]]] = {"plot_training": _plot_training}
