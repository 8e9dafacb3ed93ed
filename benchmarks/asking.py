"""The model of the benchmark, as a task would be given it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.workload import MODEL
from dreamsmk.calls import CachedModel
from dreamsmk.calls.caching.cache import Replies
from dreamsmk.providers.identity import resolve_identity
from dreamsmk.settings import ModelSpec


def model_of(cache: Replies, **spec: Any) -> CachedModel:
    """Returns the model behind an endpoint, with its replies in a cache; `spec` are fields of the model spec."""
    whole = ModelSpec(provider="openai", model=MODEL, **spec)
    return CachedModel("benchmark", whole, resolve_identity(whole, _no_folder), cache, rule="benchmark")


def _no_folder(path: Path) -> str:
    raise AssertionError(f"the model is no folder: {path}")
