"""One step over a table, by one tool, in a process of its own.

`python -m benchmarks.tables_steps TOOL STEP TABLE FOLDER` prints `{"seconds", "rows", "peak_mib"}` as JSON. Each step
reads the table and leaves Parquet files in the folder; what is imported is not timed. `datasets` starts from the table
as it keeps it, an Arrow file that is there already.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.tables_mapped import batch_lengths, row_lengths

# Any: JSON.
Params = dict[str, Any]
# What a tool does, ready to be timed.
Step = Callable[[], object]

CONDITION = "score > 0.5 AND label <> 'label 3'"
QUERY = f"SELECT id, label, length(text) AS letters, score * 2 AS double FROM self WHERE {CONDITION}"
COLUMNS = {"id": "Int64", "letters": "Int64"}
MAPPED = "benchmarks/tables_mapped.py"
COMPARED = ["label", "score", "text"]
OURS: dict[str, tuple[str, Params]] = {
    "map": ("map", {"function": f"{MAPPED}:row_lengths", "columns": COLUMNS}),
    "map by batch": ("map", {"function": f"{MAPPED}:frame_lengths", "by": "batch", "columns": COLUMNS}),
    "filter": ("filter", {"where": CONDITION}),
    "sql": ("sql", {"query": QUERY}),
    "split": ("split", {"train": 0.9, "test": 0.1, "seed": 1}),
    "deduplicate": ("deduplicate", {"columns": COMPARED}),
    "sort": ("sort", {"by": ["score"]}),
}


def ours(step: str, table: Path, folder: Path) -> Step:
    from dreamsmk.settings import validate_params
    from dreamsmk.smk.meta import load_meta
    from dreamsmk.tasks.context import Context

    rule, params = OURS[step]
    meta = load_meta(rule)
    task = meta.load_task()
    context = Context(
        params=validate_params(meta.params, params, where=rule),
        inputs={"table": [table]},
        outputs={role: folder / f"{role}.parquet" for role in (("train", "test") if rule == "split" else ("table",))},
        scratch=folder,
        model=_no_model,
        progress=Silence(),
    )
    return lambda: task(context)


def bare(step: str, table: Path, folder: Path) -> Step | None:
    """The same in polars alone, as one would write it by hand."""
    import polars as pl

    frame, target = pl.scan_parquet(table), folder / "table.parquet"
    lazy = {
        "map by batch": lambda: frame.select("id", letters=pl.col("text").str.len_chars().cast(pl.Int64)),
        "filter": lambda: frame.filter((pl.col("score") > 0.5) & (pl.col("label") != "label 3")),
        "sql": lambda: pl.SQLContext({"self": frame}, eager=False).execute(QUERY),
        "deduplicate": lambda: frame.unique(COMPARED, keep="first", maintain_order=True),
        "sort": lambda: frame.sort("score", maintain_order=True),
    }
    if step == "split":
        return lambda: _split_bare(frame, folder)
    return (lambda: lazy[step]().sink_parquet(target)) if step in lazy else None


def _split_bare(frame: Any, folder: Path) -> None:  # Any: a lazy frame
    shuffled = frame.collect().sample(fraction=1.0, shuffle=True, seed=1)
    train = shuffled.height * 9 // 10
    shuffled.head(train).write_parquet(folder / "train.parquet")
    shuffled.slice(train).write_parquet(folder / "test.parquet")


def theirs(step: str, table: Path, folder: Path) -> Step | None:
    """The same with `datasets`, a function by row, or by batch where the step says so."""
    import datasets

    datasets.disable_progress_bars()
    given = datasets.Dataset.from_parquet(str(table), cache_dir=str(table.parent / "datasets"))
    target, kept, seen = folder / "table.parquet", given.column_names, set()

    def is_new(label: str, score: float, text: str) -> bool:
        before = len(seen)
        seen.add(hash((label, score, text)))
        return len(seen) > before

    def split() -> None:
        for part, rows in given.train_test_split(test_size=0.1, seed=1).items():
            rows.to_parquet(folder / f"{part}.parquet")

    steps: dict[str, Callable[[], Any]] = {
        "map": lambda: given.map(row_lengths, remove_columns=kept),
        "map by batch": lambda: given.map(batch_lengths, batched=True, remove_columns=kept),
        "filter": lambda: given.filter(lambda row: row["score"] > 0.5 and row["label"] != "label 3"),
        "sql": lambda: given.filter(lambda row: row["score"] > 0.5 and row["label"] != "label 3").map(
            lambda row: {"letters": len(row["text"]), "double": row["score"] * 2}, remove_columns=["text", "score"]
        ),
        "deduplicate": lambda: given.filter(is_new, input_columns=COMPARED),
        "sort": lambda: given.sort("score"),
    }
    if step == "split":
        return split
    return (lambda: steps[step]().to_parquet(target)) if step in steps else None


TOOLS: dict[str, Callable[[str, Path, Path], Step | None]] = {"dreamsmk": ours, "polars": bare, "datasets": theirs}


class Silence:
    """A progress that says nothing."""

    def update(self, done: int, total: int | None = None, **facts: str | int | float) -> None:
        pass

    def note(self, text: str) -> None:
        pass


def _no_model(alias: str) -> Any:  # Any: there is none
    raise AssertionError(alias)


def timed(step: Step) -> dict[str, float]:
    """Runs a step; returns the seconds that it took, and the most memory of this process or of one of its children."""
    started = time.perf_counter()
    step()
    seconds = time.perf_counter() - started
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {"seconds": seconds, "peak_mib": peak / 1024}


def main() -> None:
    import polars as pl

    tool, step, table, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4])
    ready = TOOLS[tool](step, table, folder)
    if ready is None:
        sys.exit("it has no such step")
    figures = timed(ready)
    rows = pl.scan_parquet(folder / "*.parquet").select(pl.len()).collect().item()
    print(json.dumps({**figures, "rows": rows}))


if __name__ == "__main__":
    main()
