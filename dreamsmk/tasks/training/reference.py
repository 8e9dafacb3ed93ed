"""What a model is held near to while it learns preferences: itself, as it was before the training.

Contract: the reference is the model that the spec names, whether a training begins or goes on from a checkpoint. A new
adapter is switched off for it; an adapter that goes on being trained is copied, and the copy (`ref`) frozen; whole
weights are loaded twice. With log probabilities computed beforehand, no second copy of whole weights is in memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dreamsmk.tasks.training.frame.base_model import BaseModel
from dreamsmk.tasks.training.frame.devices import process_count

if TYPE_CHECKING:
    import datasets

    from dreamsmk.tasks.training.rows.preferences import PreferenceParameters


# Any: transformers publishes no types; so below.
def policy(base: BaseModel, params: PreferenceParameters) -> Any:
    """Returns the model that is trained."""
    model = base.load_weights(params)
    if params.disable_dropout:
        switch_off_dropout(model)
    return model


def second_model(base: BaseModel, params: PreferenceParameters, *, is_precomputed: bool) -> Any:
    """Returns the reference where it is a model of its own, frozen; None where it is in the model that is trained."""
    # before it is shared out among devices, the policy cannot be asked
    if params.lora is not None or (is_precomputed and not params.is_shared_out(process_count())):
        return None
    model = base.load_weights(params)
    return model.requires_grad_(requires_grad=False).eval()


def in_words(base: BaseModel, params: PreferenceParameters) -> str:
    """Returns what the record calls the reference."""
    if base.spec.adapter is not None:
        return "the adapter before the training"
    return "the model before the training" if params.lora is None else "the model without the adapter"


# Any: torch publishes its modules, transformers and peft do not.
def switch_off_dropout(model: Any) -> None:
    """Switches off the dropout of a model; that of an adapter stays as the user asked for it."""
    from torch.nn import Dropout

    for name, module in model.named_modules():
        if isinstance(module, Dropout) and "lora_dropout" not in name:
            module.p = 0.0


# Any: the trainers of TRL.
def with_reference(trainer: Any, rows: datasets.Dataset, names: tuple[str, ...]) -> datasets.Dataset:
    """Returns rows with the log probabilities of their completions under the reference.

    Args:
        trainer: TRL's, before it has trained; its reference is asked.
        rows: Those that it will train or validate on.
        names: The columns, in the order in which the trainer tells the log probabilities.
    """
    import torch
    from torch.utils.data import DataLoader

    size = trainer.args.per_device_train_batch_size
    batches = trainer.accelerator.prepare(DataLoader(rows, batch_size=size, collate_fn=trainer.data_collator))
    model = trainer.ref_model or trainer.model
    if trainer.is_fsdp_enabled and trainer.ref_model is None:
        # it is shared out, and put where it is computed, when the training begins
        model.to(trainer.accelerator.device)
    was_training = model.training
    model.eval()
    found: dict[str, list[torch.Tensor]] = {name: [] for name in names}
    for batch in batches:
        told = trainer.compute_ref_log_probs(model, batch)[: len(names)]
        for name, values in zip(names, trainer.accelerator.gather_for_metrics(told), strict=True):
            found[name].append(values.float().cpu())
    model.train(was_training)
    for name, parts in found.items():
        rows = rows.add_column(name, torch.cat(parts).tolist())
    return rows
