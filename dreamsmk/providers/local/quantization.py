"""The quantization schemes of local models: which there are, what each needs, and how transformers is told of it.

Contract: what a scheme needs (a package, a kind of device, a number format) is checked before any weight is read, and
an error names it. Nothing is quantized in another way than was asked for.

The schemes of bitsandbytes and `torchao-int4` run on CUDA GPUs alone; `torchao-int8` and `torchao-float8` store the
weights of linear layers in 8 bits and compute in the model's own number format, on every device.
`torchao-float8-dynamic` computes in float8 as well and wants a GPU that can (compute capability 8.9 or later). torchao
0.18 has no kernel for 4 bits on the CPU.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dreamsmk.errors import MissingExtra, SettingsError, nearest
from dreamsmk.settings import ModelSpec

CUDA_ONLY = ("bnb-4bit", "bnb-8bit", "torchao-int4", "torchao-float8-dynamic")
QUANTIZATIONS = (*CUDA_ONLY, "torchao-int8", "torchao-float8")
# The first generation that multiplies in float8: Ada (NVIDIA, "CUDA GPU Compute Capability").
FLOAT8_CAPABILITY = (8, 9)
# Weights in a group share a scale; the smallest that torchao takes, so that the sizes of all layers are multiples.
INT4_GROUP = 32


def check_quantization(spec: ModelSpec) -> None:
    """Finds a scheme that there is not, or that cannot run here as far as that can be told without loading torch.

    Raises:
        SettingsError: There is no such scheme, or it does not run on the device of the spec.
        MissingExtra: A package is not installed.
    """
    scheme = spec.quantization
    if scheme is None:
        return
    if scheme not in QUANTIZATIONS:
        near = nearest(scheme, QUANTIZATIONS)
        raise SettingsError(
            f"there is no quantization {scheme!r}", hint=near or f"choose one of: {', '.join(QUANTIZATIONS)}"
        )
    package = "torchao" if scheme.startswith("torchao") else "bitsandbytes"
    if importlib.util.find_spec(package) is None:
        if package == "bitsandbytes":
            raise SettingsError(
                f"the quantization {scheme!r} needs the package {package!r}",
                hint=f"pip install {package}, or leave the quantization out",
            )
        raise MissingExtra(package, "transformers")
    devices = spec.devices or ((spec.device,) if spec.device else ())
    for device in devices:
        if scheme in CUDA_ONLY and not device.startswith(("cuda", "auto")):
            raise _needs_gpu(scheme, device)
    if scheme == "torchao-int4" and spec.dtype not in (None, "bfloat16"):
        raise SettingsError(
            f"the quantization {scheme!r} computes in bfloat16 only, and the dtype is {spec.dtype!r}",
            hint="give dtype: bfloat16, or leave it out",
        )


# Any: the configurations of transformers are not typed for mypy.
def quantization_config(scheme: str, device: str) -> Any:
    """Returns transformers' configuration of a scheme.

    Raises:
        SettingsError: The device cannot run it.
    """
    import torch

    if scheme in CUDA_ONLY and not (device.startswith(("cuda", "auto")) and torch.cuda.is_available()):
        raise _needs_gpu(scheme, device)
    if scheme == "torchao-float8-dynamic":
        index = torch.device(device).index if device.startswith("cuda") else None
        found = torch.cuda.get_device_capability(index)
        if found < FLOAT8_CAPABILITY:
            raise SettingsError(
                f"the quantization {scheme!r} needs compute capability 8.9, and the GPU has {found[0]}.{found[1]}",
                hint="take torchao-float8, which stores in float8 and computes as before, or torchao-int8",
            )
    return scheme_config(scheme)


# Any: see `quantization_config`.
def scheme_config(scheme: str) -> Any:
    """Returns transformers' configuration of a scheme, whatever the device can run."""
    if scheme.startswith("bnb"):
        return _bitsandbytes(scheme)
    with _unheard():
        return _torchao(scheme)


def dtype_of(scheme: str | None, dtype: str | None) -> str:
    """Returns the number format to load weights in: the one that is asked for, or the one that the scheme needs."""
    if dtype is None and scheme == "torchao-int4":
        return "bfloat16"
    return dtype or "auto"


def _needs_gpu(scheme: str, device: str) -> SettingsError:
    other = "take torchao-int8 or torchao-float8, leave the quantization out" if "torchao" in scheme else ""
    return SettingsError(
        f"the quantization {scheme!r} needs a CUDA GPU, and the device is {device!r}",
        hint=f"{other or 'leave the quantization out'}, or give the rule a GPU",
    )


# Any: see `quantization_config`.
def _bitsandbytes(scheme: str) -> Any:
    import torch
    from transformers import BitsAndBytesConfig

    if scheme == "bnb-8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16)


# Any: see `quantization_config`.
def _torchao(scheme: str) -> Any:
    from transformers import TorchAoConfig

    # Any: torchao has no types
    ao: Any = importlib.import_module("torchao.quantization")
    # inductor is torch.compile's; its settings are for the whole process and none of our business
    if scheme == "torchao-int8":
        return TorchAoConfig(ao.Int8WeightOnlyConfig(set_inductor_config=False))
    if scheme == "torchao-float8":
        return TorchAoConfig(ao.Float8WeightOnlyConfig(set_inductor_config=False))
    if scheme == "torchao-float8-dynamic":
        # scales by row, so that a row's numbers do not depend on its neighbours in the batch
        by_row = ao.Float8DynamicActivationFloat8WeightConfig(granularity=ao.PerRow(), set_inductor_config=False)
        return TorchAoConfig(by_row)
    # the one 4-bit layout whose kernel torch itself brings
    return TorchAoConfig(
        ao.Int4WeightOnlyConfig(
            group_size=INT4_GROUP, int4_packing_format="tile_packed_to_4d", set_inductor_config=False
        )
    )


@contextmanager
def _unheard() -> Iterator[None]:
    """Keeps back what torchao logs of kernels for other machines when it is first imported."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
