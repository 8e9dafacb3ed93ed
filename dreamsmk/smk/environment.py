"""What a job ran on: recorded for the card, never part of a fingerprint."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from typing import Any

import dreamsmk

# Packages whose version can be told apart in results; those that are not installed are left out.
PACKAGES = (
    "accelerate",
    "anthropic",
    "bitsandbytes",
    "datasets",
    "gguf",
    "huggingface_hub",
    "matplotlib",
    "numpy",
    "openai",
    "peft",
    "polars",
    "rouge-score",
    "sacrebleu",
    "safetensors",
    "scikit-learn",
    "sentence-transformers",
    "setfit",
    "snakemake",
    "tokenizers",
    "torch",
    "torchao",
    "transformers",
    "trl",
    "xxhash",
)


# Any: JSON.
def describe_environment(devices: list[str]) -> dict[str, Any]:
    """Returns versions, system and hardware; no host or user name.

    Args:
        devices: The GPUs that the job was given.
    """
    return {
        "dreamsmk": dreamsmk.__version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": _processor(),
        "cpu_count": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "gpus": _gpus(devices),
        "packages": _versions(),
    }


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor()


def _gpus(devices: list[str]) -> list[str]:
    torch = sys.modules.get("torch")  # a job that never loaded torch used no GPU
    if torch is None or not devices or not torch.cuda.is_available():
        return []
    return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
