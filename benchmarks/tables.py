"""Figures of the rules that shape tables, beside `datasets` and bare polars, all in one run.

    python -m benchmarks.tables [STEP ...] [large]     all steps by default: map, "map by batch", filter, sql, split,
                                                       deduplicate, sort, prompt

Rows have about 200 bytes. There are 1,000,000 of them, and with `large` 10,000,000; ROWS=… says otherwise. `prompt` is
`process_with_prompt` with the `echo` provider, always over 1,000,000 rows (PROMPT_ROWS=…). Every step of every tool is
a process of its own and ends with a Parquet file. REPEATS=2: each figure is the best of the repeats, so that a noisy
machine shows less; `datasets` runs once. Exits with 1 where a limit is missed.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from benchmarks.calls import Table
from benchmarks.running import Figures, ours, python

IS_LARGE = "large" in sys.argv[1:]
ROWS = int(os.environ.get("ROWS", "10000000" if IS_LARGE else "1000000"))
PROMPT_ROWS = int(os.environ.get("PROMPT_ROWS", "1000000"))
REPEATS = int(os.environ.get("REPEATS", "1" if IS_LARGE else "2"))
# What nobody waits for longer.
PEER_SECONDS = 1800.0
MIB_LIMIT = "<= 2,048"

STEPS = ("map", "map by batch", "filter", "sql", "split", "deduplicate", "sort")
# Steps for which `datasets` calls a Python function, or moves rows one by one, and dreamsmk does not.
WITHOUT_PYTHON = ("filter", "sql", "split", "deduplicate")


def measure(table: Table, step: str, path: Path) -> None:
    """Prints what each tool does with one step."""
    mine = best([run("dreamsmk", step, path) for _ in range(REPEATS)])
    bare = best([run("polars", step, path) for _ in range(REPEATS)])
    theirs = run("datasets", step, path)
    for tool, figures in (("dreamsmk", mine), ("polars", bare), ("datasets", theirs)):
        if isinstance(figures, str):
            print(f"{f'{step}, {tool}, rows/s':48} {figures}", flush=True)
        else:
            words = f"{figures['seconds']:.1f} s, {figures['peak_mib']:,.0f} MiB, {figures['rows']:,} rows left"
            table.say(f"{step}, {tool}, rows/s", ROWS / figures["seconds"], words)
    assert not isinstance(mine, str), mine
    if not isinstance(theirs, str):
        times = theirs["seconds"] / mine["seconds"]
        if step in WITHOUT_PYTHON:
            table.hold(f"{step}, times as fast as datasets", times, ">= 10")
        else:
            table.say(f"{step}, times as fast as datasets", times)
    table.hold(f"{step}, peak memory in MiB", mine["peak_mib"], MIB_LIMIT, f"{ROWS:,} rows")


def run(tool: str, step: str, path: Path) -> Figures | str:
    """Runs a step in a process of its own, in a folder of its own."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        return python("benchmarks.tables_steps", tool, step, str(path), folder, seconds=PEER_SECONDS)


def best(runs: list[Figures | str]) -> Figures | str:
    """Returns the fastest of some runs, or why the first one failed."""
    done = [figures for figures in runs if not isinstance(figures, str)]
    return min(done, key=lambda figures: float(figures["seconds"])) if len(done) == len(runs) else runs[0]


def prompt(table: Table, path: Path) -> None:
    """A model that costs nothing, asked once a row."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        figures = ours("benchmarks.tables_prompt", str(path), folder)
    words = f"{figures['rows']:,} rows, {figures['seconds']:.1f} s"
    table.hold("process_with_prompt on echo, rows/s", figures["rows"] / figures["seconds"], ">= 20,000", words)
    table.say("the same with every reply cached, rows/s", figures["rows"] / figures["again_seconds"])
    table.hold("process_with_prompt, peak memory in MiB", figures["peak_mib"], MIB_LIMIT)


def make_rows(path: Path, rows: int) -> None:
    """Writes a table, in a process of its own: what this one has in memory would count as its children's."""
    ours("benchmarks.tables_rows", str(path), str(rows))


def main() -> None:
    """Runs the steps that are asked for."""
    asked = [name for name in sys.argv[1:] if name != "large"] or [*STEPS, "prompt"]
    table = Table()
    with tempfile.TemporaryDirectory() as folder:
        rows, prompts = Path(folder) / "rows.parquet", Path(folder) / "prompts.parquet"
        if set(asked) & set(STEPS):
            make_rows(rows, ROWS)
        for step in asked:
            if step == "prompt":
                make_rows(prompts, PROMPT_ROWS)
                prompt(table, prompts)
            else:
                measure(table, step, rows)
    if table.missed:
        sys.exit("missed: " + ", ".join(table.missed))


if __name__ == "__main__":
    main()
