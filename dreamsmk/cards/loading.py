"""The snippet of a card that loads its targets."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from dreamsmk.cards.description import NOT_STATED
from dreamsmk.cards.front_matter import base_models, has_adapter, is_hub_id, origin


# Any: JSON.
def loading_snippet(card: Mapping[str, Any]) -> str:
    """Returns Python code that loads the targets of a card."""
    if card["kind"] == "model":
        return _adapter(card) if has_adapter(card) else _model(card)
    return _data(card)


# Any: JSON.
def _data(card: Mapping[str, Any]) -> str:
    if card["stated"]["repo_id"] != NOT_STATED:
        return f"from datasets import load_dataset\n\n{_variable(card['title'])} = load_dataset({_repo(card)})"
    tables = [target["path"] for target in card["targets"] if target["path"].endswith(".parquet")]
    if not tables:
        return "\n".join(["from pathlib import Path", ""] + [f"Path({_text(t['path'])})" for t in card["targets"]])
    lines = ["import polars as pl", ""]
    lines += [f"{_variable(PurePosixPath(path).stem)} = pl.read_parquet({_text(path)})" for path in tables]
    files = {_variable(PurePosixPath(path).stem): path for path in tables}
    splits = ", ".join(f"{_text(name)}: {_text(path)}" for name, path in files.items())
    lines += ["", "# or with the datasets library", "from datasets import load_dataset", ""]
    return "\n".join([*lines, f'dataset = load_dataset("parquet", data_files={{{splits}}})'])


# Any: JSON.
def _model(card: Mapping[str, Any]) -> str:
    where = _where(card)
    return f"""from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained({where})
model = AutoModelForCausalLM.from_pretrained({where})
{_ASK}"""


# Any: JSON.
def _adapter(card: Mapping[str, Any]) -> str:
    bases = base_models(card)
    first = bases[0] if bases else None
    base = origin(card, first)["name"] if first else ""
    if first and not (is_hub_id(base, first["path"]) and card["stated"]["repo_id"] != NOT_STATED):
        base = first["path"] or first["name"]
    where = _where(card)
    return f"""from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained({where})
base = AutoModelForCausalLM.from_pretrained({_text(base or "the base model")})
model = PeftModel.from_pretrained(base, {where})
{_ASK}"""


_ASK = """
messages = [{"role": "user", "content": "…"}]
inputs = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)
reply = model.generate(**inputs, max_new_tokens=100)
print(tokenizer.decode(reply[0][inputs["input_ids"].shape[1]:], skip_special_tokens=True))"""


# Any: JSON.
def _where(card: Mapping[str, Any]) -> str:
    return _repo(card) if card["stated"]["repo_id"] != NOT_STATED else _text(card["targets"][0]["path"])


# Any: JSON.
def _repo(card: Mapping[str, Any]) -> str:
    return _text(card["stated"]["repo_id"])


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _variable(name: str) -> str:
    words = re.sub(r"\W+", "_", name.lower()).strip("_")
    return words if words and not words[0].isdigit() else f"table_{words}".rstrip("_")
