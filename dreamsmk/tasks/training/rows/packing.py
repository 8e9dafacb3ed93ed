"""Several rows in one: no step computes padding.

Contract: a row learns from itself alone. Packed rows do not attend to one another, their positions count from 0 each,
and the first token of one is not learnt from the last of another, so that the loss of packed rows is that of rows on
their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dreamsmk.errors import TrainingError

if TYPE_CHECKING:
    import datasets
    import torch

# Two rows, and another in the place of the first: token ids that every vocabulary has.
_ROWS = ((1, 2, 3, 4, 5), (6, 7, 8, 9))
_OTHER = (9, 8, 7, 6, 5)
# What the rounding of 16 bits may change, as a share of the largest logit.
_TOLERANCE = 0.02


def pack(rows: datasets.Dataset, max_length: int) -> datasets.Dataset:
    """Returns rows of at most `max_length` tokens, each of whole rows, with the lengths of these in `seq_lengths`.

    The rows that leave the least space are put together (best fit decreasing, Ding et al. 2024,
    https://arxiv.org/abs/2404.10830), within groups of a thousand.
    """
    from datasets import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
    from trl import pack_dataset

    had_bars = not are_progress_bars_disabled()
    disable_progress_bars()
    try:
        return pack_dataset(rows, max_length, "bfd", {"keep_in_memory": True})
    finally:
        if had_bars:
            enable_progress_bars()


# Any: transformers publishes no types.
def check_packing(model: Any) -> None:
    """Finds out whether packed rows see one another.

    Flash attention, which does not run on the CPU, is told where rows begin and end by transformers itself.

    Raises:
        TrainingError: They do.
    """
    import torch

    if "flash" in (getattr(model.config, "_attn_implementation", None) or ""):
        return
    was_training = model.training
    model.eval()
    with torch.no_grad():
        one, other = (_logits_of_last(model, first) for first in (_ROWS[0], _OTHER))
    model.train(was_training)
    if (one - other).abs().max() > _TOLERANCE * one.abs().max():
        raise TrainingError(
            f"in a model of the type {model.config.model_type!r} packed rows see one another",
            hint="leave packing out",
        )


# Any: as above.
def _logits_of_last(model: Any, first: tuple[int, ...]) -> torch.Tensor:
    import torch

    last = _ROWS[1]
    ids = torch.tensor([[*first, *last]], device=model.device)
    positions = torch.tensor([[*range(len(first)), *range(len(last))]], device=model.device)
    logits: torch.Tensor = model(input_ids=ids, position_ids=positions, use_cache=False).logits
    return logits[0, len(first) :].float()
