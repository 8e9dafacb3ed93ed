"""Stores the weights of a model in fewer bits: a smaller folder that plain `from_pretrained` loads, or a GGUF file.

Contract: what the folder holds is read back bit by bit before it is handed over, and asked whether it still answers;
how far its answers are off from those of the plain model stands in the record.
"""

from __future__ import annotations

import copy
import gc
import math
import shutil
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import SettingsError, StoreError
from dreamsmk.providers.http_status import one_line
from dreamsmk.providers.local.quiet import quietly
from dreamsmk.tasks.models import gguf_file
from dreamsmk.tasks.models.local_model import LocalModel
from dreamsmk.tasks.models.probe import answers, distance
from dreamsmk.tasks.models.quantization_methods import check_method, method_config
from dreamsmk.tasks.models.written_folder import size_bytes, tensors_of, write_folder

if TYPE_CHECKING:
    from dreamsmk.tasks.context import Context


# Any (in this file): JSON values; transformers and torch publish no types.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of each output role: a folder has none."""
    return {"model": None}


def rows(params: Mapping[str, Any], inputs: Mapping[str, int | None]) -> dict[str, int | None]:
    """Returns the rows of each output role: a folder has none."""
    return {"model": None}


def quantize(context: Context) -> None:
    """Writes a model with the weights of its linear layers in fewer bits, or as a GGUF file.

    Raises:
        SettingsError: The model is no plain one, the method cannot run here, or it changes nothing in this model.
        MissingExtra: The method's package is not installed.
        StoreError: The folder loads as another model than was written, or does not answer.
    """
    params, method = context.params, context.params["method"]
    base = LocalModel(params["model"], context.model(params["model"]).spec)
    _check_spec(base)
    is_gguf = method in gguf_file.FORMATS
    if is_gguf and params["dtype"] is not None:
        raise SettingsError(f"{method!r} says the number format itself", where="dtype", hint="leave it out")
    if not is_gguf:
        check_method(method, base.spec, params["dtype"] or base.spec.dtype)
    context.progress.note(f"quantizing with {method}")
    with quietly():
        made = (_write_gguf if is_gguf else _write_quantized)(context, base, method)
    if not math.isfinite(made["answers_off"]):
        raise StoreError(f"with {method!r} the model {base.spec.model!r} answers with no numbers", where=base.where)
    context.facts["quantization"] = {"base_model": base.spec.model, "method": method, **made}
    before, after = made["weights_before_bytes"] / 1e6, made["weights_after_bytes"] / 1e6
    context.progress.note(f"{before:,.1f} MB are {after:,.1f} MB; answers are off by {made['answers_off']:.2%}")


def _write_quantized(context: Context, base: LocalModel, method: str) -> dict[str, Any]:
    """Writes the folder and returns what the record says of it."""
    config = base.load_config()
    tokenizer = base.load_tokenizer()
    plain = base.load_weights(copy.deepcopy(config))
    expected, before, names = answers(plain), _bytes_of(plain.state_dict()), plain.state_dict().keys()
    if not expected.isfinite().all():
        raise SettingsError(f"the model {base.spec.model!r} answers with no numbers as it is", where=base.where)
    dtype = context.params["dtype"] or base.spec.dtype
    dtype = dtype or ("bfloat16" if method == "torchao-int4" else str(plain.dtype).removeprefix("torch."))
    del plain
    gc.collect()  # a model lies in cycles, and two need not be in memory at once
    quantized = _quantized(base, config, method, dtype)
    if tensors_of(quantized).keys() == names:
        raise SettingsError(f"{method!r} finds no layer in a {type(quantized).__name__}", where=base.where)
    # before anything is asked: bitsandbytes lays weights out for the processor when it first computes
    written = write_folder(context.output("model"), quantized, tokenizer, base)
    after = _bytes_of(tensors_of(written))
    try:
        error = distance(answers(written), expected)
    except RuntimeError as exc:
        raise StoreError(f"with {method!r} the model cannot compute: {one_line(str(exc))}", where=base.where) from exc
    return {
        "dtype": dtype,
        "weights_before_bytes": before,
        "weights_after_bytes": after,
        "size_bytes": size_bytes(context.output("model")),
        "answers_off": round(error, 4),
    }


def _write_gguf(context: Context, base: LocalModel, method: str) -> dict[str, Any]:
    """Writes a folder with one file and returns what the record says of it."""
    tokenizer = base.load_tokenizer()
    model = base.load_weights(base.load_config())
    before = _bytes_of(model.state_dict())
    folder = context.output("model")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    error = gguf_file.write_gguf(folder / gguf_file.NAME, model.float(), tokenizer, base, method)
    after = size_bytes(folder)
    return {
        "weights_before_bytes": before,
        "weights_after_bytes": after,
        "size_bytes": after,
        "answers_off": round(error, 4),
    }


def _check_spec(base: LocalModel) -> None:
    base.check_provider()
    if base.spec.adapter is not None:
        raise SettingsError(
            f"the model {base.alias!r} has an adapter", where=base.where, hint="merge it first, with merge_adapter"
        )
    if base.spec.quantization is not None:
        raise SettingsError(
            f"the model {base.alias!r} is quantized when it is loaded",
            where=f"{base.where}.quantization",
            hint="leave that out: `method` says how the folder is quantized",
        )


def _quantized(base: LocalModel, config: Any, method: str, dtype: str) -> Any:
    import torch

    # as the job was given them: without `gpu` no GPU is to be seen
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return base.load_weights(
        config,
        dtype=getattr(torch, dtype),
        quantization_config=method_config(method, device),
        device_map={"": device},
    )


def _bytes_of(tensors: Mapping[str, Any]) -> int:
    """Returns the bytes of tensors; what two of them share counts once."""
    return sum({tensor.data_ptr(): tensor.nbytes for tensor in tensors.values() if hasattr(tensor, "nbytes")}.values())
