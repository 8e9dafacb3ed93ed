"""The provider `transformers`: a language model from a folder or the Hub, run on this machine.

Contract: a reply is a pure function of the request and the model's files. Without a temperature, or with 0, it is the
most likely token each time; with one it is a sample whose randomness comes from the request's key (see
`local.sampling`), so that neither the batch nor the order of the rows nor the number of copies changes it. The sampling
defaults of the model's own generation config do not count; its end-of-sequence tokens, repetition penalty and
suppressed tokens do.

Causal and sequence-to-sequence models are both taken, told apart by the model's own config. Without `max_tokens` a
reply may fill what the prompt leaves of the context; where `max_tokens` does not fit there, the request is rejected.
The number of CPU threads is torch's own, from the environment (`OMP_NUM_THREADS`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from dreamsmk.errors import RequestRejected, SettingsError
from dreamsmk.providers.base import (
    Capabilities,
    LocalProvider,
    check_options,
    check_packages,
    check_request,
)
from dreamsmk.providers.identity import chat_template_text
from dreamsmk.providers.local.quantization import check_quantization
from dreamsmk.providers.local.rejections import Rejections
from dreamsmk.providers.measure import Measure
from dreamsmk.requests import Request, Response
from dreamsmk.settings import ModelSpec

if TYPE_CHECKING:
    from dreamsmk.providers.local.answering import Answering

OPTIONS = ("chat", "chat_template_kwargs")


class TransformersProvider(LocalProvider):
    """A local model.

    `api: completions` is for base models: the texts of the messages are the prompt, without a chat template. The
    options of the model spec are `chat` (false: the same) and `chat_template_kwargs` (further values for the chat
    template).
    """

    capabilities: ClassVar[Capabilities] = Capabilities(
        sampling=frozenset(
            {
                "temperature",
                "top_p",
                "top_k",
                "min_p",
                "repetition_penalty",
                "max_tokens",
                "stop",
                "seed",
                "logprobs",
            }
        ),
        fields=frozenset({"revision", "adapter", "quantization", "dtype", "chat_template", "options"}),
        is_local=True,
        apis=("chat", "completions"),
        has_tools=True,
        has_schema=True,
        roles=frozenset({"system", "user", "assistant", "tool"}),
    )

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        # what a graph is checked with loads no more than this file
        from dreamsmk.providers.local.answering import LocalModel
        from dreamsmk.providers.local.replicas import Replicas

        self._model: Answering = Replicas(spec) if spec.devices else LocalModel(spec)

    @classmethod
    def check(cls, spec: ModelSpec) -> None:
        """Finds missing packages and wrong options; whether the model can be loaded is only known when it is."""
        super().check(spec)
        check_options(spec, OPTIONS)
        if not isinstance(spec.options.get("chat", True), bool):
            raise SettingsError("the option 'chat' must be true or false", where="options: chat")
        from dreamsmk.providers.local.answering import is_chat

        if spec.api is not None and spec.options.get("chat", is_chat(spec)) != (spec.api == "chat"):
            raise SettingsError(f"api: {spec.api} and the option 'chat' contradict each other", where="options: chat")
        if not isinstance(spec.options.get("chat_template_kwargs", {}), dict):
            raise SettingsError("the option 'chat_template_kwargs' must be a mapping", where="options")
        chat_template_text(spec.chat_template)
        check_packages(["torch", "transformers"], "transformers")
        if spec.adapter is not None:
            check_packages(["peft"], "transformers")
        if spec.device == "auto" or spec.quantization is not None:
            check_packages(["accelerate"], "transformers")
        _check_devices(spec)
        check_quantization(spec)

    @classmethod
    def measure(cls, spec: ModelSpec) -> Measure:
        """Returns how the model of a spec counts tokens; loads its tokenizer."""
        from dreamsmk.providers.local.answering import is_chat
        from dreamsmk.providers.local.measuring import measure_transformers

        return measure_transformers(spec, is_chat=is_chat(spec))

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Response]]:
        """Answers all requests in batches of like length; loads the model first where that was not done."""
        if any(request.schema is not None for request in requests):
            check_packages(["llguidance"], "transformers")
        rejections = Rejections()
        accepted = rejections.accepted(requests, lambda request: check_request(request, self.capabilities))
        for place, reply in self._model.answer([requests[index] for index in accepted]):
            if isinstance(reply, RequestRejected):
                rejections.add(reply)
            else:
                yield accepted[place], reply
        rejections.raise_first()

    def close(self) -> None:
        """Frees the model's memory, and ends its processes where it has some."""
        self._model.close()


def _check_devices(spec: ModelSpec) -> None:
    if spec.devices and spec.device is not None:
        raise SettingsError("a model has either 'device' or 'devices'", where="device", hint="leave one of them out")
    if "auto" in spec.devices:
        raise SettingsError(
            "'auto' spreads one copy of a model over all GPUs, and 'devices' names one device for each copy",
            where="devices",
            hint="give device: auto instead",
        )
