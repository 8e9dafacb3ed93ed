"""Makes rows out of requests, and replies out of rows."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence

from dreamsmk.errors import RequestRejected
from dreamsmk.providers.local.endings import Decode, Ending, StopWatch, find_ending
from dreamsmk.providers.local.grammar import Follower
from dreamsmk.providers.local.loading import LoadedModel
from dreamsmk.providers.local.rows import Row
from dreamsmk.providers.local.tool_calls import read_calls
from dreamsmk.providers.replies import utc_now
from dreamsmk.requests import Request, Response, Usage

# Where neither model nor tokenizer has a limit, something must end a reply.
UNLIMITED_MAX_TOKENS = 1024


def make_row(index: int, request: Request, prompt: list[int], loaded: LoadedModel, follower: Follower | None) -> Row:
    """Returns the row of a request.

    Raises:
        RequestRejected: The prompt, or the prompt and the reply that is asked for, are longer than the context.
    """
    return Row(
        index=index,
        request=request,
        prompt=prompt,
        limit=token_limit(request.sampling.max_tokens, len(prompt), loaded),
        eos_ids=loaded.eos_ids,
        watch=StopWatch(request.sampling.stop, decoder_of(loaded)),
        follower=follower,
    )


def token_limit(wanted: int | None, prompt_tokens: int, loaded: LoadedModel) -> int:
    """Returns the most new tokens of a reply: what is wanted, else what there is room for.

    Raises:
        RequestRejected: There is no room for what is wanted.
    """
    context, is_shared = loaded.context, not loaded.is_encoder_decoder
    if context is not None and prompt_tokens + is_shared > context:
        raise RequestRejected(
            f"a prompt has {prompt_tokens} tokens, and the model's context is {context} tokens",
            hint="shorten the prompt, or take a model with a longer context",
        )
    room = loaded.reply_room
    if is_shared and context is not None:
        room = context - prompt_tokens
    if wanted is None:
        return room or context or UNLIMITED_MAX_TOKENS
    if room is not None and wanted > room:
        used = f"a prompt has {prompt_tokens} tokens and its reply may have {wanted}" if is_shared else ""
        raise RequestRejected(
            f"{used or f'a reply may have {wanted} tokens'}, and the model's context is {context} tokens",
            hint=f"give max_tokens: {room} at most, or shorten the prompt",
        )
    return wanted


def make_reply(row: Row, loaded: LoadedModel) -> Response | RequestRejected:
    """Returns the reply of a row that is done, or why it has none."""
    request = row.request
    fault = row.follower.fault() if row.follower is not None else None
    if fault is not None:
        return fault
    end = _ending(row, loaded)
    said = read_calls(end.text, row.new[: end.text_count], request, loaded.tokenizer, lambda: row.prompt)
    return Response(
        text=said.text,
        finish_reason="tool_calls" if said.calls else end.finish_reason,
        model=request.model.model + (f"@{loaded.commit}" if loaded.commit else ""),
        usage=Usage(input_tokens=len(row.prompt), output_tokens=end.token_count),
        created_at=utc_now(),
        latency_seconds=time.monotonic() - row.started,
        system_fingerprint=loaded.fingerprint,
        tool_calls=said.calls,
        reasoning=said.reasoning,
        logprobs=None if request.sampling.logprobs is None else tuple(row.logprobs[: end.text_count]),
    )


def decoder_of(loaded: LoadedModel) -> Decode:
    """Returns what gives the text of tokens, special ones left out."""

    def decode(tokens: Sequence[int]) -> str:
        text: str = loaded.tokenizer.decode(list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text

    return decode


def _ending(row: Row, loaded: LoadedModel) -> Ending:
    stop = row.request.sampling.stop
    end = find_ending(row.new, decoder_of(loaded), limit=row.limit, eos_ids=loaded.eos_ids, stop=stop)
    # the text is whole where its schema allows nothing more, with or without an end token
    if end.finish_reason == "length" and row.follower is not None and row.follower.is_over:
        return dataclasses.replace(end, finish_reason="stop")
    return end
