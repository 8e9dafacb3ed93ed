"""What the rules that make one model folder of another make of a small fixed model; see `results.py`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from dreamsmk.hashing import canonical_bytes, digest_bytes
from dreamsmk.settings import ModelSpec
from tests.unit.tasks.desk import Desk

# What of a configuration no release of transformers changes.
TOLD = ("architectures", "dtype", "tie_word_embeddings", "vocab_size")


def _merge_adapter(desk: Desk) -> Iterator[tuple[str, str]]:
    """The weights themselves: all numbers are such that their sums are exact on every processor."""
    base, adapter = _make_exact(desk.folder)
    desk.specs["student"] = ModelSpec(provider="transformers", model=str(base))
    for name, params in (("as it is", {}), ("16 bits", {"dtype": "bfloat16"})):
        desk.run("merge_adapter", {"adapter": adapter}, ("model",), model="student", **params)
        yield name, _digest(desk.folder / "made_model", lambda tensor: tensor.float().flatten().tolist())
    desk.specs["student"] = ModelSpec(provider="transformers", model=str(base), adapter=str(adapter), dtype="float16")
    desk.run("merge_adapter", {}, ("model",), model="student")
    yield "of the model spec", _digest(desk.folder / "made_model", lambda tensor: tensor.float().flatten().tolist())


def _quantize(desk: Desk) -> Iterator[tuple[str, str]]:
    """Which weights are stored how: the numbers are torchao's affair."""
    base, _ = _make_exact(desk.folder)
    desk.specs["plain"] = ModelSpec(provider="transformers", model=str(base))
    for method in ("torchao-int8", "torchao-int8-dynamic", "torchao-float8"):
        desk.run("quantize", {}, ("model",), model="plain", method=method, dtype="bfloat16")
        yield method, _digest(desk.folder / "made_model", lambda tensor: [*tensor.shape, str(tensor.dtype)])
    for method in ("gguf-f16", "gguf-q8_0"):
        desk.run("quantize", {}, ("model",), model="plain", method=method)
        yield method, digest_bytes(canonical_bytes(_gguf(desk.folder / "made_model" / "model.gguf")))


CASES: dict[str, Callable[[Desk], Iterator[tuple[str, str]]]] = {
    "merge_adapter": _merge_adapter,
    "quantize": _quantize,
}


def _make_exact(folder: Path) -> tuple[Path, Path]:
    """Writes a model and an adapter whose weights are small multiples of powers of two."""
    import torch

    from dreamsmk.providers.local.quiet import quietly
    from tests.tiny import make_tiny_adapter, make_tiny_model

    base = make_tiny_model(folder / "base")
    with quietly():
        adapter = make_tiny_adapter(folder / "adapter", base)
    for path in (base / "model.safetensors", adapter / "adapter_model.safetensors"):
        _rewrite(path, lambda shape: (torch.arange(shape.numel()) * 37 % 101 - 50).reshape(shape) / 64)
    return base, adapter


# Any: torch's tensors and shapes.
def _rewrite(path: Path, values: Callable[[Any], Any]) -> None:
    from safetensors.torch import load_file, save_file

    save_file({name: values(weights.shape) for name, weights in load_file(path).items()}, path, {"format": "pt"})


# Any: JSON; torch's tensors.
def _digest(folder: Path, told: Callable[[Any], Any]) -> str:
    from safetensors.torch import load_file

    config = json.loads((folder / "config.json").read_text())
    tensors = {
        re.sub(r"\._weight_", ".", name): told(weights)
        for name, weights in load_file(folder / "model.safetensors").items()
    }
    quantized = config.get("quantization_config")
    found: Mapping[str, Any] = {
        "config": {name: config.get(name) for name in TOLD},
        "quantization": quantized["quant_type"]["default"]["_type"] if quantized else None,
        "files": sorted(path.name for path in folder.iterdir()),
        "tensors": tensors,
    }
    return digest_bytes(canonical_bytes(found))


# Any: JSON.
def _gguf(path: Path) -> dict[str, Any]:
    from gguf import GGUFReader

    reader = GGUFReader(path)
    tensors = {tensor.name: [tensor.tensor_type.name, *map(int, tensor.shape)] for tensor in reader.tensors}
    fields = {name: str(field.contents()) for name, field in reader.fields.items() if not name.startswith("GGUF.")}
    return {"fields": fields, "tensors": tensors}
