"""The provider `transformers`: a causal language model from a folder or the Hub, run in this process.

Contract: a reply is a pure function of the request and the model's files. Without a temperature, or with 0, it is the
most likely token each time; with one it is a sample whose randomness comes from the request's key (see
`local.sampling`), so that neither the batch nor the order of the rows changes it. The sampling defaults of the model's
own generation config do not count; its end-of-sequence tokens, repetition penalty and suppressed tokens do.

Without `max_tokens` a reply may fill what the prompt leaves of the context. The number of CPU threads is torch's own,
from the environment (`OMP_NUM_THREADS`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import ClassVar

from dreamsmk.errors import RequestRejected, SettingsError
from dreamsmk.providers.base import (
    Capabilities,
    LocalProvider,
    check_options,
    check_packages,
    check_request,
)
from dreamsmk.providers.identity import chat_template_text
from dreamsmk.providers.local.batching import BatchSize, by_length, in_batches
from dreamsmk.providers.local.endings import Decode, Ending, RowLimits, find_ending
from dreamsmk.providers.local.loading import LoadedModel, check_quantization, load_model
from dreamsmk.providers.local.prompts import prompt_tokens
from dreamsmk.providers.local.quiet import quietly
from dreamsmk.providers.local.sampling import logits_processors, sampling_group
from dreamsmk.providers.replies import utc_now
from dreamsmk.requests import Request, Response, Usage
from dreamsmk.settings import ModelSpec

OPTIONS = ("chat", "chat_template_kwargs")
# Where neither model nor tokenizer has a limit, something must end a reply.
UNLIMITED_MAX_TOKENS = 1024


class TransformersProvider(LocalProvider):
    """A local model.

    The options of the model spec are `chat` (false for base models: the texts of the messages are the prompt) and
    `chat_template_kwargs` (further values for the chat template).
    """

    capabilities: ClassVar[Capabilities] = Capabilities(
        sampling=frozenset(
            {"temperature", "top_p", "top_k", "min_p", "repetition_penalty", "max_tokens", "stop", "seed"}
        ),
        fields=frozenset({"revision", "adapter", "quantization", "dtype", "chat_template", "options"}),
        is_local=True,
        has_tools=True,
    )

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self._batch_size = BatchSize(spec.batch_size)
        self._loaded: LoadedModel | None = None

    @classmethod
    def check(cls, spec: ModelSpec) -> None:
        """Finds missing packages and wrong options; whether the model can be loaded is only known when it is."""
        super().check(spec)
        check_options(spec, OPTIONS)
        if not isinstance(spec.options.get("chat", True), bool):
            raise SettingsError("the option 'chat' must be true or false", where="options: chat")
        if not isinstance(spec.options.get("chat_template_kwargs", {}), dict):
            raise SettingsError("the option 'chat_template_kwargs' must be a mapping", where="options")
        chat_template_text(spec.chat_template)
        check_packages(["torch", "transformers"], "transformers")
        if spec.adapter is not None:
            check_packages(["peft"], "transformers")
        check_quantization(spec)

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Response]]:
        """Answers all requests in batches of like length; loads the model first where that was not done."""
        accepted, rejected = self._sort_out(requests)
        if accepted:
            yield from self._answers(requests, accepted, rejected)
        if rejected:
            raise _first(rejected)

    def close(self) -> None:
        """Frees the model's memory."""
        if self._loaded is not None:
            self._loaded = None
            _free_memory()

    def _answers(
        self, requests: Sequence[Request], accepted: Sequence[int], rejected: list[RequestRejected]
    ) -> Iterator[tuple[int, Response]]:
        loaded = self._load()
        prompts = self._prompts(loaded, requests, accepted, rejected)
        groups = by_length(list(prompts), lambda i: len(prompts[i]), lambda i: sampling_group(requests[i].sampling))

        def answer(batch: Sequence[int]) -> list[Response]:
            return _answer(loaded, [requests[i] for i in batch], [prompts[i] for i in batch])

        for group in groups:
            for index, reply in in_batches(group, self._batch_size, answer, free=_free_memory):
                if isinstance(reply, RequestRejected):
                    rejected.append(reply)
                else:
                    yield index, reply

    def _load(self) -> LoadedModel:
        if self._loaded is None:
            self._loaded = load_model(self.spec)
        return self._loaded

    def _sort_out(self, requests: Sequence[Request]) -> tuple[list[int], list[RequestRejected]]:
        """Returns the requests that can be asked, by index, and what the others are refused for."""
        accepted, rejected = [], []
        for index, request in enumerate(requests):
            try:
                check_request(request, self.capabilities)
            except RequestRejected as error:
                rejected.append(error)
            else:
                accepted.append(index)
        return accepted, rejected

    def _prompts(
        self,
        loaded: LoadedModel,
        requests: Sequence[Request],
        accepted: Sequence[int],
        rejected: list[RequestRejected],
    ) -> dict[int, list[int]]:
        """Returns the tokens of the prompts by index; what has none is added to `rejected`."""
        template = chat_template_text(self.spec.chat_template)
        prompts: dict[int, list[int]] = {}
        for index in accepted:
            try:
                tokens = prompt_tokens(
                    requests[index],
                    loaded.tokenizer,
                    is_chat=self.spec.options.get("chat", True),
                    chat_template=template,
                    template_values=self.spec.options.get("chat_template_kwargs", {}),
                )
                prompts[index] = _fitting(tokens, loaded.context)
            except RequestRejected as error:
                rejected.append(error)
        return prompts


def _fitting(tokens: list[int], context: int | None) -> list[int]:
    if context is not None and len(tokens) >= context:
        raise RequestRejected(
            f"a prompt has {len(tokens)} tokens, and the model's context is {context} tokens",
            hint="shorten the prompt, or take a model with a longer context",
        )
    return tokens


def _answer(loaded: LoadedModel, requests: Sequence[Request], prompts: Sequence[list[int]]) -> list[Response]:
    started = time.monotonic()
    limits = [
        _token_limit(request, len(prompt), loaded.context) for request, prompt in zip(requests, prompts, strict=True)
    ]
    rows = _generate(loaded, requests, prompts, limits)
    seconds = time.monotonic() - started

    def ending(row: list[int], request: Request, limit: int) -> Ending:
        stop = request.sampling.stop
        return find_ending(row, _decoder(loaded), limit=limit, eos_ids=loaded.eos_ids, stop=stop)

    endings = [ending(*each) for each in zip(rows, requests, limits, strict=True)]
    return [
        Response(
            text=end.text,
            finish_reason=end.finish_reason,
            model=request.model.model + (f"@{loaded.commit}" if loaded.commit else ""),
            usage=Usage(input_tokens=len(prompt), output_tokens=end.token_count),
            created_at=utc_now(),
            latency_seconds=seconds,
            system_fingerprint=loaded.fingerprint,
        )
        for end, request, prompt in zip(endings, requests, prompts, strict=True)
    ]


def _generate(
    loaded: LoadedModel, requests: Sequence[Request], prompts: Sequence[list[int]], limits: Sequence[int]
) -> list[list[int]]:
    """Returns the new tokens of each row, with whatever `generate` wrote after the row's end."""
    import torch

    width = max(len(prompt) for prompt in prompts)
    device = loaded.model.device
    # padded on the left, so that all rows are at the same step
    ids = [[loaded.pad_id] * (width - len(prompt)) + prompt for prompt in prompts]
    mask = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts]
    group = sampling_group(requests[0].sampling)
    penalty = {} if group[4] is None else {"repetition_penalty": float(group[4])}
    with quietly(), torch.inference_mode():
        output = loaded.model.generate(
            input_ids=torch.tensor(ids, device=device),
            attention_mask=torch.tensor(mask, device=device),
            max_new_tokens=max(limits),
            logits_processor=logits_processors(group, requests, width),
            stopping_criteria=[
                RowLimits(limits, [request.sampling.stop for request in requests], _decoder(loaded), width)
            ],
            **penalty,
        )
    rows: list[list[int]] = output[:, width:].tolist()
    return rows


def _token_limit(request: Request, prompt_tokens: int, context: int | None) -> int:
    wanted = request.sampling.max_tokens
    if context is None:
        return UNLIMITED_MAX_TOKENS if wanted is None else wanted
    left = context - prompt_tokens
    return left if wanted is None else min(wanted, left)


def _decoder(loaded: LoadedModel) -> Decode:
    def decode(tokens: Sequence[int]) -> str:
        text: str = loaded.tokenizer.decode(list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text

    return decode


def _free_memory() -> None:
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _first(rejected: Sequence[RequestRejected]) -> RequestRejected:
    first = rejected[0]
    if len(rejected) == 1:
        return first
    more = RequestRejected(f"{first.what} ({len(rejected)} requests were rejected)", where=first.where, hint=first.hint)
    more.__cause__ = first.__cause__
    return more
