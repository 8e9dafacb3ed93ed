"""Records of trainings, merges and quantizations as their rules leave them, and small folders of models."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dreamsmk.cards.model_folder import ModelFolder
from tests.unit.cards.records import digest, folder, model, read, record, table

HUB_ID = "HuggingFaceTB/SmolLM2-135M-Instruct"
BASE = folder("models/smollm2")
TRAIN = table("results/train.parquet", 90, text="String", label="String")
VALIDATION = table("results/validation.parquet", 10, text="String", label="String")

BASE_MODEL = record(
    "base",
    "gguf_model",
    outputs={"model": BASE},
    facts={"source": {"name": HUB_ID, "license": "apache-2.0", "url": f"https://huggingface.co/{HUB_ID}"}},
)


def local(model_path: str, adapter: str | None = None, **identity: Any) -> dict[str, Any]:
    """The entry of a local model in a record, which nothing asked."""
    found = model(model_path, provider="transformers")
    found["identity"] |= {"model": digest(model_path, "tree-sha256"), **identity}
    if adapter:
        found["spec"] |= {"adapter": adapter}
        found["identity"] |= {"adapter": digest(adapter, "tree-sha256")}
    return found


def trained(
    rule: str,
    trainer: str,
    *,
    base: Mapping[str, Any] = BASE,
    adapter: Mapping[str, Any] | None = None,
    facts: Mapping[str, Any] | None = None,
    others: Mapping[str, Mapping[str, Any]] | None = None,
    **params: Any,
) -> dict[str, Any]:
    """The record of a training under `results/RULE`, as its trainer leaves it."""
    named = {"student": local(base["path"], adapter["path"] if adapter else None), **(others or {})}
    inputs = {"train": [read(TRAIN)], "validation": [read(VALIDATION)], "model_student": [read(base)]}
    if adapter:
        inputs["adapter_student"] = [read(adapter)]
    for alias, entry in (others or {}).items():
        inputs[f"model_{alias}"] = [read(folder(entry["spec"]["model"]))]
    training = {
        "base_model": base["path"],
        **({"base_adapter": adapter["path"]} if adapter else {}),
        "trainer": trainer,
        "method": "lora",
        "hyper_parameters": {"learning_rate": 0.0002, "lora": {"r": 8, "alpha": 16, "target_modules": "all-linear"}},
        "train_rows": 90,
        "validation_rows": 10,
        "trainable_parameters": 2_442_240,
        "total_parameters": 136_957_248,
        "steps": 12,
        "steps_before_resuming": 0,
        "epochs": 1.0,
        "tokens": 1234,
        "tokens_per_second": 100.5,
        "first_loss": 2.5,
        "final_loss": 1.25,
        "eval_loss": [{"step": 0, "eval_loss": 2.4}, {"step": 12, "eval_loss": 1.3}],
        **(facts or {}),
    }
    made = record(
        rule,
        trainer,
        inputs=inputs,
        outputs={"model": folder(f"results/{rule}")},
        models=named,
        params={"prompts": "text", **params},
        facts={"training": training},
    )
    return made | {"positions": {"model": "student", **{alias: alias for alias in others or {}}}}


def merged(rule: str, adapter: Mapping[str, Any] | str, *, base: Mapping[str, Any] = BASE) -> dict[str, Any]:
    """The record of a merge of an adapter of the workflow, or of one on the Hub."""
    path = adapter if isinstance(adapter, str) else adapter["path"]
    inputs = {"model_student": [read(base)]}
    if not isinstance(adapter, str):
        inputs["adapter_student"] = [read(adapter)]
    facts = {"merge": {"base_model": base["path"], "method": "lora", "task_type": "CAUSAL_LM", "dtype": "bfloat16"}}
    found = local(base["path"], path)
    if isinstance(adapter, str):
        found["identity"]["adapter"] = adapter
    made = record(
        rule,
        "merge_adapter",
        inputs=inputs,
        outputs={"model": folder(f"results/{rule}")},
        models={"student": found},
        facts=facts,
    )
    return made | {"positions": {"model": "student"}}


def quantized(rule: str, base: Mapping[str, Any], method: str = "torchao-int8") -> dict[str, Any]:
    """The record of a quantization."""
    told = {"base_model": base["path"], "method": method, "weights_before_bytes": 270_000_000, "answers_off": 0.01}
    made = record(
        rule,
        "quantize",
        inputs={"model_student": [read(base)]},
        outputs={"model": folder(f"results/{rule}")},
        models={"student": local(base["path"])},
        params={"method": method},
        facts={"quantization": told},
    )
    return made | {"positions": {"model": "student"}}


def at_openai() -> dict[str, Any]:
    """The record of a training at the service."""
    file = {"path": "results/tuned.json", "kind": "file", "digest": digest("tuned"), "size_bytes": 120}
    training = {
        "base_model": "gpt-4.1-mini-2025-04-14",
        "trainer": "openai_fine_tune",
        "method": "supervised",
        "model": "ft:gpt-4.1-mini-2025-04-14:acme::abc123",
        "job": "ftjob-1",
        "hyper_parameters": {"epochs": 3, "batch_size": 1, "seed": 42, "suffix": None},
        "train_rows": 90,
        "validation_rows": 0,
        "tokens": 12_345,
        "steps": 3,
        "first_loss": 1.5,
        "final_loss": 0.5,
        "eval_loss": [],
        "loss_history": [{"step": 1, "loss": 1.5, "accuracy": 0.5}, {"step": 3, "loss": 0.5, "accuracy": 0.9}],
    }
    made = record(
        "tuned",
        "openai_fine_tune",
        inputs={"train": [read(TRAIN)]},
        outputs={"model": file, "history": table("results/history.parquet", 3, step="Int64", loss="Float64")},
        models={"writer": model("gpt-4.1-mini-2025-04-14")},
        params={"instruction": "Answer in one word.", "input_label": "Input:", "separator": "\n\n"},
        facts={"training": training},
    )
    return made | {"positions": {"model": "writer"}}


LORA = ModelFolder("peft", "CAUSAL_LM", adapter="LoRA", has_chat_template=True)
WHOLE = ModelFolder("transformers", "CAUSAL_LM", has_chat_template=True)


def write_json(path: Path, **content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
