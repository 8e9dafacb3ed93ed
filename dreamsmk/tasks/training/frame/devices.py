"""What a training runs on.

Contract: torch is asked once the job's devices are settled (`CUDA_VISIBLE_DEVICES`), and a number format that they do
not have is an error before any weight is read.
"""

from __future__ import annotations

import os
from typing import Any

from dreamsmk.errors import TrainingError
from dreamsmk.tasks.training.frame.parameters import Precision


def has_gpu() -> bool:
    """Says whether the job has a GPU."""
    import torch

    return bool(torch.cuda.is_available())


def gpu_count() -> int:
    """Returns how many GPUs the job sees."""
    import torch

    return int(torch.cuda.device_count())


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


# Any: the trainers and tensors of libraries that publish no types.
def gathered_weights(trainer: Any) -> dict[str, Any] | None:
    """Returns the tensors of a model that is shared out among devices, in the first process; None where it is not.

    All processes have to call it.
    """
    if not trainer.is_fsdp_enabled:
        return None
    weights: dict[str, Any] = trainer.accelerator.get_state_dict(trainer.model)
    return weights


# Any: as above.
def share_out_again(trainer: Any) -> None:
    """Has every device give back what it gathered of a model that is shared out.

    What stands outside the layers stays whole in all devices after a step or a validation, and cannot be loaded into.
    """
    if not trainer.is_fsdp_enabled:
        return
    from torch.distributed.fsdp import FSDPModule

    for module in trainer.model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()
