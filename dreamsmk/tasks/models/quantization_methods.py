"""The methods that the rule `quantize` makes a smaller folder with: what each needs, and how transformers is told.

Contract: a method is here only if what it makes is stored as safetensors, is smaller, and is read back bit by bit.
Those that a model spec has too (`quantization:`) are the same here, by the same names.

What was left out, with torchao 0.18: 4 bits on the CPU (its one form that computes there is stored in 8 bits). GPTQ and
AWQ need a table to calibrate on, a GPU, and a package each (gptqmodel); nothing of them is written here.
"""

from __future__ import annotations

import importlib
from dataclasses import replace
from typing import Any

from dreamsmk.errors import SettingsError
from dreamsmk.providers.local.quantization import check_quantization, quantization_config, scheme_config
from dreamsmk.settings import ModelSpec

GPU_ONLY = ("torchao-int4", "torchao-float8-dynamic")
"""bitsandbytes runs on CPUs too, since its release 0.50."""

DYNAMIC = "torchao-int8-dynamic"


def check_method(method: str, spec: ModelSpec, dtype: str | None) -> None:
    """Finds what a method lacks, without loading torch.

    Raises:
        SettingsError: A package is not installed, or the method computes in other numbers.
        MissingExtra: torchao is not installed.
    """
    scheme = "torchao-int8" if method == DYNAMIC else method
    check_quantization(replace(spec, quantization=scheme, dtype=dtype, device=None, devices=()))


# Any: the configurations of transformers are not typed for mypy.
def method_config(method: str, device: str) -> Any:
    """Returns transformers' configuration of a method.

    Raises:
        SettingsError: The device cannot run it.
    """
    if method in GPU_ONLY:
        if not device.startswith("cuda"):
            raise SettingsError(
                f"the method {method!r} needs a CUDA GPU",
                hint="give the rule one (resources: gpu=1), or take torchao-int8",
            )
        return quantization_config(method, device)
    if method == DYNAMIC:
        return _dynamic()
    config = scheme_config(method)
    if method == "bnb-4bit":
        config.bnb_4bit_use_double_quant = True
    return config


# Any: as above.
def _dynamic() -> Any:
    base = scheme_config("torchao-int8")
    # Any: torchao has no types
    ao: Any = importlib.import_module("torchao.quantization")
    base.quant_type = ao.Int8DynamicActivationInt8WeightConfig(set_inductor_config=False)
    return base
