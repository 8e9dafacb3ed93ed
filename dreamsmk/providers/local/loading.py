"""Loads a causal language model with its tokenizer, adapter and quantization.

Contract: what is loaded answers as the model spec says, or not at all: weights that the files lack are an error here,
not random numbers; an adapter in the place of a model is an error, because its base model would be in no fingerprint.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dreamsmk.errors import RequestRejected, SettingsError
from dreamsmk.providers.http_status import one_line
from dreamsmk.providers.local.quiet import quietly
from dreamsmk.settings import ModelSpec

QUANTIZATIONS = ("bnb-4bit", "bnb-8bit")
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
        context: The most tokens of prompt and reply together; None where neither model nor tokenizer has a limit.
        eos_ids: The tokens that end a reply.
        pad_id: The token that prompts are padded with.
        commit: The commit of the weights, for models from the Hub.
        fingerprint: Library versions, number format and device, for `Response.system_fingerprint`.
    """

    # Any: the classes of transformers are not typed for mypy.
    model: Any
    tokenizer: Any
    context: int | None
    eos_ids: tuple[int, ...]
    pad_id: int
    commit: str | None
    fingerprint: str


def load_model(spec: ModelSpec) -> LoadedModel:
    """Loads the model of a spec onto its device: `spec.device`, else the GPU where there is one, else the CPU.

    Raises:
        RequestRejected: The files are missing, incomplete, or do not fit into memory.
        SettingsError: Quantization without a GPU.
    """
    import torch
    from safetensors import SafetensorError

    device = spec.device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        with quietly():
            _refuse_adapter(spec)
            tokenizer = _load_tokenizer(spec)
            model = _load_weights(spec, device)
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
        context=_context(model, tokenizer),
        eos_ids=eos_ids,
        pad_id=pad_id,
        commit=getattr(model.config, "_commit_hash", None),
        fingerprint=_fingerprint(model),
    )


def check_quantization(spec: ModelSpec) -> None:
    """Raises `SettingsError` for a scheme that there is not, or whose package is not installed; imports nothing."""
    import importlib.util

    if spec.quantization is None:
        return
    if spec.quantization not in QUANTIZATIONS:
        raise SettingsError(
            f"there is no quantization {spec.quantization!r}", hint=f"choose one of: {', '.join(QUANTIZATIONS)}"
        )
    if importlib.util.find_spec("bitsandbytes") is None:
        raise SettingsError(
            f"the quantization {spec.quantization!r} needs the package 'bitsandbytes'",
            hint="pip install bitsandbytes, or leave the quantization out",
        )


def quantization_config(scheme: str, device: str) -> Any:
    """Returns transformers' configuration of a quantization scheme.

    Raises:
        SettingsError: The device is no CUDA GPU.
    """
    import torch
    from transformers import BitsAndBytesConfig

    if not device.startswith(("cuda", "auto")) or not torch.cuda.is_available():
        raise SettingsError(
            f"the quantization {scheme!r} needs a CUDA GPU, and the device is {device!r}",
            hint="leave the quantization out, or give the rule a GPU",
        )
    if scheme == "bnb-8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16)


def _refuse_adapter(spec: ModelSpec) -> None:
    # transformers would load the base model that the adapter names
    if _has_file(spec.model, "adapter_config.json", revision=spec.revision):
        raise RequestRejected(
            f"{spec.model!r} is an adapter", hint="give its base model as `model`, and this as `adapter`"
        )


def _has_file(model: str, name: str, *, revision: str | None = None) -> bool:
    from transformers.utils import cached_file

    return bool(cached_file(model, name, revision=revision, _raise_exceptions_for_missing_entries=False))


def _load_tokenizer(spec: ModelSpec) -> Any:
    from transformers import AutoTokenizer

    # an adapter that was trained with a tokenizer of its own (new chat template, new tokens) is asked through that
    if spec.adapter is not None and _has_file(spec.adapter, "tokenizer_config.json"):
        return AutoTokenizer.from_pretrained(spec.adapter, padding_side="left")
    return AutoTokenizer.from_pretrained(spec.model, revision=spec.revision or "main", padding_side="left")


def _load_weights(spec: ModelSpec, device: str) -> Any:
    from transformers import AutoModelForCausalLM

    placed = device == "auto" or spec.quantization is not None
    # Any: arguments of every type.
    given: dict[str, Any] = {"revision": spec.revision or "main", "dtype": spec.dtype or "auto"}
    if spec.quantization is not None:
        given["quantization_config"] = quantization_config(spec.quantization, device)
    if placed:
        given["device_map"] = "auto" if device == "auto" else {"": device}
    model, loading = AutoModelForCausalLM.from_pretrained(spec.model, output_loading_info=True, **given)
    if loading["missing_keys"]:
        missing = sorted(loading["missing_keys"])
        raise RequestRejected(
            f"the model {spec.model!r} lacks {len(missing)} weights of a causal language model, {missing[0]} first"
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


def _context(model: Any, tokenizer: Any) -> int | None:
    # the tokenizer's limit is often one that nobody set, so that the model's own goes first
    limits = (getattr(model.config.get_text_config(), "max_position_embeddings", None), tokenizer.model_max_length)
    return next((limit for limit in limits if limit is not None and 0 < limit < NO_LIMIT), None)


def _fingerprint(model: Any) -> str:
    import torch
    import transformers

    dtype = str(model.dtype).removeprefix("torch.")
    return f"transformers {transformers.__version__}, torch {torch.__version__}, {dtype}, {model.device.type}"
