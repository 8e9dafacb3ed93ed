"""The loss over the tokens of the output, without the logits of the prompt.

Contract: the loss and its gradients are those of TRL's `SFTTrainer`. TRL projects only the labelled positions onto the
vocabulary where it has a Triton kernel, but every position of the batch on a CPU; with a prompt of 130 tokens, an
output of 35 and a vocabulary of 49,000 that is half of the time of a step.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from dreamsmk.tasks.training.rows.examples import IGNORED

if TYPE_CHECKING:
    import torch
    import trl


# Any: transformers publishes no types.
def trainer_class(model: Any, *, has_gpu: bool) -> type[trl.SFTTrainer]:
    """Returns TRL's trainer, or on a CPU one that is faster where the model can leave out logits."""
    from trl import SFTTrainer

    if has_gpu or not _can_leave_out(model):
        return SFTTrainer  # type: ignore[no-any-return]  # TRL publishes no types

    class OutputLossTrainer(SFTTrainer):  # type: ignore[misc]  # TRL publishes no types
        # Any: the arguments of transformers.
        def compute_loss(
            self,
            model: Any,
            inputs: dict[str, torch.Tensor],
            return_outputs: bool = False,
            num_items_in_batch: torch.Tensor | int | None = None,
        ) -> torch.Tensor:
            loss = output_loss(model, inputs, num_items_in_batch)
            # gradients are averaged over the processes, and the number of tokens is that of all of them
            return loss if num_items_in_batch is None else loss * self.accelerator.num_processes

    return OutputLossTrainer


# Any: transformers publishes no types.
def output_loss(
    model: Any, inputs: dict[str, torch.Tensor], num_items_in_batch: torch.Tensor | int | None = None
) -> torch.Tensor:
    """Returns the negative log-likelihood of the labelled tokens.

    Args:
        model: A causal language model whose forward takes `logits_to_keep`.
        inputs: `input_ids` and `labels`, of shape (rows, tokens), and what else forward takes: `attention_mask`, or for
            packed rows `position_ids`.
        num_items_in_batch: What the sum is divided by: the labelled tokens of all the parts of a batch. Their number
            in `inputs` if absent.
    """
    from torch.nn.functional import cross_entropy

    # the logits of a position are those of the next token
    labels = inputs["labels"][:, 1:]
    positions = (labels != IGNORED).any(dim=0).nonzero().flatten()
    labels = labels[:, positions]
    given = {name: value for name, value in inputs.items() if name not in ("labels", "use_cache")}
    logits = model(**given, logits_to_keep=positions, use_cache=False).logits
    counted = labels != IGNORED
    total = cross_entropy(logits[counted].float(), labels[counted], reduction="sum")
    return total / (counted.sum() if num_items_in_batch is None else num_items_in_batch)


# Any: as above.
def _can_leave_out(model: Any) -> bool:
    """Says whether a model computes the logits of some positions alone, and its loss is of nothing but logits."""
    if hasattr(model, "peft_config"):
        # virtual tokens before a row would move its positions
        if any(config.is_prompt_learning for config in model.peft_config.values()):
            return False
        model = model.get_base_model()
    has_further_loss = getattr(getattr(model, "config", None), "output_router_logits", False)
    return not has_further_loss and "logits_to_keep" in inspect.signature(type(model).forward).parameters
