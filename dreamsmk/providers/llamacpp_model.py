"""A GGUF file in memory: its prompts, its tokens, its texts.

Contract: llama.cpp's own choices that would make a reply depend on anything but its request are taken from it: the
prompt of the request before is never gone on with, and templates that ask for today's date get the same day always.
What would end the process (a grammar that it cannot read) is found out before.
"""

from __future__ import annotations

import atexit
import ctypes
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dreamsmk.errors import RequestRejected
from dreamsmk.providers.http_status import one_line
from dreamsmk.providers.llamacpp_files import find_file
from dreamsmk.providers.local.prompts import FIXED_DAY
from dreamsmk.requests import Message, Sampling
from dreamsmk.settings import ModelSpec

TokenLogprobs = Mapping[str, Any]  # Any: JSON
ROOT_RULE = b"root"


@dataclass(frozen=True, slots=True)
class LoadedGguf:
    """A model in memory.

    Attributes:
        llama: The `Llama`.
        context: The most tokens of prompt and reply together.
        commit: The commit of the file, for models from the Hub.
        fingerprint: The library's version, what the file says of itself, and the device.
    """

    llama: Any  # Any: llama-cpp-python need not be installed where mypy runs
    context: int
    commit: str | None
    fingerprint: str

    @property
    def vocabulary(self) -> Any:
        """The C library's vocabulary."""
        import llama_cpp

        return llama_cpp.llama_model_get_vocab(self.llama.model)

    @property
    def first_token(self) -> int:
        """What an empty prompt is made of."""
        return int(next((token for token in (self.llama.token_bos(), self.llama.token_eos()) if token >= 0), 0))

    def close(self) -> None:
        """Frees the model's memory."""
        atexit.unregister(self.llama.close)
        self.llama.close()

    def tokens(self, text: str, *, has_bos: bool) -> list[int]:
        """Returns the tokens of a text; with `has_bos`, after the token that the model wants at a beginning."""
        found: list[int] = self.llama.tokenize(text.encode(), add_bos=has_bos, special=True)
        return found

    def text(self, tokens: Sequence[int]) -> str:
        """Returns the text of tokens, special ones left out."""
        import llama_cpp

        # not Llama.detokenize, which loses pieces of more than 32 bytes
        ids = (llama_cpp.llama_token * len(tokens))(*tokens)
        size = 16 * len(tokens) + 64
        for _ in range(2):
            buffer = ctypes.create_string_buffer(size)
            written = llama_cpp.llama_detokenize(self.vocabulary, ids, len(tokens), buffer, size, False, False)
            if written >= 0:
                break
            size = -written
        return buffer.raw[:written].decode("utf-8", errors="replace")

    def is_end(self, token: int) -> bool:
        """Whether a token ends a reply."""
        import llama_cpp

        return bool(llama_cpp.llama_vocab_is_eog(self.vocabulary, token))

    # Any: the template's own JSON values.
    def chat_text(self, messages: Sequence[Message], template: str | None, values: Mapping[str, Any]) -> str:
        """Returns what the chat template makes of messages.

        Args:
            messages: The conversation; a last message of the assistant is the beginning of the reply.
            template: A Jinja template that replaces the file's own.
            values: Further values for it.

        Raises:
            RequestRejected: There is no chat template, or it takes no such messages.
        """
        import llama_cpp
        from jinja2.exceptions import TemplateError
        from llama_cpp.llama_chat_format import Jinja2ChatFormatter

        template = template or self.llama.metadata.get("tokenizer.chat_template")
        if not template:
            raise RequestRejected(
                "the GGUF file has no chat template",
                hint="give the model a chat_template, or `api: completions` if it is a base model",
            )

        def token_text(token: int) -> str:
            return "" if token < 0 else str(llama_cpp.llama_vocab_get_text(self.vocabulary, token).decode())

        begun = messages[-1].content if messages[-1].role == "assistant" else ""
        turns = [{"role": m.role, "content": m.content} for m in (messages[:-1] if begun else messages)]
        try:
            formatter = Jinja2ChatFormatter(
                FIXED_DAY + template if "strftime_now" in template else template,
                eos_token=token_text(self.llama.token_eos()),
                bos_token=token_text(self.llama.token_bos()),
            )
            text: str = formatter(messages=turns, **values).prompt
        except (TemplateError, ValueError, TypeError) as error:
            raise RequestRejected(f"the chat template does not take these messages: {one_line(str(error))}") from error
        return text + begun

    # Any: a JSON Schema.
    def sampled(
        self, prompt: list[int], sampling: Sampling, *, seed: int, schema: Mapping[str, Any] | None
    ) -> Iterator[int]:
        """Yields the tokens of a reply, without an end.

        Raises:
            RequestRejected: The schema cannot be made a grammar, or the prompt fits into no memory.
        """
        grammar = None if schema is None else self._grammar(schema)
        # nothing of the prompt before is gone on with: numbers from another batch differ in their last bits
        self.llama.reset()
        self.llama.set_seed(seed)
        try:
            yield from self.llama.generate(
                prompt,
                temp=float(sampling.temperature or 0),
                top_k=sampling.top_k or 0,
                top_p=1.0 if sampling.top_p is None else float(sampling.top_p),
                min_p=float(sampling.min_p or 0),
                repeat_penalty=1.0 if sampling.repetition_penalty is None else float(sampling.repetition_penalty),
                presence_penalty=float(sampling.presence_penalty or 0),
                frequency_penalty=float(sampling.frequency_penalty or 0),
                grammar=grammar,
            )
        except RuntimeError as error:  # what `llama_decode` returned
            raise RequestRejected(f"llama.cpp could not go on: {one_line(str(error))}") from error

    def token_logprobs(self, token: int, count: int) -> TokenLogprobs:
        """Returns what the model itself thought of the token that was chosen last, before any sampling value.

        Args:
            token: The token that was chosen.
            count: How many of the most likely tokens to tell.
        """
        import llama_cpp
        import numpy as np

        size = self.llama.n_vocab()
        logits = np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(self.llama.ctx, -1), shape=(size,))
        numbers = logits.astype(np.float64)
        numbers -= numbers.max() + np.log(np.exp(numbers - numbers.max()).sum())
        top = np.argsort(-numbers, kind="stable")[:count].tolist()
        return {
            "token": self.text([token]),
            "logprob": float(numbers[token]),
            "top": [{"token": self.text([each]), "logprob": float(numbers[each])} for each in top],
        }

    def _grammar(self, schema: Mapping[str, Any]) -> Any:
        import llama_cpp

        try:
            grammar = llama_cpp.LlamaGrammar.from_json_schema(json.dumps(schema), verbose=False)
        # assertions are how it says that it does not know a keyword or a pattern
        except (ValueError, AssertionError, KeyError, TypeError, RecursionError) as error:
            raise RequestRejected(f"llama.cpp cannot hold to this JSON Schema: {one_line(str(error))}") from error
        # a grammar that llama.cpp cannot read is a null pointer there, and the end of the process later
        written = grammar._grammar.encode()  # no public name gives the text back
        sampler = llama_cpp.llama_sampler_init_grammar(self.vocabulary, written, ROOT_RULE)
        if not sampler:
            raise RequestRejected("llama.cpp cannot hold to this JSON Schema")
        llama_cpp.llama_sampler_free(sampler)
        return grammar


def load_gguf(spec: ModelSpec) -> LoadedGguf:
    """Loads the file of a spec; no socket is opened where it is a file or a folder.

    Raises:
        RequestRejected: The file is missing or no model, or does not fit into memory.
    """
    import llama_cpp

    file = find_file(spec)
    has_gpu = llama_cpp.llama_supports_gpu_offload() and not (spec.device or "").startswith("cpu")
    layers = spec.options.get("n_gpu_layers", -1 if has_gpu else 0)
    llama = _open(spec, file.path, layers)
    own = llama_cpp.llama_model_n_ctx_train(llama.model)
    context = spec.options.get("n_ctx", own)
    if context > own:
        llama.close()
        raise RequestRejected(f"the model's context is {own} tokens, and 'n_ctx' is {context}")
    # penalties look back over the whole reply, as those of services do
    llama.last_n_tokens_size = context
    # what is still open when Python ends, it closes too late for its own library
    atexit.register(llama.close)
    version, device = llama_cpp.__version__, "gpu" if has_gpu and layers else "cpu"
    described = llama.metadata.get("general.name", file.path.stem)
    kind = llama.metadata.get("general.file_type", "?")
    fingerprint = f"llama-cpp-python {version}, {described}, file type {kind}, {device}"
    return LoadedGguf(llama, context, file.commit, fingerprint)


# Any: the `Llama`.
def _open(spec: ModelSpec, path: Path, layers: int) -> Any:
    import llama_cpp

    adapter = None if spec.adapter is None else Path(spec.adapter).expanduser()
    if adapter is not None and not adapter.is_file():
        raise RequestRejected(f"the adapter file {spec.adapter!r} is not there")
    threads = spec.options.get("n_threads") or _thread_count()
    try:
        return llama_cpp.Llama(
            str(path),
            n_ctx=spec.options.get("n_ctx", 0),  # 0: the model's own
            n_gpu_layers=layers,
            n_threads=threads,
            n_threads_batch=threads,
            lora_path=None if adapter is None else str(adapter),
            verbose=False,
        )
    except (ValueError, RuntimeError, OSError, MemoryError) as error:
        raise RequestRejected(
            f"the model {spec.model!r} cannot be loaded: {one_line(str(error))}",
            hint="if memory is short, give it `options: {n_ctx: …}`: the whole context is set aside",
        ) from error


def _thread_count() -> int:
    told = os.environ.get("OMP_NUM_THREADS", "")
    return int(told) if told.isdigit() and int(told) else len(os.sched_getaffinity(0))
