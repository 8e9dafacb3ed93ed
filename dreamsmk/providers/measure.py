"""How many tokens a model counts, told from its files alone: neither its weights nor a service are asked for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dreamsmk.requests import Message


@dataclass(frozen=True, slots=True)
class Measure:
    """How a model counts.

    Attributes:
        text_tokens: Counts the tokens of a text by itself, without what begins and ends a prompt.
        prompt_tokens: Counts the tokens of a whole conversation, as the model reads it.
        context_length: How many tokens a prompt and its reply may have together; None without a limit.
        is_reply_inside: Whether the reply takes its room from the same context as the prompt.
    """

    text_tokens: Callable[[str], int]
    prompt_tokens: Callable[[Sequence[Message]], int]
    context_length: int | None
    is_reply_inside: bool = True
