"""Tokens a second of trainers beside bare TRL and transformers, and of local generation beside plain loops.

    python -m benchmarks.training [fine_tune] [dpo] [classifier] [generation]     all by default

Each trainer trains a Llama of some million random weights, STEPS=60 steps of 8 rows, once with an adapter and once
whole. Ours and theirs take turns, REPEATS=2 times, each run a process of its own with all threads of the machine; a
figure is the best of its repeats. Both see the same rows and the same arguments; ours writes its history and facts
besides. MODEL=folder trains and asks that model instead. Exits with 1 where a limit is missed.

The time is that of `trainer.train()`: loading the model and tokenizing the rows are not in it. Nor is
loading in that of generation; tokenizing is.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from benchmarks.calls import Table
from benchmarks.running import Figures, ours

STEPS = os.environ.get("STEPS", "60")
REPEATS = int(os.environ.get("REPEATS", "2"))
TRAINERS = ("fine_tune", "dpo", "classifier")
LEAST_SHARE = ">= 0.97"
LEAST_GAIN = ">= 1.5"
# A loop of sorted batches does no worse but for the noise of the machine.
LEAST_OF_SORTED = ">= 1.0"


def train(table: Table, trainer: str, weights: str, model: Path, folder: Path) -> None:
    """Prints how many tokens a second a trainer learns from, and what share of the bare library's that is."""
    runs: dict[str, list[Figures]] = {"bare": [], "dreamsmk": []}
    for turn in range(REPEATS):
        for tool, found in runs.items():
            where = folder / f"{trainer}-{weights}-{tool}-{turn}"
            found.append(ours("benchmarks.training_runs", tool, trainer, weights, str(model), str(where), STEPS))
    best = {tool: max(found, key=_rate) for tool, found in runs.items()}
    for tool, figures in best.items():
        detail = f"{figures['seconds']:.1f} s, {figures['cpu_seconds']:.1f} s of CPU, loss {figures['loss']:.4f}"
        table.say(f"{trainer}, {weights}: tokens/s, {tool}", _rate(figures), detail)
    cpu = best["bare"]["cpu_seconds"] / best["dreamsmk"]["cpu_seconds"]
    share = _rate(best["dreamsmk"]) / _rate(best["bare"])
    table.hold(f"{trainer}, {weights}: share of bare", share, LEAST_SHARE, f"{cpu:.2f} by CPU time")


def generate(table: Table, model: Path) -> None:
    """Prints how much faster 200 prompts of mixed length are answered than by plain loops of `generate`."""
    runs: dict[str, list[Figures]] = {"unsorted": [], "sorted": [], "dreamsmk": []}
    for _ in range(REPEATS):
        for way, found in runs.items():
            found.append(ours("benchmarks.generation_runs", way, str(model)))
    best = {way: min(found, key=lambda figures: float(figures["seconds"])) for way, found in runs.items()}
    for way, figures in best.items():
        table.say(f"generation: seconds, {way}", figures["seconds"], f"{figures['cpu_seconds']:.1f} s of CPU")
    for way, limit in (("unsorted", LEAST_GAIN), ("sorted", LEAST_OF_SORTED)):
        by = {unit: best[way][unit] / best["dreamsmk"][unit] for unit in ("seconds", "cpu_seconds")}
        table.hold(f"generation: gain over {way} batches", by["seconds"], limit, f"{by['cpu_seconds']:.2f} by CPU time")


def _rate(figures: Figures) -> float:
    return float(figures["tokens"] / figures["seconds"])


def main() -> int:
    wanted = sys.argv[1:] or [*TRAINERS, "generation"]
    table = Table()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = Path(os.environ["MODEL"]) if "MODEL" in os.environ else folder / "model"
        if not model.exists():
            ours("benchmarks.training_runs", "model", str(model))
        for trainer in (trainer for trainer in TRAINERS if trainer in wanted):
            for weights in ("lora", "full"):
                train(table, trainer, weights, model, folder)
        if "generation" in wanted:
            generate(table, model)
    if table.missed:
        print(f"missed: {', '.join(table.missed)}")
    return 1 if table.missed else 0


if __name__ == "__main__":
    sys.exit(main())
