"""Turns model specs and requests into the arguments that vLLM takes, and what it hands back into plain values.

Contract: imports nothing of vLLM, so that it is tested where that cannot be installed. The names are those of
`vllm.LLM`, `vllm.SamplingParams` and `vllm.outputs` of version 0.33; a test holds them against vLLM's source.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dreamsmk.errors import RequestRejected
from dreamsmk.providers.local.sampling import request_seed
from dreamsmk.requests import Request
from dreamsmk.settings import ModelSpec

# Values of `Sampling` that vLLM has under the same name, with what it takes for off. `None` would be vLLM's default.
SAMPLING: dict[str, float | int] = {
    "top_p": 1.0,
    "top_k": 0,
    "min_p": 0.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "repetition_penalty": 1.0,
}
# Options that are handed to `vllm.LLM` as they are, with their types.
ENGINE_OPTIONS: dict[str, tuple[type, ...]] = {
    "max_model_len": (int,),
    "kv_cache_dtype": (str,),
    "hf_overrides": (dict,),
}
EXECUTION_OPTIONS: dict[str, tuple[type, ...]] = {
    "tensor_parallel_size": (int,),
    "pipeline_parallel_size": (int,),
    "gpu_memory_utilization": (float, int),
    "kv_cache_memory_bytes": (int,),
    "cpu_offload_gb": (float, int),
    "max_num_seqs": (int,),
    "max_num_batched_tokens": (int,),
    "enforce_eager": (bool,),
    "enable_prefix_caching": (bool,),
}
# The ranks that vLLM has kernels for (`vllm.config.lora.MaxLoRARanks`).
LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
# vLLM raises a lower temperature to this one.
LEAST_TEMPERATURE = 0.01


# Any: arguments of every type.
def engine_arguments(spec: ModelSpec, *, device_count: int, adapter: Path | None) -> dict[str, Any]:
    """Returns the arguments of `vllm.LLM`.

    Args:
        spec: The model spec.
        device_count: How many GPUs the job sees.
        adapter: The folder of its adapter.
    """
    options = {name: spec.options[name] for name in (*ENGINE_OPTIONS, *EXECUTION_OPTIONS) if name in spec.options}
    shares = options.get("pipeline_parallel_size", 1)
    arguments: dict[str, Any] = {
        "model": spec.model,
        "revision": spec.revision,
        "tokenizer_revision": spec.revision,
        "dtype": spec.dtype or "auto",
        "quantization": spec.quantization,
        "tensor_parallel_size": max(1, device_count // shares),
        # the defaults of the model's generation config stand in no key
        "generation_config": "vllm",
        "seed": 0,
    }
    if adapter is not None:
        arguments |= {"enable_lora": True, "max_loras": 1, "max_lora_rank": lora_rank(adapter)}
        # an adapter that was trained with a tokenizer of its own is asked through that
        if (adapter / "tokenizer_config.json").is_file():
            arguments |= {"tokenizer": str(adapter), "tokenizer_revision": None}
    return arguments | options


def lora_rank(adapter: Path) -> int:
    """Returns the least rank that vLLM has kernels for and the adapter fits into.

    Raises:
        RequestRejected: The folder holds no LoRA adapter, or one of a higher rank.
    """
    try:
        config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
        rank = max([int(config["r"]), *(int(other) for other in (config.get("rank_pattern") or {}).values())])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RequestRejected("the adapter is no LoRA adapter", where=str(adapter)) from error
    fitting = next((each for each in LORA_RANKS if each >= rank), None)
    if fitting is None:
        raise RequestRejected(f"the adapter has the rank {rank}, and vLLM takes {LORA_RANKS[-1]} at most")
    return fitting


# Any: arguments of every type.
def sampling_arguments(request: Request) -> dict[str, Any]:
    """Returns the arguments of `vllm.SamplingParams`, without the JSON Schema.

    Raises:
        RequestRejected: The temperature is one that vLLM would silently change.
    """
    sampling = request.sampling
    temperature = float(sampling.temperature or 0)
    if 0 < temperature < LEAST_TEMPERATURE:
        raise RequestRejected(
            f"vLLM takes no temperature between 0 and {LEAST_TEMPERATURE}, and it is {temperature}", hint="take 0"
        )
    arguments: dict[str, Any] = {"n": 1, "temperature": temperature}
    for name, off in SAMPLING.items():
        value = getattr(sampling, name)
        arguments[name] = off if value is None else value
    arguments |= {
        # a generator takes 63 bits, and -1 would mean none
        "seed": request_seed(request) >> 1,
        "max_tokens": sampling.max_tokens,  # None: what the context leaves
        "stop": list(sampling.stop),
        "logprobs": sampling.logprobs,
        "skip_special_tokens": True,
        # as transformers decodes, and as our other local models do
        "spaces_between_special_tokens": False,
    }
    return arguments


# Any: a JSON Schema.
def plain_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a schema as the dict of dicts and lists that vLLM wants."""
    plain: dict[str, Any] = json.loads(json.dumps(schema, default=dict))
    return plain


# Any: `vllm.logprobs.Logprob`, and JSON.
def told_logprobs(
    token_ids: Sequence[int], positions: Sequence[Mapping[int, Any]], *, count: int, text: str
) -> tuple[Mapping[str, Any], ...]:
    """Returns what is told of the tokens of a text.

    Args:
        token_ids: The new tokens, with those of the end or of a stop text.
        positions: For each of them, what vLLM tells of it and of the most likely ones, by token.
        count: How many of the most likely ones are wanted.
        text: The reply's text; the tokens after it are left out.
    """
    told = []
    characters = 0
    for token, known in zip(token_ids, positions, strict=True):
        if characters >= len(text):
            break
        top = sorted(known.values(), key=lambda each: each.rank)[:count]
        told.append(_told(known[token]) | {"top": [_told(each) for each in top]})
        characters += len(known[token].decoded_token or "")
    return tuple(told)


# Any: as above.
def _told(one: Any) -> dict[str, Any]:
    return {"token": one.decoded_token or "", "logprob": float(one.logprob)}
