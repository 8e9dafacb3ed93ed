"""The arguments that every trainer of transformers and TRL is run with.

Contract: whatever decides the result is said here, so that no default of a library does. Each step is logged,
`watch.py` alone says when to validate and to save, and nothing is sent anywhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dreamsmk.tasks.training.frame.devices import check_precision, has_gpu, process_count
from dreamsmk.tasks.training.frame.parameters import TrainingParameters

_OPTIMIZERS = {
    "adamw": "adamw_torch_fused",
    "adafactor": "adafactor",
    "adamw_8bit": "adamw_bnb_8bit",
    "paged_adamw_8bit": "paged_adamw_8bit",
}


# Any: arguments of every type.
def shared_arguments(params: TrainingParameters, checkpoints: Path) -> dict[str, Any]:
    """Returns the fields of `transformers.TrainingArguments` that all trainers set alike.

    Raises:
        TrainingError: If the devices cannot compute in the precision that is asked for.
        SettingsError: If the batch cannot be shared out among the devices.
    """
    check_precision(params.precision, liger=params.liger)
    return {
        "output_dir": str(checkpoints),
        **_optimization(params),
        **_sharding(params),
        # the defaults of TRL are bf16 and gradient checkpointing, which stop a CPU or slow it down
        "bf16": params.is_mixed and params.precision == "bf16",
        "fp16": params.precision == "fp16",
        "activation_checkpointing": params.gradient_checkpointing,
        "use_liger_kernel": params.liger,
        "use_cpu": not has_gpu(),
        "dataloader_pin_memory": has_gpu(),
        # each step is logged: a window that a checkpoint falls into would not survive it. The filter hides NaN
        "logging_strategy": "steps",
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "include_num_input_tokens_seen": "non_padding",
        # `watch` says when; the older one counts until the newer one is whole
        "save_strategy": "no",
        "save_total_limit": params.save_total_limit,
        "eval_strategy": "no",
        "disable_tqdm": True,
    }


# Any: arguments of every type.
def _sharding(params: TrainingParameters) -> dict[str, Any]:
    if not params.is_shared_out(process_count()):
        return {}
    layers = {"auto_wrap_policy": "TRANSFORMER_BASED_WRAP", "state_dict_type": "FULL_STATE_DICT"}
    return {"fsdp": True, "fsdp_config": {"fsdp_version": 2, "reshard_after_forward": True, **layers}}


# Any: arguments of every type.
def _optimization(params: TrainingParameters) -> dict[str, Any]:
    rows = params.device_batch_size(process_count())
    return {
        "num_train_epochs": params.epochs,
        "max_steps": params.max_steps or -1,
        "per_device_train_batch_size": rows,
        "per_device_eval_batch_size": rows,
        "gradient_accumulation_steps": params.gradient_accumulation_steps,
        "learning_rate": params.learning_rate,
        "optim": _OPTIMIZERS[params.optimizer],
        "lr_scheduler_type": params.lr_scheduler,
        "warmup_steps": params.warmup_steps,
        "weight_decay": params.weight_decay,
        "max_grad_norm": params.max_grad_norm,
        "seed": params.seed,
        "data_seed": params.seed,
    }
