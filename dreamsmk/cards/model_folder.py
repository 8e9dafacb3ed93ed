"""What the folder of a model says of itself: which library loads it, with which head, and for which labels.

Contract: only small JSON files are read, no weights and no pickles; nothing is guessed from names of folders. A folder
that says nothing of itself is no model folder.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dreamsmk.errors import CardError
from dreamsmk.providers.classifier_model import HEAD_FILE

# What peft calls the heads, by the end of an architecture's name in transformers.
_HEADS = {
    "ForCausalLM": "CAUSAL_LM",
    "LMHeadModel": "CAUSAL_LM",
    "ForConditionalGeneration": "CAUSAL_LM",
    "ForSequenceClassification": "SEQ_CLS",
    "ForTokenClassification": "TOKEN_CLS",
    "ForQuestionAnswering": "QUESTION_ANS",
    "ForMaskedLM": "MASKED_LM",
    "Model": "FEATURE_EXTRACTION",
}


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """What a folder says of its model.

    Attributes:
        library: What loads it: `peft`, `transformers`, `sentence-transformers`, `setfit` or `llama.cpp`.
        adapter: What kind of adapter it is; None for a whole model.
        head: What it does, in peft's words (`CAUSAL_LM`, `SEQ_CLS`, …); None where that is not told.
        labels: Those of a classifier, in the order of its logits.
        is_multi_label: Whether a text may have several of them.
        has_chat_template: Whether its tokenizer lays out chats.
        reads_pairs: Whether its tokenizer puts a token between two texts.
        quantization: How its weights are quantized, as transformers calls the method.
        prompts: The names of the prompts of an embedding model.
        file: The one file that is the model, for llama.cpp.
    """

    library: str
    head: str | None = None
    adapter: str | None = None
    labels: tuple[str, ...] = ()
    is_multi_label: bool = False
    has_chat_template: bool = False
    reads_pairs: bool = False
    quantization: str | None = None
    prompts: tuple[str, ...] = ()
    file: str | None = None


def read_model_folder(folder: Path) -> ModelFolder | None:
    """Returns what a folder says of its model; None where it is no folder, or says nothing.

    Raises:
        CardError: One of its files is no JSON.
    """
    if not folder.is_dir():
        return None
    config = _read(folder / "config.json")
    if (folder / "config_setfit.json").is_file():
        return ModelFolder("setfit", "SEQ_CLS", labels=_setfit_labels(folder))
    if (folder / "modules.json").is_file():
        return ModelFolder("sentence-transformers", "FEATURE_EXTRACTION", prompts=_prompts(folder))
    if adapter := _read(folder / "adapter_config.json"):
        head = adapter.get("task_type")
        told = _read(folder / HEAD_FILE) or config
        return replace(_of_config("peft", str(head) if head else None, told, folder), adapter=_adapter_of(adapter))
    if config:
        return _of_config("transformers", _head_of(config), config, folder)
    files = sorted(path.name for path in folder.glob("*.gguf"))
    return ModelFolder("llama.cpp", "CAUSAL_LM", file=files[0]) if files else None


# Any: JSON.
def _of_config(library: str, head: str | None, config: Mapping[str, Any], folder: Path) -> ModelFolder:
    quantization = config.get("quantization_config") or {}
    names, tokenizer = config.get("id2label") or {}, _read(folder / "tokenizer_config.json")
    labels = [str(name) for _, name in sorted(names.items(), key=lambda item: int(item[0]))]
    return ModelFolder(
        library,
        head,
        labels=tuple(labels) if head == "SEQ_CLS" else (),
        is_multi_label=config.get("problem_type") == "multi_label_classification",
        has_chat_template=bool(tokenizer.get("chat_template")) or (folder / "chat_template.jinja").is_file(),
        reads_pairs=bool(tokenizer.get("cls_token") and tokenizer.get("sep_token")),
        quantization=str(quantization["quant_method"]) if quantization.get("quant_method") else None,
    )


# Any: JSON.
def _head_of(config: Mapping[str, Any]) -> str | None:
    architecture = str((config.get("architectures") or [""])[0])
    if config.get("is_encoder_decoder") and architecture.endswith("ForConditionalGeneration"):
        return "SEQ_2_SEQ_LM"
    return next((head for end, head in _HEADS.items() if architecture.endswith(end)), None)


# Any: JSON.
def _adapter_of(config: Mapping[str, Any]) -> str:
    if config.get("use_dora"):
        return "DoRA"
    if config.get("use_rslora"):
        return "rsLoRA"
    kind = str(config.get("peft_type") or "")
    return {"LORA": "LoRA", "IA3": "IA3", "": "peft"}.get(kind, kind.replace("_", " ").lower())


def _setfit_labels(folder: Path) -> tuple[str, ...]:
    return tuple(str(label) for label in _read(folder / "config_setfit.json").get("labels") or ())


def _prompts(folder: Path) -> tuple[str, ...]:
    prompts = _read(folder / "config_sentence_transformers.json").get("prompts") or {}
    return tuple(sorted(str(name) for name, text in prompts.items() if text))


# Any: JSON.
def _read(path: Path) -> Mapping[str, Any]:
    """Returns a JSON object; an empty one where there is no such file."""
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_bytes())
    except ValueError as exc:
        raise CardError("a file of the model is no JSON", where=str(path), hint="build the model again") from exc
    return found if isinstance(found, Mapping) else {}
