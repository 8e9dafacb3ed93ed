"""What a training runs on.

Contract: torch is asked once the job's devices are settled (`CUDA_VISIBLE_DEVICES`), and a number format that they do
not have is an error before any weight is read.
"""

from __future__ import annotations

import os

from dreamsmk.errors import TrainingError
from dreamsmk.tasks.training.parameters import Precision


def has_gpu() -> bool:
    """Says whether the job has a GPU."""
    import torch

    return bool(torch.cuda.is_available())


def process_count() -> int:
    """Returns how many worker processes train together, this one among them."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def device_name() -> str:
    """Returns the device of this process: `cpu`, or `cuda:N` for the Nth GPU that the job sees."""
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if has_gpu() else "cpu"


def check_precision(precision: Precision, *, liger: bool = False) -> None:
    """Refuses what the devices cannot compute.

    Raises:
        TrainingError: fp16 or Triton kernels without a GPU.
    """
    if has_gpu():
        return
    if precision == "fp16":
        raise TrainingError("`precision: fp16` needs a GPU", hint="use bf16 or fp32")
    if liger:
        raise TrainingError("`liger: true` needs a GPU", hint="leave it out")
