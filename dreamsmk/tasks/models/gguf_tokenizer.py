"""A tokenizer as a GGUF file holds it.

Contract: llama.cpp splits texts by rules of its own, which a file only names. A tokenizer whose rules are not known
here by their very text is refused: a near miss would split some texts otherwise, and say nothing.
"""

from __future__ import annotations

import json
import re
from typing import Any

from dreamsmk.errors import SettingsError

_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|DIGITS| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


# Any (in this file): JSON; the gguf package and transformers publish no types.
def _bytes(*, use_regex: bool) -> dict[str, Any]:
    return {"type": "ByteLevel", "add_prefix_space": False, "use_regex": use_regex}


def _split(digits: str) -> dict[str, Any]:
    pattern = {"Regex": _WORDS.replace("DIGITS", digits)}
    return {"type": "Split", "pattern": pattern, "behavior": "Isolated", "invert": False}


# The names are llama.cpp's (`llama_vocab_pre_type`), the rules those of the models that it named them after.
RULES: dict[str, list[dict[str, Any]]] = {
    "gpt-2": [_bytes(use_regex=True)],
    "smollm": [{"type": "Digits", "individual_digits": True}, _bytes(use_regex=True)],
    "llama-bpe": [_split(r"\p{N}{1,3}"), _bytes(use_regex=False)],
    "qwen2": [_split(r"\p{N}"), _bytes(use_regex=False)],
}

# Marks what an assistant wrote, for trainers; other readers of templates do not know it.
_GENERATION = re.compile(r"\{%-?\s*(?:end)?generation\s*-?%\}")


def add_tokenizer(writer: Any, tokenizer: Any, size: int, where: str) -> None:
    """Writes a tokenizer into a GGUF file.

    Args:
        writer: A `gguf.GGUFWriter`.
        tokenizer: A fast tokenizer of transformers.
        size: How many tokens the model has embeddings for.
        where: What to name in errors.

    Raises:
        SettingsError: It is no byte-level BPE, or splits texts in a way that has no name in llama.cpp.
    """
    import gguf

    described = json.loads(tokenizer.backend_tokenizer.to_str())
    model = described["model"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(_rules_of(described, where))
    texts = {index: text for text, index in model["vocab"].items()}
    types = dict.fromkeys(texts, gguf.TokenType.NORMAL)
    for token in described["added_tokens"]:
        texts[token["id"]] = token["content"]
        types[token["id"]] = gguf.TokenType.CONTROL if token["special"] else gguf.TokenType.USER_DEFINED
    writer.add_token_list([texts.get(index, f"[PAD{index}]") for index in range(size)])
    writer.add_token_types([types.get(index, gguf.TokenType.UNUSED) for index in range(size)])
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]])
    _add_special(writer, tokenizer)


def split_by(reading: Any, tokenizer: Any, text: str) -> list[int]:
    """Returns the tokens of a text by the vocabulary and the merges of `reading` and the rules of `tokenizer`.

    transformers reads vocabulary and merges out of a GGUF file, and not by which rules words are told apart.
    """
    from tokenizers import Tokenizer

    found = json.loads(reading.backend_tokenizer.to_str())
    own = json.loads(tokenizer.backend_tokenizer.to_str())
    found |= {name: own[name] for name in ("normalizer", "pre_tokenizer", "post_processor")}
    found["model"]["ignore_merges"] = own["model"].get("ignore_merges", False)
    ids: list[int] = Tokenizer.from_str(json.dumps(found)).encode(text, add_special_tokens=False).ids
    return ids


def _rules_of(described: dict[str, Any], where: str) -> str:
    """Returns llama.cpp's name of the rules by which a tokenizer splits texts."""
    before = described["pre_tokenizer"] or {}
    found = before.get("pretokenizers", [before])
    rules = [{key: value for key, value in rule.items() if key != "trim_offsets"} for rule in found]
    name = next((name for name, known in RULES.items() if known == rules), None)
    # Qwen's tokenizers normalize texts to NFC, and llama.cpp, as for all of them, leaves that to whoever asks
    normalizer = (described["normalizer"] or {}).get("type")
    is_known = normalizer is None or (name == "qwen2" and normalizer == "NFC")
    ignores = described["model"].get("ignore_merges", False)
    if described["model"]["type"] != "BPE" or name is None or not is_known or ignores != (name == "llama-bpe"):
        raise SettingsError(
            "the tokenizer splits texts in a way that GGUF has no name for here",
            where=where,
            hint="the byte-level tokenizers of GPT-2, SmolLM, Llama 3 and Qwen 2 and 3 are known; else llama.cpp's own "
            "converter may do",
        )
    return name


def _add_special(writer: Any, tokenizer: Any) -> None:
    for name in ("bos", "eos", "pad", "unk"):
        index = getattr(tokenizer, f"{name}_token_id")
        if index is not None:
            getattr(writer, f"add_{name}_token_id")(index)
    ids = tokenizer("a")["input_ids"]
    writer.add_add_bos_token(ids[0] == tokenizer.bos_token_id)
    writer.add_add_eos_token(ids[-1] == tokenizer.eos_token_id)
    if isinstance(tokenizer.chat_template, str):
        writer.add_chat_template(_GENERATION.sub("", tokenizer.chat_template))
