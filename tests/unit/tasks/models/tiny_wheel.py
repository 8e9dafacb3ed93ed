"""A tiny model as a GGUF file, and a wheel that holds it: what pip finds in a folder in place of a registry."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any


def write_gguf(path: Path, model: Path) -> Path:
    """Writes a tiny Llama folder as a GGUF file of 32-bit floats, the way llama.cpp converts it."""
    import gguf
    from transformers import AutoModelForCausalLM, AutoTokenizer

    llama, tokenizer = AutoModelForCausalLM.from_pretrained(model), AutoTokenizer.from_pretrained(model)
    config = llama.config
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_embedding_length(config.hidden_size)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(10000.0)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    _add_tokenizer(writer, tokenizer, json.loads((model / "tokenizer.json").read_text(encoding="utf-8"))["model"])
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    for name, tensor in llama.state_dict().items():
        if name == "lm_head.weight":
            continue  # tied to the embeddings
        values = tensor.numpy()
        for part, heads in (("q_proj", config.num_attention_heads), ("k_proj", config.num_key_value_heads)):
            if part in name:
                values = _interleaved(values, heads)
        writer.add_tensor(names.get_name(name, try_suffixes=(".weight",)), values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


# Any: gguf, transformers and numpy objects.
def _add_tokenizer(writer: Any, tokenizer: Any, bpe: dict[str, Any]) -> None:
    import gguf

    pieces = [piece for piece, _ in sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])]
    special = set(tokenizer.all_special_tokens)
    kinds = [gguf.TokenType.CONTROL if piece in special else gguf.TokenType.NORMAL for piece in pieces]
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(pieces)
    writer.add_token_types(kinds)
    writer.add_token_merges([" ".join(merge) for merge in bpe["merges"]])
    writer.add_bos_token_id(tokenizer.bos_token_id)
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_pad_token_id(tokenizer.pad_token_id)
    writer.add_unk_token_id(tokenizer.unk_token_id)
    writer.add_chat_template(tokenizer.chat_template)


# Any: numpy arrays.
def _interleaved(values: Any, heads: int) -> Any:
    return values.reshape(heads, 2, -1, values.shape[1]).swapaxes(1, 2).reshape(values.shape)


def write_wheel(folder: Path, members: dict[str, bytes], *, package: str = "tiny-model", version: str = "1.0") -> Path:
    """Writes a wheel with some files into a folder that pip can be pointed at."""
    stem = f"{package.replace('-', '_')}-{version}"
    metadata = f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\nRequires-Dist: not-to-be-downloaded\n"
    tag = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files = {**members, f"{stem}.dist-info/METADATA": metadata.encode(), f"{stem}.dist-info/WHEEL": tag.encode()}
    files[f"{stem}.dist-info/RECORD"] = "".join(f"{name},,\n" for name in files).encode()
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return wheel
