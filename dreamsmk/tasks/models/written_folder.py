"""A model folder that a task writes: weights, configuration, tokenizer, and what an embedding model has beside them.

Contract: plain `from_pretrained` loads it, and finds in it the very tensors that were in memory: that is tried before
the folder is handed over. Weights are safetensors. Equal models leave equal bytes, and no path of the machine.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dreamsmk.errors import SettingsError, StoreError
from dreamsmk.tasks.models.local_model import LocalModel
from dreamsmk.tasks.training.frame.model_folder import make_readable

MODULES = "modules.json"
"""Says which modules an embedding model of sentence-transformers is made of."""

GENERATION = "generation_config.json"

_BESIDE = (MODULES, "config_sentence_transformers.json", "sentence_bert_config.json")
_OF_A_MODULE = ("config.json", "model.safetensors")


# Any (in this file): transformers and torch publish no types.
def write_folder(folder: Path, model: Any, tokenizer: Any, base: LocalModel, *, adapter: str | None = None) -> Any:
    """Writes a model, and checks that it can be read back.

    Args:
        folder: Where to write; what lies there is removed.
        model: The model.
        tokenizer: Its tokenizer.
        base: The model that it was made of: where that is one of sentence-transformers, this one is too.
        adapter: The adapter that went into it, whose word goes over the base's.

    Returns:
        The model as it was read back.

    Raises:
        StoreError: The folder loads as another model than was written.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _save(folder, model, base)
    tokenizer.save_pretrained(str(folder))
    for name, path in modules_of(base, adapter):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    make_readable(folder)
    return _read_back(folder, model)


def _save(folder: Path, model: Any, base: LocalModel) -> None:
    from transformers import GenerationConfig

    settings = base.find_file(GENERATION) if model.can_generate() else None
    if settings is not None:
        # transformers reads settings that it refuses to write (a temperature where nothing is sampled)
        model.generation_config = GenerationConfig()
    model.save_pretrained(str(folder))
    for path in folder.glob("*.safetensors"):
        _sort_metadata(path)
    if settings is not None:
        shutil.copyfile(settings, folder / GENERATION)


def _sort_metadata(path: Path) -> None:
    """Sorts what a safetensors file says beside its tensors: the library writes it in another order each time."""
    with path.open("r+b") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
        header["__metadata__"] = dict(sorted(header.get("__metadata__", {}).items()))
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
        if len(text) > size:
            raise StoreError(f"the header of {path.name} cannot be sorted")
        file.seek(8)
        file.write(text.ljust(size))


def modules_of(base: LocalModel, adapter: str | None = None) -> list[tuple[str, Path]]:
    """Returns the files that make an embedding model of a model, with their names; none for another model.

    Raises:
        SettingsError: They are of a kind that is not copied.
    """
    sources = [adapter] if adapter is not None and base.find_file(MODULES, adapter) else [None]
    listing = base.find_file(MODULES, sources[0])
    if listing is None:
        return []
    first, *others = json.loads(listing.read_text(encoding="utf-8"))
    if first["path"]:
        raise SettingsError(f"{base.spec.model!r} keeps its transformer in {first['path']!r}", where=base.where)
    return [*_found(base, _BESIDE, sources[0]), *_module_files(base, [m["path"] for m in others], sources[0])]


def _module_files(base: LocalModel, folders: list[str], source: str | None) -> Iterator[tuple[str, Path]]:
    for folder in folders:
        if base.find_file(f"{folder}/pytorch_model.bin", source):
            raise SettingsError(f"{base.spec.model!r} has pickled weights in {folder!r}", where=base.where)
        yield from _found(base, [f"{folder}/{name}" for name in _OF_A_MODULE], source)


def _found(base: LocalModel, names: Any, source: str | None) -> Iterator[tuple[str, Path]]:
    for name in names:
        if path := base.find_file(name, source):
            yield name, path


def size_bytes(folder: Path) -> int:
    """Returns the size of all files of a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _read_back(folder: Path, model: Any) -> Any:
    import torch

    given = {} if getattr(model, "hf_quantizer", None) is None else {"device_map": {"": model.device}}
    written, loading = type(model).from_pretrained(str(folder), dtype="auto", output_loading_info=True, **given)
    lost = {name for names in loading.values() for name in names}
    expected, found = tensors_of(model), tensors_of(written)
    differing = sorted(
        name
        for name in expected.keys() | found.keys()
        if name not in expected or name not in found or not torch.equal(expected[name], found[name])
    )
    if lost or differing:
        first = (differing or sorted(str(name) for name in lost))[0]
        raise StoreError(
            f"the {type(model).__name__} that was written loads with other weights, {first} first",
            hint="this architecture cannot be written; use what it was made of as it is",
        )
    return written.eval()


def tensors_of(model: Any) -> dict[str, Any]:
    """Returns the plain tensors of a model by name, those that quantized weights are made of among them."""
    quantizer = getattr(model, "hf_quantizer", None)
    state = None if quantizer is None else quantizer.get_state_dict_and_metadata(model)[0]
    return dict(model.state_dict() if state is None else state)
