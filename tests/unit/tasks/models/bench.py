"""Where a model folder is made of a tiny model: adapters as trainings leave them, and the two tasks."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dreamsmk.settings import ModelSpec, validate_params
from dreamsmk.smk.meta import load_meta
from dreamsmk.tasks.context import Context
from tests.unit.tasks.training.job import Recorder, SpecOnly


@dataclass
class Bench:
    """Runs a task on a model and says what it noted."""

    folder: Path
    progress: Recorder = field(default_factory=Recorder)

    @property
    def output(self) -> Path:
        return self.folder / "made"

    def run(self, rule: str, model: Path, adapter: Path | None = None, spec: dict | None = None, **params: Any) -> dict:
        """Runs the task of a rule and returns the facts."""
        meta = load_meta(rule)
        given = ModelSpec(**{"provider": "transformers", "model": str(model), **(spec or {})})
        context = Context(
            params=validate_params(meta.params, {"model": "student", **params}, where=rule),
            inputs={"adapter": [adapter]} if adapter else {},
            outputs={"model": self.output},
            scratch=self.folder,
            model=lambda alias: SpecOnly(given),
            progress=self.progress,
        )
        meta.load_task()(context)
        (facts,) = context.facts.values()
        return facts

    def merge(self, model: Path, adapter: Path | None, spec: dict | None = None, **params: Any) -> dict:
        return self.run("merge_adapter", model, adapter, spec, **params)

    def quantize(self, model: Path, method: str, spec: dict | None = None, **params: Any) -> dict:
        return self.run("quantize", model, None, spec, method=method, **params)

    def names(self) -> set[str]:
        """The files of the output."""
        return {str(path.relative_to(self.output)) for path in self.output.rglob("*") if path.is_file()}


def make_adapter(folder: Path, model: Any, **config: Any) -> Path:
    """Writes an adapter for a model in memory as if it had been trained: none of its weights is what it began with."""
    import torch
    from peft import LoraConfig, get_peft_model

    with torch.random.fork_rng(devices=[]), warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.manual_seed(3)
        adapted = get_peft_model(model, LoraConfig(**{"r": 4, "target_modules": ["q_proj", "v_proj"], **config}))
        for name, weights in adapted.named_parameters():
            if weights.requires_grad:
                noise = torch.randn_like(weights)
                weights.copy_(weights * (1 + 0.1 * noise) if "magnitude" in name else weights + 0.1 * noise)
        adapted.save_pretrained(folder)
    return folder
