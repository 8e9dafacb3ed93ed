"""Takes rows out of a batch that is being generated, and puts such batches together.

Contract: what is left of a batch, or joined with another, goes on exactly as it would have alone. Where a model keeps
its past in a form that this is not known to hold for (state spaces, static or quantized caches, positions in several
dimensions), `can_keep` and `can_join` say no, and the batch stays as it is.

Only caches whose layers are plain keys and values of the shape (rows, heads, tokens, dimensions) are touched. Rows are
aligned at their last token, so that joining pads the shorter cache on the left, under an attention mask of 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

CACHE = "past_key_values"
# What a batch may be described by, beside its cache, for another to join it.
JOINED = frozenset({"attention_mask", "position_ids"})


# Any: arguments of a model's forward, by name.
def can_keep(inputs: dict[str, Any], rows: int) -> bool:
    """Whether rows can be taken out of a batch.

    Args:
        inputs: What the model is called with, beside the tokens.
        rows: How many rows the batch has.
    """
    from transformers.cache_utils import Cache, DynamicLayer, DynamicSlidingWindowLayer

    known = (DynamicLayer, DynamicSlidingWindowLayer)
    for name, value in inputs.items():
        if isinstance(value, Cache):
            if name != CACHE or not all(type(layer) in known for layer in _layers(value)):
                return False
        elif not all(_is_by_row(tensor, rows) for tensor in _tensors(value)):
            return False
    return True


# Any: as above.
def keep(inputs: dict[str, Any], kept: Sequence[int], rows: int) -> None:
    """Leaves only the rows `kept`, in place."""
    import torch

    # indices on the CPU are good for tensors of every device
    index = torch.tensor(kept, dtype=torch.long)
    for name, value in inputs.items():
        if name == CACHE and value is not None:
            value.batch_select_indices(index)
        else:
            inputs[name] = _selected(value, index, rows)


# Any: as above.
def can_join(inputs: dict[str, Any]) -> bool:
    """Whether other rows can be put beside those of a batch of a decoder-only model."""
    import torch
    from transformers.cache_utils import DynamicCache, DynamicLayer

    cache = inputs.get(CACHE)
    if not isinstance(cache, DynamicCache):
        return False
    if not all(type(layer) is DynamicLayer and layer.is_initialized for layer in cache.layers):
        return False
    others = {name: value for name, value in inputs.items() if name != CACHE}
    if any(_tensors(value) and name not in JOINED for name, value in others.items()):
        return False
    positions = others.get("position_ids")
    # without an argument for the mask, padding would be read as text
    return "attention_mask" in others and (not isinstance(positions, torch.Tensor) or positions.dim() == 2)


# Any: as above.
def joined(batches: Sequence[dict[str, Any]], lengths: Sequence[int]) -> dict[str, Any]:
    """Returns the arguments of batches as one; their caches are taken over.

    Args:
        batches: What the model is called with for each, beside the tokens.
        lengths: Tokens of each row that the cache holds once the next step is done, rows of the first batch first.
    """
    import torch
    from torch.nn.functional import pad

    width = max(lengths)
    caches = [inputs[CACHE] for inputs in batches]
    for layers in zip(*(cache.layers for cache in caches), strict=True):
        for name in ("keys", "values"):
            # the columns that no row uses any more are cut off, the missing ones are padded
            parts = [getattr(layer, name)[:, :, -(width - 1) :] for layer in layers]
            parts = [pad(part, (0, 0, width - 1 - part.shape[2], 0)) for part in parts]
            setattr(layers[0], name, torch.cat(parts))
            # one layer after the other, so that memory holds no batch twice
            for layer in layers[1:]:
                setattr(layer, name, None)
    device = caches[0].layers[0].keys.device
    counts = torch.tensor(lengths, device=device)
    mask = (torch.arange(width, device=device)[None, :] >= width - counts[:, None]).long()
    inputs = {**batches[0], "attention_mask": None if min(lengths) == width else mask}
    if inputs.get("position_ids") is not None:
        inputs["position_ids"] = counts[:, None] - 1
    return inputs


# Any: a cache of transformers.
def _layers(cache: Any) -> list[Any]:
    from transformers.cache_utils import EncoderDecoderCache

    if isinstance(cache, EncoderDecoderCache):
        return [*cache.self_attention_cache.layers, *cache.cross_attention_cache.layers]
    return list(getattr(cache, "layers", [None]))


# Any: tensors, and what transformers wraps them in.
def _tensors(value: Any) -> list[Any]:
    import torch

    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        return [tensor for inner in value.values() for tensor in _tensors(inner)]
    if isinstance(value, list | tuple):
        return [tensor for inner in value for tensor in _tensors(inner)]
    return []


# Any: a tensor.
def _is_by_row(tensor: Any, rows: int) -> bool:
    # a first dimension of 1 is the same for all rows; one of more than two dimensions is known of hidden states alone
    is_state = tensor.dim() == 3 and tensor.is_floating_point()
    return (tensor.dim() == 2 or is_state) and tensor.shape[0] in (1, rows)


# Any: as in `_tensors`.
def _selected(value: Any, index: Any, rows: int) -> Any:
    import torch

    if isinstance(value, torch.Tensor):
        return value[index.to(value.device)] if value.shape[0] == rows else value
    if isinstance(value, dict):
        # a ModelOutput as well: it is built again from what it holds
        return type(value)(**{name: _selected(inner, index, rows) for name, inner in value.items()})
    return value
