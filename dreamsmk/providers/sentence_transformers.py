"""The provider `sentence_transformers`: texts to vectors, with a model from a folder or the Hub, in this process.

Contract: a vector is a function of the text, the prompt and the model's files. It is the same bits whenever the same
text is asked for in batches of the same shape; between batches of other shapes its float32 numbers differ in their
last bits (up to about 1e-6 of the vector's length), because matrix products add up in another order. A text that is
longer than the model reads is cut, as sentence-transformers does, and its reply says so: `finish_reason` is `length`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from dreamsmk.errors import RequestRejected, SettingsError, nearest
from dreamsmk.providers.base import Capabilities, LocalProvider, check_options, check_packages
from dreamsmk.providers.http_status import one_line
from dreamsmk.providers.identity import is_local_path
from dreamsmk.providers.local.batching import BatchLimits
from dreamsmk.providers.local.encoding import (
    Reading,
    answered_by_length,
    check_one_device,
    check_one_text,
    free_memory,
)
from dreamsmk.providers.local.loading import device_of
from dreamsmk.providers.local.quiet import quietly
from dreamsmk.providers.local.rejections import Rejections
from dreamsmk.providers.replies import utc_now
from dreamsmk.requests import Request, Response, encoded_vector
from dreamsmk.settings import ModelSpec

OPTIONS: dict[str, type] = {
    "prompt": str,
    "prompt_name": str,
    "normalize": bool,
    "truncate_dim": int,
    "max_seq_length": int,
}
# Says which modules a model is made of; without it, one would be made up: the plain model and a mean over its tokens.
MODULES = "modules.json"


@dataclass(frozen=True, slots=True)
class LoadedEncoder:
    """A model in memory.

    Attributes:
        model: The `SentenceTransformer`.
        prompt: What is put before each text.
        commit: The commit of the weights, for models from the Hub.
        fingerprint: Library versions, number format and device, for `Response.system_fingerprint`.
    """

    model: Any  # Any: sentence-transformers is not followed by mypy
    prompt: str
    commit: str | None
    fingerprint: str


class SentenceTransformersProvider(LocalProvider):
    """An embedding model.

    The options of the model spec are `prompt` (what is put before each text), `prompt_name` (the same, by its name in
    the model's own prompts), `normalize` (true for vectors of length 1; else they are as the model gives them),
    `truncate_dim` (how many of the first numbers are kept, for models that were trained for that) and
    `max_seq_length` (how many tokens of a text are read; the model's own limit if absent).
    """

    capabilities: ClassVar[Capabilities] = Capabilities(
        sampling=frozenset(),
        fields=frozenset({"revision", "dtype", "options"}),
        is_local=True,
        wanted=frozenset({"embedding"}),
        roles=frozenset({"user"}),
    )

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self._limits = BatchLimits(spec.batch_size)
        self._loaded: LoadedEncoder | None = None

    @classmethod
    def check(cls, spec: ModelSpec) -> None:
        """Finds missing packages and wrong options; whether the model can be loaded is only known when it is."""
        super().check(spec)
        check_options(spec, OPTIONS)
        check_one_device(spec)
        for name, value in spec.options.items():
            kind = OPTIONS[name]
            if not isinstance(value, kind) or isinstance(value, bool) != (kind is bool):
                word = {str: "a text", bool: "true or false", int: "a whole number"}[kind]
                raise SettingsError(f"the option {name!r} must be {word}", where=f"options: {name}")
        for name in ("truncate_dim", "max_seq_length"):
            if spec.options.get(name, 1) < 1:
                raise SettingsError(f"the option {name!r} must be at least 1", where=f"options: {name}")
        if "prompt" in spec.options and "prompt_name" in spec.options:
            raise SettingsError("there are both a 'prompt' and a 'prompt_name'", where="options", hint="leave one out")
        check_packages(["torch", "sentence_transformers"], "sentence-transformers")

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Response]]:
        """Answers all requests in batches of like length; loads the model first where that was not done."""
        rejections = Rejections()
        accepted = rejections.accepted(requests, lambda request: check_one_text(request, self.capabilities))
        if accepted:
            loaded = self._load()
            texts = [request.messages[0].content if request.messages else "" for request in requests]
            readings = dict(zip(accepted, _readings(loaded, [texts[i] for i in accepted]), strict=True))

            def answer(batch: Sequence[int]) -> list[Response | RequestRejected]:
                return self._answer(loaded, [requests[i] for i in batch], [readings[i] for i in batch])

            yield from answered_by_length(readings, answer, self._limits, rejections)
        rejections.raise_first()

    def close(self) -> None:
        """Frees the model's memory."""
        if self._loaded is not None:
            self._loaded = None
            free_memory()

    def _load(self) -> LoadedEncoder:
        if self._loaded is None:
            self._loaded = _load(self.spec)
        return self._loaded

    def _answer(
        self, loaded: LoadedEncoder, requests: Sequence[Request], readings: Sequence[Reading]
    ) -> list[Response | RequestRejected]:
        import numpy as np

        started = time.monotonic()
        with quietly():
            vectors = loaded.model.encode(
                [request.messages[0].content for request in requests],
                prompt=loaded.prompt,
                batch_size=len(requests),
                show_progress_bar=False,
                normalize_embeddings=self.spec.options.get("normalize", False),
                truncate_dim=self.spec.options.get("truncate_dim"),
            )
        seconds = time.monotonic() - started

        # Any: numpy's array of one row.
        def reply(request: Request, reading: Reading, vector: Any) -> Response | RequestRejected:
            if not np.isfinite(vector).all():
                return RequestRejected("a vector is not finite", hint="give the model `dtype: float32`")
            return Response(
                text="",
                finish_reason=reading.finish_reason,
                model=request.model.model + (f"@{loaded.commit}" if loaded.commit else ""),
                usage=reading.usage,
                created_at=utc_now(),
                latency_seconds=seconds,
                system_fingerprint=loaded.fingerprint,
                embedding=encoded_vector(vector),
            )

        return [reply(*each) for each in zip(requests, readings, vectors, strict=True)]


def _readings(loaded: LoadedEncoder, texts: Sequence[str]) -> list[Reading]:
    counts = _token_counts(loaded.model.tokenizer, [loaded.prompt + text for text in texts])
    return [Reading.of(count, loaded.model.max_seq_length) for count in counts]


# Any: the tokenizer of transformers, of the package tokenizers, or of sentence-transformers itself.
def _token_counts(tokenizer: Any, texts: Sequence[str]) -> list[int]:
    """Returns how many tokens each text has, whatever the model reads of them."""
    if callable(tokenizer):
        return [len(ids) for ids in tokenizer(list(texts), truncation=False, verbose=False)["input_ids"]]
    if hasattr(tokenizer, "encode_batch"):
        return [len(found.ids) for found in tokenizer.encode_batch(list(texts), add_special_tokens=False)]
    return [len(tokenizer.tokenize(text)) for text in texts]


def _load(spec: ModelSpec) -> LoadedEncoder:
    """Loads the model of a spec; no socket is opened where it is a folder.

    Raises:
        RequestRejected: The files are missing or wrong, do not fit into memory, or the options are not the model's.
    """
    import torch
    from safetensors import SafetensorError
    from sentence_transformers import SentenceTransformer

    is_folder = is_local_path(spec.model)
    path = str(Path(spec.model).expanduser()) if is_folder else spec.model
    if is_folder and not Path(path).is_dir():
        raise RequestRejected(f"the model folder {spec.model!r} is not there")
    try:
        with quietly():
            _require_modules(path, spec)
            model = SentenceTransformer(
                path,
                device=device_of(spec),
                revision=spec.revision,
                local_files_only=is_folder,
                model_kwargs={"dtype": spec.dtype or "auto"},
            )
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise RequestRejected(
            f"the model {spec.model!r} does not fit into memory", hint="give it a bigger device"
        ) from error
    # the kinds in which sentence-transformers, transformers and safetensors say that files are missing or wrong
    except (OSError, ValueError, KeyError, TypeError, ImportError, RuntimeError, SafetensorError) as error:
        raise RequestRejected(f"the model {spec.model!r} cannot be loaded: {one_line(str(error))}") from error
    _settle(model, spec)
    config = getattr(model.transformers_model, "config", None)
    return LoadedEncoder(model, _prompt(model, spec), getattr(config, "_commit_hash", None), _fingerprint(model))


def _require_modules(path: str, spec: ModelSpec) -> None:
    from transformers.utils import cached_file

    # sentence-transformers looks for a name without an owner among its own models
    place = path if "/" in path or Path(path).is_dir() else f"sentence-transformers/{path}"
    if not cached_file(place, MODULES, revision=spec.revision, _raise_exceptions_for_missing_entries=False):
        raise RequestRejected(
            f"{spec.model!r} is no embedding model of sentence-transformers: it has no {MODULES}",
            hint="give the folder or the id of a saved SentenceTransformer",
        )


# Any: the `SentenceTransformer`, here and below.
def _settle(model: Any, spec: ModelSpec) -> None:
    limit, own_limit = spec.options.get("max_seq_length"), model.max_seq_length
    if limit is not None:
        if own_limit is not None and limit > own_limit:
            raise RequestRejected(f"the model reads {own_limit} tokens, and 'max_seq_length' is {limit}")
        model.max_seq_length = limit
    wanted, dimensions = spec.options.get("truncate_dim"), model.get_embedding_dimension()
    if wanted is not None and dimensions is not None and wanted > dimensions:
        raise RequestRejected(f"the model's vectors have {dimensions} numbers, and 'truncate_dim' is {wanted}")


def _prompt(model: Any, spec: ModelSpec) -> str:
    """Returns what is put before each text: the given prompt, else the named one, else the model's own default."""
    given: str | None = spec.options.get("prompt")
    if given is not None:
        return given
    name = spec.options.get("prompt_name", model.default_prompt_name)
    if name is None:
        return ""
    if name not in model.prompts:
        raise RequestRejected(f"the model has no prompt {name!r}", hint=nearest(name, model.prompts))
    return str(model.prompts[name] or "")


def _fingerprint(model: Any) -> str:
    import sentence_transformers
    import torch
    import transformers

    dtype = str(next(model.parameters()).dtype).removeprefix("torch.")
    versions = f"sentence-transformers {sentence_transformers.__version__}, transformers {transformers.__version__}"
    return f"{versions}, torch {torch.__version__}, {dtype}, {model.device.type}"
