"""vLLM's offline engine: started, asked, ended.

Contract: every request gets its reply or the reason why it has none, each as soon as it is done, while the others go
on. vLLM's exceptions are translated here.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from dreamsmk.errors import RequestRejected
from dreamsmk.providers.http_status import one_line
from dreamsmk.providers.identity import is_local_path
from dreamsmk.providers.replies import utc_now
from dreamsmk.providers.vllm_arguments import engine_arguments, plain_schema, sampling_arguments, told_logprobs
from dreamsmk.requests import Request, Response, Usage
from dreamsmk.settings import ModelSpec

Asked = Mapping[int, tuple[Request, list[int]]]


@dataclass(frozen=True, slots=True)
class Words:
    """What of vLLM's Python is needed to ask its engine.

    Attributes:
        sampling: `vllm.SamplingParams`.
        schema: `vllm.sampling_params.StructuredOutputsParams`.
        error: `vllm.exceptions.VLLMError`, the root of its exceptions.
    """

    # Any: vLLM is not installed where mypy runs.
    sampling: Callable[..., Any]
    schema: Callable[..., Any]
    error: type[Exception]


class Engine:
    """A running `vllm.LLM`.

    Args:
        llm: The `vllm.LLM`.
        words: What it is asked with.
        adapter: The `LoRARequest` of the adapter, where there is one.
        fingerprint: Library version, number format and GPUs, for `Response.system_fingerprint`.

    Attributes:
        is_dead: Whether it can be asked no more.
    """

    # Any: classes of vLLM, as above.
    def __init__(self, llm: Any, words: Words, *, adapter: Any = None, fingerprint: str = "") -> None:
        self._llm = llm
        self._words = words
        self._adapter = adapter
        self._fingerprint = fingerprint
        self.is_dead = False

    @property
    def tokenizer(self) -> Any:
        """The tokenizer, as transformers has it."""
        return self._llm.get_tokenizer()

    @property
    def context(self) -> int:
        """The most tokens of prompt and reply together."""
        return int(self._llm.model_config.max_model_len)

    def answers(self, asked: Asked) -> Iterator[tuple[int, Response | RequestRejected]]:
        """Asks all requests at once, and yields what each comes to.

        Args:
            asked: Requests and the tokens of their prompts, by index.

        Raises:
            RequestRejected: The engine died.
        """
        waiting: dict[str, int] = {}
        started = time.monotonic()
        try:
            for index, (request, tokens) in asked.items():
                try:
                    waiting[self._enqueue(request, tokens)] = index
                except RequestRejected as error:
                    yield index, error
            while waiting:
                for output in self._step():
                    if output.finished:
                        index = waiting.pop(output.request_id)
                        yield index, self._reply(asked[index][0], output, time.monotonic() - started)
        finally:
            if waiting and not self.is_dead:
                self._llm.llm_engine.abort_request(list(waiting))

    def close(self) -> None:
        """Ends the engine's processes and frees the GPUs."""
        import torch

        self._llm.llm_engine.engine_core.shutdown()
        del self._llm
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _enqueue(self, request: Request, tokens: list[int]) -> str:
        """Puts a request in the engine's queue, and returns the id that its output will have."""
        try:
            arguments = sampling_arguments(request)
            if request.schema is not None:
                arguments["structured_outputs"] = self._words.schema(json=plain_schema(request.schema))
            (internal,) = self._llm.enqueue(
                [{"prompt_token_ids": tokens}],
                self._words.sampling(**arguments),
                lora_request=self._adapter,
                use_tqdm=False,
            )
        except (self._words.error, ValueError, TypeError) as error:
            raise RequestRejected(f"vLLM does not take the request: {one_line(str(error))}") from error
        # vLLM hangs a random mark on the id inside, and hands the plain one back
        return str(internal).partition("-")[0]

    # Any: `vllm.RequestOutput`, here and below.
    def _step(self) -> list[Any]:
        try:
            outputs: list[Any] = self._llm.llm_engine.step()
        except (self._words.error, RuntimeError) as error:
            self.is_dead = True
            raise RequestRejected(f"vLLM stopped: {one_line(str(error))}", hint="its own log is above") from error
        return outputs

    def _reply(self, request: Request, output: Any, seconds: float) -> Response | RequestRejected:
        (written,) = output.outputs
        if written.finish_reason not in ("stop", "length"):
            return RequestRejected(f"vLLM ended a reply with {written.finish_reason!r}")
        count = request.sampling.logprobs
        return Response(
            text=written.text,
            finish_reason=written.finish_reason,
            model=request.model.model,
            usage=Usage(
                input_tokens=len(output.prompt_token_ids),
                cached_input_tokens=output.num_cached_tokens or 0,
                output_tokens=len(written.token_ids),
            ),
            created_at=utc_now(),
            latency_seconds=seconds,
            system_fingerprint=self._fingerprint,
            logprobs=None
            if count is None
            else told_logprobs(written.token_ids, written.logprobs, count=count, text=written.text),
        )


def start_engine(spec: ModelSpec) -> Engine:
    """Loads the model of a spec onto the GPUs that the job sees.

    Raises:
        RequestRejected: There is no GPU, the files are missing, incomplete, or do not fit into memory.
    """
    import torch

    for text in (spec.model, spec.adapter):
        if text is not None and is_local_path(text) and not Path(text).expanduser().exists():
            raise RequestRejected(f"the model folder {text!r} is not there")
    # asks the driver alone: a process that has begun to use CUDA could not fork vLLM's workers
    device_count = torch.cuda.device_count()
    if not device_count:
        raise RequestRejected("vLLM needs a CUDA GPU, and the job sees none", hint="give the rule `resources: gpu=1`")
    import vllm
    from vllm.exceptions import VLLMError
    from vllm.lora.request import LoRARequest
    from vllm.sampling_params import StructuredOutputsParams

    try:
        adapter = None if spec.adapter is None else _adapter_folder(spec.adapter)
        arguments = engine_arguments(spec, device_count=device_count, adapter=adapter)
        with _without_main_script():
            llm = vllm.LLM(**arguments)
    except (VLLMError, OSError, ValueError, RuntimeError, MemoryError, TypeError, ImportError, KeyError) as error:
        raise RequestRejected(
            f"the model {spec.model!r} cannot be loaded: {one_line(str(error))}", hint="vLLM's own log is above"
        ) from error
    dtype = str(llm.model_config.dtype).removeprefix("torch.")
    gpus = f"{device_count} x {torch.cuda.get_device_name(0)}"
    lora = None if adapter is None else LoRARequest("adapter", 1, str(adapter))
    return Engine(
        llm,
        Words(vllm.SamplingParams, StructuredOutputsParams, VLLMError),
        adapter=lora,
        fingerprint=f"vllm {vllm.__version__}, torch {torch.__version__}, {dtype}, {gpus}",
    )


def _adapter_folder(adapter: str) -> Path:
    if is_local_path(adapter):
        return Path(adapter).expanduser()
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(adapter))


@contextmanager
def _without_main_script() -> Iterator[None]:
    """Lets processes that are started meanwhile begin without this process's main module, which is the job itself."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
