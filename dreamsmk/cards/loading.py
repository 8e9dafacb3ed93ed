"""The snippet of a card that loads its targets.

Contract: it runs as it stands where the target lies or, once that is published, anywhere; `…` is the reader's own text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from dreamsmk.cards.description import NOT_STATED
from dreamsmk.tasks.prompting.layout import process_prompt

_AUTO_CLASSES = {
    "causal": "AutoModelForCausalLM",
    "seq2seq": "AutoModelForSeq2SeqLM",
    "classifier": "AutoModelForSequenceClassification",
    "reward": "AutoModelForSequenceClassification",
}


# Any (in this file): JSON of a card.
def loading_snippet(card: Mapping[str, Any]) -> str:
    """Returns Python code that loads the targets of a card."""
    model = card["model"]
    if model is None:
        return _data(card)
    if model["service"]:
        return _SERVICE.format(name=_text(model["service"]["model"]), messages=_messages(card))
    if model["file"]:
        return _gguf(card)
    if model["kind"] == "embedding":
        return _embedding(card)
    if model["kind"] == "setfit":
        return _SETFIT.format(where=_where(card))
    return _transformers(card)


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


def _transformers(card: Mapping[str, Any]) -> str:
    model, where = card["model"], _where(card)
    kind = _AUTO_CLASSES.get(model["kind"], "AutoModel")
    # the labels of a head that an adapter brings stand in the configuration beside it
    has_head = model["adapter"] is not None and model["kind"] in ("classifier", "reward")
    names = sorted([*(["AutoConfig"] if has_head else []), kind, "AutoTokenizer"])
    lines = [f"from transformers import {', '.join(names)}", "", f"tokenizer = AutoTokenizer.from_pretrained({where})"]
    if model["adapter"] is None:
        lines.append(f"model = {kind}.from_pretrained({where})")
    else:
        lines.insert(0, "from peft import PeftModel")
        lines += [f"config = AutoConfig.from_pretrained({where})"] if has_head else []
        given = f"{_base(card)}{', config=config' if has_head else ''}"
        lines += [f"base = {kind}.from_pretrained({given})", f"model = PeftModel.from_pretrained(base, {where})"]
    return "\n".join(lines) + _asking(card)


def _asking(card: Mapping[str, Any]) -> str:
    model = card["model"]
    kind, is_chat = model["kind"], model["is_chat"] is not False
    if kind == "classifier":
        return _MULTI_LABEL if model["is_multi_label"] else _LABEL
    if kind == "reward":
        pair = '"…", "…"' if model["reads_pairs"] else '"…" + "…" + tokenizer.eos_token'
        return _REWARD_CHAT.format(messages=_messages(card, "…")) if is_chat else _REWARD.format(pair=pair)
    if kind not in ("causal", "seq2seq"):
        return ""
    written = "reply[0]" if kind == "seq2seq" else 'reply[0][inputs["input_ids"].shape[1]:]'
    asked = _CHAT.format(messages=_messages(card)) if is_chat else _PLAIN.format(text=_text(_prompt(card)))
    return asked + _GENERATE.format(written=written)


def _messages(card: Mapping[str, Any], *replies: str) -> str:
    """Returns the chat that a model is asked with, as Python."""
    system = _layout(card).get("system_prompt")
    chat = [("system", system)] if system else []
    chat += [("user", _prompt(card)), *(("assistant", reply) for reply in replies)]
    return ", ".join(f'{{"role": "{role}", "content": {_text(text)}}}' for role, text in chat)


def _prompt(card: Mapping[str, Any]) -> str:
    """Returns a prompt as the model was trained on, with `…` for the text of a row."""
    layout = _layout(card)
    given = {name: layout[name] for name in ("input_label", "instruction_label", "separator") if name in layout}
    return process_prompt("…", layout.get("instruction"), **given)


def _layout(card: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns the parameters of the last training by which its prompts were laid out."""
    trained = [step for number in card["model"]["lineage"] if (step := card["steps"][number - 1])["training"]]
    return {**trained[-1]["params"], **(trained[-1]["training"].get("hyper_parameters") or {})} if trained else {}


def _base(card: Mapping[str, Any]) -> str:
    """Returns what an adapter is put on: the model on the Hub once the adapter is there too, else the folder."""
    base, ids = card["model"]["base"], card["model"]["base_on_hub"]
    if base is None:
        return _text("the base model")
    is_published = card["stated"]["repo_id"] != NOT_STATED
    if ids and card["model"]["relation"] == "adapter" and (is_published or base["path"] is None):
        revision = f", revision={_text(base['revision'])}" if base["revision"] else ""
        return f"{_text(ids[0])}{revision}"
    return _text(base["path"] or base["name"])


def _gguf(card: Mapping[str, Any]) -> str:
    model, is_published = card["model"], card["stated"]["repo_id"] != NOT_STATED
    if is_published:
        return _GGUF.format(load=f"Llama.from_pretrained({_repo(card)}, filename={_text(model['file'])})")
    path = PurePosixPath(model["path"], model["file"])
    return _GGUF.format(load=f"Llama({_text(str(path))})")


def _embedding(card: Mapping[str, Any]) -> str:
    has_prompts = bool({"query", "document"} & set(card["model"]["prompts"]))
    return (_EMBEDDING_PROMPTS if has_prompts else _EMBEDDING).format(where=_where(card))


_CHAT = """

messages = [{messages}]
inputs = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt", return_dict=True)"""

_PLAIN = """

inputs = tokenizer({text}, return_tensors="pt")"""

_GENERATE = """
reply = model.generate(**inputs, max_new_tokens=100)
print(tokenizer.decode({written}, skip_special_tokens=True))"""

_LABEL = """

inputs = tokenizer("…", return_tensors="pt", truncation=True)
scores = model(**inputs).logits[0].softmax(-1)
print({model.config.id2label[i]: score for i, score in enumerate(scores.tolist())})"""

_MULTI_LABEL = """

inputs = tokenizer("…", return_tensors="pt", truncation=True)
scores = model(**inputs).logits[0].sigmoid()
print([model.config.id2label[i] for i, score in enumerate(scores.tolist()) if score > 0.5])"""

_REWARD_CHAT = """

messages = [{messages}]
inputs = tokenizer.apply_chat_template(messages, return_tensors="pt", return_dict=True)
print(model(**inputs).logits[0, 0].item())"""

_REWARD = """

# a prompt and its completion
inputs = tokenizer({pair}, return_tensors="pt")
print(model(**inputs).logits[0, 0].item())"""

_EMBEDDING = """from sentence_transformers import SentenceTransformer

model = SentenceTransformer({where})

vectors = model.encode(["…", "…"])
print(model.similarity(vectors, vectors))"""

_EMBEDDING_PROMPTS = """from sentence_transformers import SentenceTransformer

model = SentenceTransformer({where})

queries, documents = model.encode_query(["…"]), model.encode_document(["…", "…"])
print(model.similarity(queries, documents))"""

_SETFIT = """from setfit import SetFitModel

# its head is a pickle: load it only from a place that you trust
model = SetFitModel.from_pretrained({where})

print(model.predict(["…", "…"]))"""

_GGUF = """from llama_cpp import Llama

model = {load}

reply = model.create_chat_completion([{{"role": "user", "content": "…"}}])
print(reply["choices"][0]["message"]["content"])"""

_SERVICE = """from openai import OpenAI

# only the organization that trained it can ask it
model = {name}

reply = OpenAI().chat.completions.create(model=model, messages=[{messages}])
print(reply.choices[0].message.content)"""


def _where(card: Mapping[str, Any]) -> str:
    return _repo(card) if card["stated"]["repo_id"] != NOT_STATED else _text(card["model"]["path"])


def _repo(card: Mapping[str, Any]) -> str:
    return _text(card["stated"]["repo_id"])


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _variable(name: str) -> str:
    words = re.sub(r"\W+", "_", name.lower()).strip("_")
    return words if words and not words[0].isdigit() else f"table_{words}".rstrip("_")
