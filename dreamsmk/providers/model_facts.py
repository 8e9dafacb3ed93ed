"""What a service tells about its model: how long a prompt and a reply may be. Never guessed from a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dreamsmk.errors import RequestRejected

# vLLM and SGLang; OpenRouter, Together and Mistral; Groq; Anthropic
CONTEXT_NAMES = ("max_model_len", "context_length", "max_context_length", "context_window", "max_input_tokens")
OUTPUT_NAMES = ("max_completion_tokens", "max_output_tokens", "max_tokens")
# llama.cpp, under `meta`: the context that it runs with, and the one that the model was trained with
META_NAMES = ("n_ctx", "n_ctx_train")

# What services say of a prompt that is too long: OpenAI and those that speak like it, Anthropic, llama.cpp, TGI.
TOO_LONG = (
    "context_length_exceeded",
    "maximum context length",
    "max_model_len",
    "prompt is too long",
    "context size",
    "context window",
    "`inputs` tokens + `max_new_tokens`",
)


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Limits of a model, in tokens.

    Attributes:
        context_length: How many tokens a prompt may have, or a prompt and its reply together.
        max_output_tokens: How many new tokens a reply may have.
    """

    context_length: int | None = None
    max_output_tokens: int | None = None


# Any: JSON.
def read_facts(model: Mapping[str, Any]) -> ModelFacts | None:
    """Returns the facts in a model's entry of a list of models; None where it tells none."""
    meta = model.get("meta")
    context = _first(model, CONTEXT_NAMES) or (_first(meta, META_NAMES) if isinstance(meta, Mapping) else None)
    output = _first(model, OUTPUT_NAMES)
    return ModelFacts(context, output) if context or output else None


# Any: JSON.
def entry_of(listing: Mapping[str, Any], model: str) -> Mapping[str, Any] | None:
    """Returns a model's entry in the reply to `GET /models`: by its id, or the only one there is."""
    entries = [entry for entry in listing.get("data") or [] if isinstance(entry, Mapping)]
    named = next((entry for entry in entries if entry.get("id") == model), None)
    return named or (entries[0] if len(entries) == 1 else None)


def is_too_long(error: RequestRejected) -> bool:
    """Whether a service refused a request because its prompt is too long."""
    words = error.what.lower()
    return error.status in {400, 413, 422} and any(part in words for part in TOO_LONG)


def too_long(error: RequestRejected, facts: ModelFacts) -> RequestRejected:
    """Returns the same refusal with a hint that tells the model's limits."""
    context = facts.context_length and f"a context of {facts.context_length} tokens"
    output = facts.max_output_tokens and f"replies of {facts.max_output_tokens} tokens at most"
    limits = " and ".join(limit for limit in (context, output) if limit)
    hint = f"the service says that the model has {limits}: shorten the prompt or lower max_tokens"
    return RequestRejected(error.what, where=error.where, hint=hint, status=error.status)


# Any: JSON.
def _first(entry: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    found = (entry.get(name) for name in names)
    return next((n for n in found if isinstance(n, int) and not isinstance(n, bool) and n > 0), None)
