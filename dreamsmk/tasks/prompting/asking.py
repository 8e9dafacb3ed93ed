"""From prompts to what a prompting task asks: one function for all of them, and for their plans.

Contract: a schema goes to the provider in its own field where it has one, else in words at the end of the prompt, so
that no key holds what the model is not shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dreamsmk.providers import provider_class
from dreamsmk.requests import Image, Message
from dreamsmk.tasks.context import Asked, Model
from dreamsmk.tasks.prompting.judging import judge_of
from dreamsmk.tasks.prompting.reply_schema import ReplySchema
from dreamsmk.tasks.prompting.sampling import sampling_of


# Any: JSON.
def ask(
    model: Model,
    params: Mapping[str, Any],
    prompts: Sequence[str],
    *,
    schema: ReplySchema | None,
    images: Sequence[Sequence[Image]] | None = None,
    samples: Iterable[int] | None = None,
    **sampling: Any,
) -> Asked:
    """Returns what a model is asked.

    Args:
        model: The model.
        params: The rule's parameters.
        prompts: One a row.
        schema: What replies must follow.
        images: Those that are shown with each prompt.
        samples: The sample index of each prompt.
        sampling: Sampling values that the parameters leave open.
    """
    sent = None
    if schema is not None:
        if provider_class(model.spec.provider).capabilities_of(model.spec).has_schema:
            sent = schema.schema
        else:
            prompts = [f"{prompt}\n\n{schema.in_words()}" for prompt in prompts]
    conversations: Iterable[str | Sequence[Message]] = prompts
    if images is not None:
        shown = zip(prompts, images, strict=True)
        conversations = ((Message("user", prompt, images=tuple(beside)),) for prompt, beside in shown)
    requests = model.requests(
        conversations,
        system=params["system_prompt"],
        samples=samples,
        schema=sent,
        **{**sampling, **sampling_of(params)},
    )
    return Asked(model, prompts, requests, judge_of(params, schema), params["max_failures"])
