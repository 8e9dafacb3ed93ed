"""Counts tokens as a model of transformers does, from its tokenizer and its config; the weights are not loaded.

Contract: the numbers are those that the model itself will have: the same tokenizer, the same chat template and the same
limit as in `prompts` and `loading`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from dreamsmk.errors import RequestRejected
from dreamsmk.providers.http_status import one_line
from dreamsmk.providers.identity import chat_template_text
from dreamsmk.providers.local.loading import context_of, load_tokenizer
from dreamsmk.providers.local.prompts import prompt_tokens
from dreamsmk.providers.local.quiet import quietly
from dreamsmk.providers.measure import Measure
from dreamsmk.requests import Message, ModelIdentity, Request
from dreamsmk.settings import ModelSpec


def measure_transformers(spec: ModelSpec, *, is_chat: bool) -> Measure:
    """Returns how the model of a spec counts tokens.

    Raises:
        RequestRejected: Its tokenizer or its config cannot be loaded.
    """
    from transformers import AutoConfig

    try:
        with quietly():
            tokenizer = load_tokenizer(spec)
            config = AutoConfig.from_pretrained(spec.model, revision=spec.revision or "main")
    # the kinds in which transformers says that files are missing or wrong
    except (OSError, ValueError, KeyError, TypeError, ImportError) as error:
        raise RequestRejected(f"the tokenizer of {spec.model!r} cannot be loaded: {one_line(str(error))}") from error
    template, values = chat_template_text(spec.chat_template), spec.options.get("chat_template_kwargs", {})
    virtual_tokens = _virtual_tokens(spec.adapter)

    def text_tokens(text: str) -> int:
        return len(tokenizer(text, add_special_tokens=False)["input_ids"])

    def whole(messages: Sequence[Message]) -> int:
        request = Request(ModelIdentity(spec.provider, spec.model), tuple(messages))
        tokens = prompt_tokens(request, tokenizer, is_chat=is_chat, chat_template=template, template_values=values)
        return len(tokens) + virtual_tokens

    return Measure(text_tokens, whole, context_of(config, tokenizer), not config.is_encoder_decoder)


def _virtual_tokens(adapter: str | None) -> int:
    """Returns how many tokens an adapter puts before each prompt."""
    path = Path(adapter or "") / "adapter_config.json"
    if adapter is None or not path.is_file():
        return 0
    count = json.loads(path.read_text(encoding="utf-8")).get("num_virtual_tokens")
    return count if isinstance(count, int) else 0
