"""Asks a model in memory for a few numbers, so that two models can be told apart or found the same."""

from __future__ import annotations

import inspect
from typing import Any

LENGTH = 32


# Any: transformers and torch publish no types.
def answers(model: Any) -> Any:
    """Returns what a model says to a fixed row of tokens: its logits, or the last hidden states of one without a head.

    Returns:
        A float32 tensor on the CPU.
    """
    import torch

    config = model.config.get_text_config()
    limit = getattr(config, "max_position_embeddings", None) or 2 * LENGTH
    length = min(LENGTH, limit // 2)
    # any row will do; a prime apart, so that the tokens differ
    ids = (torch.arange(1, length + 1) * 7919 % config.vocab_size)[None].to(model.device)
    end = config.eos_token_id
    if isinstance(end, int) and end < config.vocab_size:
        ids[0, -1] = end  # some classifiers read the state at the end token
    given = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if "decoder_input_ids" in inspect.signature(model.forward).parameters:
        given["decoder_input_ids"] = ids
    with torch.no_grad():
        found = model(**given)
    said = found.logits if "logits" in found else found.last_hidden_state
    return said.float().cpu()


# Any: torch publishes no types.
def distance(found: Any, expected: Any) -> float:
    """Returns how far answers are off, root mean square, as a part of those that were expected; NaN if one is."""
    error = (found - expected).square().mean().sqrt()
    return float(error / expected.square().mean().sqrt().clamp_min(1e-30))
