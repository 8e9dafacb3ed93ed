"""A fine-tuning at a service, in this process or, as `python -m tests.unit.tasks.training.openai_desk`, in one to be
killed: the real task through the real client, over HTTP, to the wire server."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from dreamsmk.settings import ModelSpec, validate_params
from dreamsmk.smk.meta import load_meta
from dreamsmk.tasks.context import Context
from dreamsmk.tasks.training.openai.service import FineTuningService
from dreamsmk.tasks.training.openai_fine_tune import train_at
from tests.unit.tasks.training.job import Recorder, SpecOnly

RULE = "openai_fine_tune"
BASE = "gpt-4.1-nano-2025-04-14"
PAIRS = {"inputs": "question", "outputs": "answer"}


def pairs(count: int = 12, start: int = 0) -> pl.DataFrame:
    """Rows of questions and answers."""
    numbers = range(start, start + count)
    return pl.DataFrame({"question": [f"What is {n} + 1?" for n in numbers], "answer": [str(n + 1) for n in numbers]})


@dataclass
class TuningDesk:
    """Where a fine-tuning reads and writes.

    Attributes:
        arrival_seconds: How long the service is granted until a job stands in its list.
    """

    folder: Path
    url: str
    arrival_seconds: float = 0.5
    spec: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    progress: Recorder = field(default_factory=Recorder)

    def run(
        self, train: pl.DataFrame | None = None, validation: pl.DataFrame | None = None, **params: Any
    ) -> dict[str, Any]:
        """Trains and returns the facts; pairs of texts where nothing else is given."""
        given = params if train is not None else {**PAIRS, **params}
        context = self.context(pairs() if train is None else train, validation, **given)
        spec = context.model("base").spec
        with contextlib.closing(FineTuningService(spec, arrival_seconds=self.arrival_seconds)) as service:
            train_at(context, service)
        facts: dict[str, Any] = context.facts["training"]
        return facts

    def context(self, train: pl.DataFrame, validation: pl.DataFrame | None = None, **params: Any) -> Context:
        """Returns what the task is given."""
        self.folder.mkdir(parents=True, exist_ok=True)
        inputs: dict[str, list[Path]] = {"train": [self.folder / "train.parquet"]}
        train.write_parquet(inputs["train"][0])
        if validation is not None:
            inputs["validation"] = [self.folder / "validation.parquet"]
            validation.write_parquet(inputs["validation"][0])
        values = {"provider": "openai", "model": BASE, "base_url": self.url, "max_retries": 2, **self.spec}
        spec = ModelSpec(**values)
        given = {"model": "base", "poll_seconds": 0.05, **params}
        return Context(
            params=validate_params(load_meta(RULE).params, given, where=RULE),
            inputs=inputs,
            outputs={"model": self.model, "history": self.folder / "history.parquet"},
            scratch=self.folder / "scratch",
            model=lambda alias: SpecOnly(spec),
            progress=self.progress,
            settings=self.settings,
        )

    @property
    def model(self) -> Path:
        return self.folder / "model.json"

    @property
    def ledger(self) -> Path:
        (path,) = (self.folder / "scratch").glob("openai_job_*.json")
        return path

    def left(self) -> Mapping[str, str]:
        """Returns what the file says that the training left."""
        read: Mapping[str, str] = json.loads(self.model.read_bytes())
        return read

    def history(self) -> pl.DataFrame:
        """Returns the table of losses."""
        return pl.read_parquet(self.folder / "history.parquet")


if __name__ == "__main__":
    desk = TuningDesk(Path(sys.argv[1]), sys.argv[2])
    desk.run(pairs(), pairs(3, 50), **PAIRS)
