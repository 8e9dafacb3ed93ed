"""Fills a store as the jobs of a benchmark would, in one process."""

from __future__ import annotations

from pathlib import Path

import polars

from dreamsmk.smk.binding import Binding
from dreamsmk.smk.identify import identify
from dreamsmk.store import ActionStore, Records


def fill(count: int) -> None:
    """Keeps the result of `split` with `train: 1.0` for `in/0.csv` and those that follow, in the working folder."""
    config = {"models": {"teacher": {"provider": "echo", "model": "echo"}}}
    binding = Binding(config, "split")
    store, records = ActionStore(binding.home, binding.memo), Records(binding.home, binding.memo)
    params = binding.params({"train": 1.0}, where="benchmark")
    scratch = binding.home.path / "filling"
    scratch.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        source = Path("in") / f"{number}.csv"
        found = identify(
            binding.meta,
            params,
            {"table": [source]},
            outputs=["train"],
            settings=binding.settings,
            memo=binding.memo,
        )
        made = scratch / "train.parquet"
        polars.read_csv(source).write_parquet(made)
        with store.lock(found.fingerprint):
            action = store.keep(found.fingerprint, {"train": made}, {"train": "table"})
        output = {"path": f"out/{number}.parquet", "kind": "table", "digest": action.outputs["train"].digest}
        records.write(
            {"record_version": 1, "fingerprint": found.fingerprint, "outputs": {"train": output}, "finished_at": ""}
        )
