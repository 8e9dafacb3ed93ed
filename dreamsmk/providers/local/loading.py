"""Loads a causal or a sequence-to-sequence language model with its tokenizer, adapter and quantization.

Contract: what is loaded answers as the model spec says, or not at all: weights that the files lack are an error here,
not random numbers; an adapter in the place of a model is an error, because its base model would be in no fingerprint.
Which of the two kinds a model is of is told by its own config.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dreamsmk.errors import RequestRejected
from dreamsmk.providers.http_status import one_line
from dreamsmk.providers.local.quantization import dtype_of, quantization_config
from dreamsmk.providers.local.quiet import quietly
from dreamsmk.settings import ModelSpec

# A tokenizer without a limit says so with a number of this size.
NO_LIMIT = 10**9
# What would make greedy search anything else; sampling is done by our own processors.
PLAIN_SEARCH = {
    "do_sample": False,
    "temperature": None,
    "top_k": None,
    "top_p": None,
    "min_p": None,
    "typical_p": None,
    "num_beams": 1,
    "num_return_sequences": 1,
    "max_length": None,
    "max_new_tokens": None,
    "max_time": None,
    "stop_strings": None,
    "return_dict_in_generate": False,
    "use_cache": True,
}


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model in memory.

    Attributes:
        model: The `PreTrainedModel`, or the `PeftModel` around it.
        tokenizer: Its tokenizer.
        context: The most tokens of prompt and reply together (of either alone, for a sequence-to-sequence model); None
            where neither model nor tokenizer has a limit.
        eos_ids: The tokens that end a reply.
        pad_id: The token that prompts are padded with.
        commit: The commit of the weights, for models from the Hub.
        fingerprint: Library versions, number format and device, for `Response.system_fingerprint`.
        is_encoder_decoder: Whether it is a sequence-to-sequence model.
        reply_room: The most tokens of a sequence-to-sequence model's reply, where it has a limit.
        has_virtual_tokens: Whether its adapter puts tokens before the prompt that are in no text.
    """

    # Any: the classes of transformers are not typed for mypy.
    model: Any
    tokenizer: Any
    context: int | None
    eos_ids: tuple[int, ...]
    pad_id: int
    commit: str | None
    fingerprint: str
    is_encoder_decoder: bool = False
    reply_room: int | None = None
    has_virtual_tokens: bool = False

    @property
    def width(self) -> int:
        """Entries of the model's logits."""
        width: int = self.model.config.get_text_config().vocab_size
        return width


def load_model(spec: ModelSpec) -> LoadedModel:
    """Loads the model of a spec onto its device; see `device_of`.

    Raises:
        RequestRejected: The files are missing, incomplete, or do not fit into memory.
        SettingsError: The device cannot run the quantization.
    """
    import torch
    from safetensors import SafetensorError

    device = device_of(spec)
    quantization = None if spec.quantization is None else quantization_config(spec.quantization, device)
    try:
        with quietly():
            _refuse_adapter(spec)
            tokenizer = load_tokenizer(spec)
            model = _load_weights(spec, device, quantization)
            eos_ids, pad_id = _settle_generation(model, tokenizer)
            if spec.adapter is not None:
                from peft import PeftModel

                model = PeftModel.from_pretrained(model, spec.adapter, is_trainable=False)
            model.eval()
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise RequestRejected(
            f"the model {spec.model!r} does not fit into memory", hint="give it a quantization or a bigger device"
        ) from error
    # the kinds in which transformers, peft and safetensors say that files are missing or wrong
    except (OSError, ValueError, KeyError, TypeError, ImportError, RuntimeError, SafetensorError) as error:
        raise RequestRejected(f"the model {spec.model!r} cannot be loaded: {one_line(str(error))}") from error
    return LoadedModel(
        model=model,
        tokenizer=tokenizer,
        context=context_of(model.config, tokenizer),
        eos_ids=eos_ids,
        pad_id=pad_id,
        commit=getattr(model.config, "_commit_hash", None),
        fingerprint=_fingerprint(model),
        is_encoder_decoder=bool(model.config.is_encoder_decoder),
        reply_room=_reply_room(model),
        has_virtual_tokens=any(config.is_prompt_learning for config in getattr(model, "peft_config", {}).values()),
    )


def device_of(spec: ModelSpec) -> str:
    """Returns the device of a spec: the one it names, else the GPU where there is one, else the CPU."""
    import torch

    return spec.device or ("cuda" if torch.cuda.is_available() else "cpu")


def _refuse_adapter(spec: ModelSpec) -> None:
    # transformers would load the base model that the adapter names
    if _has_file(spec.model, "adapter_config.json", revision=spec.revision):
        raise RequestRejected(
            f"{spec.model!r} is an adapter", hint="give its base model as `model`, and this as `adapter`"
        )


def _has_file(model: str, name: str, *, revision: str | None = None) -> bool:
    from transformers.utils import cached_file

    return bool(cached_file(model, name, revision=revision, _raise_exceptions_for_missing_entries=False))


# Any: transformers' tokenizer.
def load_tokenizer(spec: ModelSpec) -> Any:
    """Returns the tokenizer that a model is asked through."""
    from transformers import AutoTokenizer

    # an adapter that was trained with a tokenizer of its own (new chat template, new tokens) is asked through that
    if spec.adapter is not None and _has_file(spec.adapter, "tokenizer_config.json"):
        return AutoTokenizer.from_pretrained(spec.adapter, padding_side="left")
    return AutoTokenizer.from_pretrained(spec.model, revision=spec.revision or "main", padding_side="left")


# Any: a model, and the quantization of transformers.
def _load_weights(spec: ModelSpec, device: str, quantization: Any) -> Any:
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM

    revision = spec.revision or "main"
    is_encoder_decoder = AutoConfig.from_pretrained(spec.model, revision=revision).is_encoder_decoder
    kind = AutoModelForSeq2SeqLM if is_encoder_decoder else AutoModelForCausalLM
    placed = device == "auto" or quantization is not None
    # Any: arguments of every type.
    given: dict[str, Any] = {"revision": revision, "dtype": dtype_of(spec.quantization, spec.dtype)}
    if quantization is not None:
        given["quantization_config"] = quantization
    if placed:
        given["device_map"] = "auto" if device == "auto" else {"": device}
    model, loading = kind.from_pretrained(spec.model, output_loading_info=True, **given)
    if loading["missing_keys"]:
        missing = sorted(loading["missing_keys"])
        wanted = "sequence-to-sequence" if is_encoder_decoder else "causal"
        raise RequestRejected(
            f"the model {spec.model!r} lacks {len(missing)} weights of a {wanted} language model, {missing[0]} first"
        )
    return model if placed else model.to(device)


def _settle_generation(model: Any, tokenizer: Any) -> tuple[tuple[int, ...], int]:
    """Makes `generate` a plain greedy search, and returns the tokens that end a reply and the one to pad with.

    What else the model's own generation config says (a repetition penalty, suppressed tokens) stays.
    """
    config = model.generation_config
    for name, value in PLAIN_SEARCH.items():
        setattr(config, name, value)
    own = config.eos_token_id
    ids = list(own) if isinstance(own, list | tuple) else [own]
    eos_ids = tuple(dict.fromkeys(i for i in [*ids, tokenizer.eos_token_id] if i is not None))
    pad_id = next(i for i in (tokenizer.pad_token_id, config.pad_token_id, *eos_ids, 0) if i is not None)
    config.eos_token_id = list(eos_ids) or None
    config.pad_token_id = pad_id
    return eos_ids, pad_id


# Any: a model's config and its tokenizer.
def context_of(config: Any, tokenizer: Any) -> int | None:
    """Returns the most tokens that a model reads; None where neither the model nor the tokenizer has a limit."""
    # the tokenizer's limit is often one that nobody set, so that the model's own goes first
    limits = (_positions(config), tokenizer.model_max_length)
    return next((limit for limit in limits if limit is not None and 0 < limit < NO_LIMIT), None)


# Any: as above. T5 tells positions by their distance, has no limit of its own, and answers at any length.
def _reply_room(model: Any) -> int | None:
    positions = _positions(model.config)
    return None if positions is None or not model.config.is_encoder_decoder else positions - 1


# Any: as above.
def _positions(config: Any) -> int | None:
    limit: int | None = getattr(config.get_text_config(), "max_position_embeddings", None)
    return limit


def _fingerprint(model: Any) -> str:
    import torch
    import transformers

    dtype = str(model.dtype).removeprefix("torch.")
    return f"transformers {transformers.__version__}, torch {torch.__version__}, {dtype}, {model.device.type}"
