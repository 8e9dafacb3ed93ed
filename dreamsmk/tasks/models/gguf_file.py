"""Writes a language model as a GGUF file, for llama.cpp and what is built on it.

Contract: the file holds what the model does: transformers reads its weights and its tokenizer back, splits a text and
asks for the same logits before it is handed over. An architecture, a kind of positions or a tokenizer that is not known
to survive is refused; that llama.cpp answers as transformers does from those that are known is tested.
"""

from __future__ import annotations

import contextlib
import copy
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dreamsmk.errors import MissingExtra, SettingsError, StoreError
from dreamsmk.providers.http_status import one_line
from dreamsmk.tasks.models.gguf_tokenizer import add_tokenizer, split_by
from dreamsmk.tasks.models.local_model import LocalModel
from dreamsmk.tasks.models.probe import answers, distance

FORMATS = ("gguf-f32", "gguf-f16", "gguf-q8_0")
NAME = "model.gguf"

_ARCHITECTURES = {"LlamaForCausalLM": "LLAMA", "Qwen2ForCausalLM": "QWEN2", "Qwen3ForCausalLM": "QWEN3"}
"""gguf's names of architectures by those of transformers."""

_TEXT = "The quick brown fox jumps over the lazy dog. 12 + 3045 = 3057, isn't it?\n\ndef f(x):\n    return  x  # é 日本"
_TOLERANCE = {"gguf-f32": 1e-3, "gguf-f16": 0.01, "gguf-q8_0": 0.2}
"""The most that answers may be off, as a part of them."""


# Any (in this file): the gguf package, transformers, numpy and torch publish no types.
def write_gguf(path: Path, model: Any, tokenizer: Any, base: LocalModel, method: str) -> float:
    """Writes a model as a GGUF file.

    Args:
        path: The file to write.
        model: A language model in 32-bit floats, on the CPU.
        tokenizer: Its tokenizer.
        base: Where it is from, for errors.
        method: One of `FORMATS`.

    Returns:
        How far its answers are off, as a part of them.

    Raises:
        SettingsError: The model or its tokenizer cannot be written so.
        StoreError: The file answers otherwise than the model.
    """
    try:
        import gguf
    except ImportError as exc:
        raise MissingExtra("gguf", "transformers") from exc
    architecture = _architecture(model.config, base)
    writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[architecture])
    _add_shape(writer, model.config, method)
    add_tokenizer(writer, tokenizer, model.config.vocab_size, base.where)
    for name, weights in _tensors(model, architecture, base):
        kind = _kind(weights, method)
        writer.add_tensor(name, gguf.quants.quantize(weights, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return _check_written(path, model, tokenizer, base, method)


def _architecture(config: Any, base: LocalModel) -> Any:
    import gguf

    name = _ARCHITECTURES.get((config.architectures or [""])[0])
    positions = getattr(config, "rope_parameters", None) or {}
    if name is None or positions.get("rope_type", "default") != "default":
        found = positions["rope_type"] if name else ", ".join(config.architectures or [config.model_type])
        raise SettingsError(
            f"a model with {found} is not written as GGUF here",
            where=base.where,
            hint=f"{', '.join(_ARCHITECTURES)} with plain rotary positions are; else llama.cpp's own converter may do",
        )
    return gguf.MODEL_ARCH[name]


def _add_shape(writer: Any, config: Any, method: str) -> None:
    import gguf

    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    types = {"gguf-f32": "ALL_F32", "gguf-f16": "MOSTLY_F16", "gguf-q8_0": "MOSTLY_Q8_0"}
    writer.add_file_type(gguf.LlamaFileType[types[method]])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(width)
    writer.add_value_length(width)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(width)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_vocab_size(config.vocab_size)


def _tensors(model: Any, architecture: Any, base: LocalModel) -> Iterator[tuple[str, Any]]:
    """Yields the weights under llama.cpp's names, in its layout."""
    import gguf

    config = model.config
    names = gguf.get_tensor_name_map(architecture, config.num_hidden_layers)
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    is_tied = config.tie_word_embeddings
    for name, weights in model.state_dict().items():
        if is_tied and name == "lm_head.weight":
            continue
        known = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if known is None:
            raise SettingsError(f"GGUF has no name for the weights {name}", where=base.where)
        values = weights.float().numpy()
        count = next((n for part, n in heads.items() if part in name), None)
        is_turned = architecture == gguf.MODEL_ARCH.LLAMA and count is not None
        yield known, _interleaved(values, count) if is_turned else values


def _interleaved(weights: Any, heads: int | None) -> Any:
    """Returns weights in the order in which llama.cpp's llama turns positions: pairs beside each other, not halves."""
    rows, *rest = weights.shape
    return weights.reshape(heads, 2, rows // heads // 2, *rest).swapaxes(1, 2).reshape(weights.shape)


def _kind(weights: Any, method: str) -> Any:
    """Returns the number format of a tensor: vectors stay as they are, and rows that make no blocks are halved."""
    import gguf

    kinds = gguf.GGMLQuantizationType
    if method == "gguf-f32" or weights.ndim == 1:
        return kinds.F32
    is_block = weights.shape[-1] % gguf.GGML_QUANT_SIZES[kinds.Q8_0][0] == 0
    return kinds.Q8_0 if method == "gguf-q8_0" and is_block else kinds.F16


def _check_written(path: Path, model: Any, tokenizer: Any, base: LocalModel, method: str) -> float:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    at = {"pretrained_model_name_or_path": str(path.parent), "gguf_file": path.name}
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # its progress bar heeds no setting
            # with the model's own configuration: transformers 5.23 misreads some (the base of Qwen's positions)
            config = copy.deepcopy(model.config)
            written = AutoModelForCausalLM.from_pretrained(**at, config=config, dtype=torch.float32).eval()
            reading = AutoTokenizer.from_pretrained(**at)
    except (ValueError, KeyError, RuntimeError, NotImplementedError) as exc:
        raise StoreError(
            f"the GGUF file cannot be read back: {one_line(str(exc))}", where=base.where, hint="take another method"
        ) from exc
    if split_by(reading, tokenizer, _TEXT) != tokenizer(_TEXT, add_special_tokens=False)["input_ids"]:
        raise StoreError("the tokenizer that was written splits text otherwise than the model's", where=base.where)
    error = distance(answers(written), answers(model))
    if not error <= _TOLERANCE[method]:
        raise StoreError(
            f"the GGUF file answers otherwise than the model: off by {error:.2g} of the answers' size", where=base.where
        )
    return error
