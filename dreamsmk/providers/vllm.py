"""The provider `vllm`: a model on the job's own GPUs, run by vLLM inside this process.

Contract: without a temperature, or with 0, a reply is the most likely token each time; with one, its randomness comes
from the request's key alone. The logits themselves change a little with what else is in the batch, so that a reply can
differ where two tokens are nearly as likely; `VLLM_BATCH_INVARIANT=1` in the environment makes vLLM forgo that, on the
GPUs that it can do so on. The sampling defaults of the model's own generation config do not count; its end-of-sequence
tokens do. The model is split over all GPUs that the job sees (tensor parallelism).

Written against vLLM 0.33.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from dreamsmk.errors import RequestRejected, SettingsError
from dreamsmk.providers.base import Capabilities, LocalProvider, check_options, check_packages, check_request
from dreamsmk.providers.identity import chat_template_text
from dreamsmk.providers.local.prompts import prompt_tokens
from dreamsmk.providers.local.rejections import Rejections
from dreamsmk.providers.vllm_arguments import ENGINE_OPTIONS, EXECUTION_OPTIONS, SAMPLING
from dreamsmk.requests import Request, Response
from dreamsmk.settings import ModelSpec

if TYPE_CHECKING:
    from dreamsmk.providers.vllm_engine import Engine

OPTIONS = {"chat_template_kwargs": (dict,), **ENGINE_OPTIONS, **EXECUTION_OPTIONS}
KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", dict: "a mapping"}


class VllmProvider(LocalProvider):
    """A model that vLLM runs.

    `adapter` is a LoRA adapter, `quantization` a scheme by vLLM's name (`fp8`, `awq`, …; what the model's files say if
    absent). The options of the model spec are `chat_template_kwargs` (further values for the chat template), those of
    vLLM that change replies (`max_model_len`, `kv_cache_dtype`, `hf_overrides`), and those that do not, which have no
    part in the model's identity (`tensor_parallel_size`, `gpu_memory_utilization`, `enforce_eager`, …).
    """

    capabilities: ClassVar[Capabilities] = Capabilities(
        sampling=frozenset({*SAMPLING, "temperature", "max_tokens", "stop", "seed", "logprobs"}),
        fields=frozenset({"revision", "adapter", "quantization", "dtype", "chat_template", "options"}),
        is_local=True,
        apis=("chat", "completions"),
        has_schema=True,
        execution_options=frozenset(EXECUTION_OPTIONS),
    )

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self._engine: Engine | None = None

    @classmethod
    def check(cls, spec: ModelSpec) -> None:
        """Finds missing packages and wrong options; whether the model can be loaded is only known when it is."""
        super().check(spec)
        check_options(spec, OPTIONS)
        for name, value in spec.options.items():
            kinds = OPTIONS[name]
            if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
                raise SettingsError(f"the option {name!r} must be {KINDS[kinds[0]]}", where=f"options: {name}")
        for name in ("device", "devices"):
            if getattr(spec, name) not in (None, (), "cuda"):
                raise SettingsError(f"vLLM takes all GPUs of the job, and no {name!r}", hint="leave it out")
        chat_template_text(spec.chat_template)
        check_packages(["vllm"], "vllm")

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Response]]:
        """Answers all requests at once, each yielded when it is done; loads the model first where that was not done."""
        rejections = Rejections()
        accepted = rejections.accepted(requests, lambda request: check_request(request, self.capabilities))
        if accepted:
            engine = self._load()
            prompts = self._prompts(engine, requests, accepted, rejections)
            try:
                for index, reply in engine.answers({i: (requests[i], tokens) for i, tokens in prompts.items()}):
                    if isinstance(reply, RequestRejected):
                        rejections.add(reply)
                    else:
                        yield index, reply
            finally:
                if engine.is_dead:
                    self.close()
        rejections.raise_first()

    def close(self) -> None:
        """Ends the engine's processes and frees the GPUs."""
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.close()

    def _load(self) -> Engine:
        if self._engine is None:
            from dreamsmk.providers.vllm_engine import start_engine

            self._engine = start_engine(self.spec)
        return self._engine

    def _prompts(
        self, engine: Engine, requests: Sequence[Request], accepted: Sequence[int], rejections: Rejections
    ) -> dict[int, list[int]]:
        """Returns the tokens of the prompts by index; what has none goes to `rejections`."""
        template = chat_template_text(self.spec.chat_template)
        prompts: dict[int, list[int]] = {}
        for index in accepted:
            try:
                tokens = prompt_tokens(
                    requests[index],
                    engine.tokenizer,
                    is_chat=self.spec.api != "completions",
                    chat_template=template,
                    template_values=self.spec.options.get("chat_template_kwargs", {}),
                )
                if len(tokens) >= engine.context:
                    raise RequestRejected(
                        f"a prompt has {len(tokens)} tokens, and the model's context is {engine.context} tokens",
                        hint="shorten the prompt, or take a model with a longer context",
                    )
            except RequestRejected as error:
                rejections.add(error)
            else:
                prompts[index] = tokens
        return prompts
