"""A training on a tiny model, in this process or, as `python -m tests.unit.tasks.training.job`, in one to be killed."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from dreamsmk.settings import ModelSpec, validate_params
from dreamsmk.smk.meta import load_meta
from dreamsmk.tasks.context import Context

WORDS = tuple("abcdefghijklmnopqrstuvwxyz")


def make_rows(count: int, *, words: int = 6) -> pl.DataFrame:
    """Rows whose output is their input backwards."""
    texts = [[WORDS[(row * 7 + place * 3 + row // 5) % len(WORDS)] for place in range(words)] for row in range(count)]
    return pl.DataFrame({"question": [" ".join(t) for t in texts], "answer": [" ".join(t[::-1]) for t in texts]})


@dataclass
class Recorder:
    """A progress that remembers, and can do something at each step."""

    steps: list[tuple[int, int | None, dict[str, Any]]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    at_step: Callable[[int], None] = lambda step: None

    def update(self, done: int, total: int | None = None, **facts: str | int | float) -> None:
        self.steps.append((done, total, facts))
        self.at_step(done)

    def note(self, text: str) -> None:
        self.notes.append(text)


@dataclass
class SpecOnly:
    """A model of the config that is only asked for its spec."""

    spec: ModelSpec


@dataclass
class Job:
    """Where a training reads and writes.

    Attributes:
        folder: For its inputs, its output and its scratch folder.
        model: The base model, `student` under `models:`.
        spec: Further fields of its spec.
        rule: Whose task is run; the defaults of its parameters are filled in.
        given: Parameters of every run.
        settings: The config.
        models: Further models, by their aliases.
        tables: Output roles that are tables, beside the model.
    """

    folder: Path
    model: Path | str
    spec: dict[str, Any] = field(default_factory=dict)
    progress: Recorder = field(default_factory=Recorder)
    rule: str = "fine_tune"
    given: dict[str, Any] = field(default_factory=lambda: {"inputs": "question", "outputs": "answer"})
    settings: dict[str, Any] = field(default_factory=dict)
    models: dict[str, ModelSpec] = field(default_factory=dict)
    tables: tuple[str, ...] = ()

    def run(self, rows: pl.DataFrame, validation: pl.DataFrame | None = None, **params: Any) -> dict[str, Any]:
        """Trains and returns the facts."""
        self.folder.mkdir(parents=True, exist_ok=True)
        inputs = {"train": [self.folder / "train.parquet"], "validation": []}
        rows.write_parquet(inputs["train"][0])
        if validation is not None:
            inputs["validation"] = [self.folder / "validation.parquet"]
            validation.write_parquet(inputs["validation"][0])
        return self.run_files(inputs, params)

    def run_files(self, inputs: Mapping[str, list[Path]], params: Mapping[str, Any]) -> dict[str, Any]:
        spec = ModelSpec(**{"provider": "transformers", "model": str(self.model), **self.spec})
        meta = load_meta(self.rule)
        given = {"model": "student", "learning_rate": 1e-2, **self.given, **params}
        context = Context(
            params=validate_params(meta.params, given, where=f"rule {self.rule}"),
            inputs=inputs,
            outputs={"model": self.output, **{role: self.folder / f"{role}.parquet" for role in self.tables}},
            scratch=self.folder / "scratch",
            model=lambda alias: SpecOnly(self.models.get(alias, spec)),
            progress=self.progress,
            settings=self.settings,
            home=self.folder / "home",
        )
        meta.load_task()(context)
        return context.facts["training"]

    @property
    def output(self) -> Path:
        return self.folder / "model"

    @property
    def checkpoints(self) -> Path:
        return self.folder / "scratch" / "checkpoints"

    def files(self) -> dict[str, bytes]:
        """The bytes of each file of the output."""
        return {path.name: path.read_bytes() for path in sorted(self.output.iterdir())}


if __name__ == "__main__":
    folder, model, rows, params = sys.argv[1:]
    job = Job(Path(folder), model, progress=Recorder(at_step=lambda step: time.sleep(0.1)))
    job.run(make_rows(int(rows)), **json.loads(params))
