"""The adapter that a training trains.

Contract: a model without one gets a new one as `lora:` says; a model with one goes on with it, so that what a round
of training leaves loads on the same base as what it began with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import peft

    from dreamsmk.tasks.training.frame.parameters import Lora

TaskType = Literal["CAUSAL_LM", "SEQ_2_SEQ_LM", "SEQ_CLS", "FEATURE_EXTRACTION"]


def lora_config(lora: Lora | None, task_type: TaskType, *, modules_to_save: list[str] | None = None) -> Any:
    """Returns peft's configuration of a new adapter, None where all weights are trained.

    Args:
        lora: What the user asked for.
        task_type: What the model does, in peft's words.
        modules_to_save: Layers that the method trains whole beside it, such as a new classification head; those that
            the user named come first.
    """
    if lora is None:
        return None
    from peft import LoraConfig

    modules = lora.target_modules
    whole = list(dict.fromkeys([*lora.modules_to_save, *(modules_to_save or [])]))
    config: peft.LoraConfig = LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=modules if isinstance(modules, str) else list(modules),
        use_dora=lora.dora,
        use_rslora=lora.rslora,
        modules_to_save=whole or None,
        task_type=task_type,
    )
    return config
