"""The provider `llamacpp`: a GGUF file, run in this process by llama.cpp.

Contract: a reply is a function of the request and the model's file. Each request is read anew, with nothing kept from
the one before, and its randomness comes from its key. Without a temperature, or with 0, it is the most likely token
each time; what else is not given is off (llama.cpp's own defaults for top_k, top_p and min_p do not count). Penalties
count what the reply has so far. A JSON Schema becomes a grammar that the reply cannot leave.

The requests are answered one after the other, with as many threads as `OMP_NUM_THREADS` says.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from dreamsmk.errors import RequestRejected, SettingsError
from dreamsmk.providers.base import Capabilities, LocalProvider, check_options, check_packages, check_request
from dreamsmk.providers.identity import chat_template_text
from dreamsmk.providers.llamacpp_files import check_file_name
from dreamsmk.providers.local.encoding import check_one_device
from dreamsmk.providers.local.endings import Ending, find_ending
from dreamsmk.providers.local.rejections import Rejections
from dreamsmk.providers.local.sampling import request_seed
from dreamsmk.providers.replies import cut_at_stop, utc_now
from dreamsmk.requests import Request, Response, Usage
from dreamsmk.settings import ModelSpec

if TYPE_CHECKING:
    from dreamsmk.providers.llamacpp_model import LoadedGguf, TokenLogprobs

# Where a model and its layers lie and how many threads run it changes no reply.
EXECUTION_OPTIONS = frozenset({"n_gpu_layers", "n_threads"})
OPTIONS: dict[str, type] = {
    "file": str,
    "n_ctx": int,
    "chat_template_kwargs": dict,
    "n_gpu_layers": int,
    "n_threads": int,
}
# llama.cpp takes a seed of 32 bits, and the last of them as "any".
SEEDS = 2**32 - 1


class LlamaCppProvider(LocalProvider):
    """A GGUF file.

    `model` is the file, the folder that it lies in, or a repository on the Hub; `adapter` is a GGUF file as well. The
    options of the model spec are `file` (which file of the folder or the repository), `n_ctx` (tokens of prompt and
    reply together; the model's own context if absent), `chat_template_kwargs` (further values for the chat template)
    and, without a part in the model's identity, `n_gpu_layers` (all of them where there is a GPU, if absent) and
    `n_threads`.
    """

    capabilities: ClassVar[Capabilities] = Capabilities(
        sampling=frozenset(
            {
                *("temperature", "top_p", "top_k", "min_p", "max_tokens", "stop", "seed", "logprobs"),
                *("presence_penalty", "frequency_penalty", "repetition_penalty"),
            }
        ),
        fields=frozenset({"revision", "adapter", "chat_template", "options"}),
        is_local=True,
        apis=("chat", "completions"),
        has_schema=True,
        execution_options=EXECUTION_OPTIONS,
    )

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self._loaded: LoadedGguf | None = None

    @classmethod
    def check(cls, spec: ModelSpec) -> None:
        """Finds missing packages and wrong options; whether the model can be loaded is only known when it is."""
        super().check(spec)
        check_options(spec, OPTIONS)
        check_one_device(spec)
        for name, value in spec.options.items():
            kind = OPTIONS[name]
            if not isinstance(value, kind) or isinstance(value, bool):
                word = {str: "a text", int: "a whole number", dict: "a mapping"}[kind]
                raise SettingsError(f"the option {name!r} must be {word}", where=f"options: {name}")
        for name in ("n_ctx", "n_threads"):
            if spec.options.get(name, 1) < 1:
                raise SettingsError(f"the option {name!r} must be at least 1", where=f"options: {name}")
        check_file_name(spec)
        chat_template_text(spec.chat_template)
        check_packages(["llama_cpp"], "llamacpp")

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Response]]:
        """Answers all requests, one after the other; loads the model first where that was not done."""
        rejections = Rejections()
        accepted = rejections.accepted(requests, lambda request: check_request(request, self.capabilities))
        for index in accepted:
            try:
                reply = self._answer(self._load(), requests[index])
            except RequestRejected as error:
                # without a model, all the others would fail in the same way
                if self._loaded is None:
                    raise
                rejections.add(error)
            else:
                yield index, reply
        rejections.raise_first()

    def close(self) -> None:
        """Frees the model's memory."""
        if self._loaded is not None:
            self._loaded.close()
            self._loaded = None

    def _load(self) -> LoadedGguf:
        if self._loaded is None:
            from dreamsmk.providers.llamacpp_model import load_gguf

            self._loaded = load_gguf(self.spec)
        return self._loaded

    def _answer(self, loaded: LoadedGguf, request: Request) -> Response:
        started = time.monotonic()
        prompt = self._prompt(loaded, request)
        ending, logprobs = _written(loaded, request, prompt)
        return Response(
            text=ending.text,
            finish_reason=ending.finish_reason,
            model=request.model.model + (f"@{loaded.commit}" if loaded.commit else ""),
            usage=Usage(input_tokens=len(prompt), output_tokens=ending.token_count),
            created_at=utc_now(),
            latency_seconds=time.monotonic() - started,
            system_fingerprint=loaded.fingerprint,
            logprobs=logprobs,
        )

    def _prompt(self, loaded: LoadedGguf, request: Request) -> list[int]:
        if self.spec.api == "completions":
            tokens = loaded.tokens("\n\n".join(message.content for message in request.messages), has_bos=True)
        else:
            template = chat_template_text(self.spec.chat_template)
            values: Mapping[str, Any] = self.spec.options.get("chat_template_kwargs", {})
            tokens = loaded.tokens(loaded.chat_text(request.messages, template, values), has_bos=False)
        if len(tokens) >= loaded.context:
            raise RequestRejected(
                f"a prompt has {len(tokens)} tokens, and the model's context is {loaded.context} tokens",
                hint="shorten the prompt, or take a model with a longer context",
            )
        return tokens or [loaded.first_token]


# Any: JSON.
def _written(
    loaded: LoadedGguf, request: Request, prompt: list[int]
) -> tuple[Ending, tuple[Mapping[str, Any], ...] | None]:
    """Returns the reply's text and end, and what is told of its tokens where that is wanted."""
    sampling = request.sampling
    left = loaded.context - len(prompt)
    limit = left if sampling.max_tokens is None else min(sampling.max_tokens, left)
    tail = max((len(word.encode()) for word in sampling.stop), default=0) + 4
    written: list[int] = []
    told: list[TokenLogprobs] = []
    end: int | None = None
    for token in loaded.sampled(prompt, request.sampling, seed=request_seed(request) % SEEDS, schema=request.schema):
        if loaded.is_end(token):
            end = token
            break
        written.append(token)
        if sampling.logprobs is not None:
            told.append(loaded.token_logprobs(token, sampling.logprobs))
        if len(written) >= limit or (
            cut_at_stop(loaded.text(written[-tail:]), sampling.stop) is not None
            and cut_at_stop(loaded.text(written), sampling.stop) is not None
        ):
            break
    whole = written if end is None else [*written, end]
    ends = () if end is None else (end,)
    ending = find_ending(whole, loaded.text, limit=limit, eos_ids=ends, stop=sampling.stop)
    return ending, None if sampling.logprobs is None else tuple(told[: ending.text_count])
