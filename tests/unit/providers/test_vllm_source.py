"""Holds the names that are used of vLLM against its own source."""

from __future__ import annotations

import ast
import importlib.util
import json
from pathlib import Path

import pytest

from dreamsmk.providers.vllm_arguments import ENGINE_OPTIONS, EXECUTION_OPTIONS, engine_arguments, sampling_arguments
from dreamsmk.settings import ModelSpec
from tests.tiny.asking import local_request

SPEC = ModelSpec(provider="vllm", model="org/name", revision="abc")
# The source alone is enough: vLLM itself runs on machines with a GPU only.
found = importlib.util.find_spec("vllm")
SOURCE = None if found is None or found.origin is None else Path(found.origin).parent
pytestmark = pytest.mark.skipif(SOURCE is None, reason="vLLM is not installed: it needs a GPU")


def classes(module: str) -> dict[str, ast.ClassDef]:
    assert SOURCE is not None
    tree = ast.parse((SOURCE / module).read_text(encoding="utf-8"))
    return {node.name: node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}


def fields(kind: ast.ClassDef) -> set[str]:
    return {
        node.target.id for node in kind.body if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }


def arguments_of(kind: ast.ClassDef, method: str) -> set[str]:
    (found,) = [node for node in kind.body if isinstance(node, ast.FunctionDef) and node.name == method][:1]
    return {argument.arg for argument in [*found.args.args, *found.args.kwonlyargs]}


def test_engine_arguments(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps({"r": 8}))
    (tmp_path / "tokenizer_config.json").write_text("{}")
    used = {*engine_arguments(SPEC, device_count=1, adapter=tmp_path), *ENGINE_OPTIONS, *EXECUTION_OPTIONS}
    llm = classes("entrypoints/llm.py")["LLM"]
    engine_args = classes("engine/arg_utils.py")["EngineArgs"]
    assert used <= arguments_of(llm, "__init__") | fields(engine_args)
    assert {"prompts", "sampling_params", "lora_request", "use_tqdm"} <= arguments_of(llm, "enqueue")
    assert "get_tokenizer" in {node.name for node in llm.body if isinstance(node, ast.FunctionDef)}


def test_sampling_arguments() -> None:
    module = classes("sampling_params.py")
    assert {*sampling_arguments(local_request(SPEC)), "structured_outputs"} <= fields(module["SamplingParams"])
    assert "json" in fields(module["StructuredOutputsParams"])


def test_outputs_and_the_engine() -> None:
    outputs = classes("outputs.py")
    assert {"text", "token_ids", "finish_reason", "logprobs"} <= fields(outputs["CompletionOutput"])
    told = {"request_id", "outputs", "finished", "prompt_token_ids", "num_cached_tokens"}
    assert told <= arguments_of(outputs["RequestOutput"], "__init__")
    assert {"logprob", "rank", "decoded_token"} <= fields(classes("logprobs.py")["Logprob"])
    running = classes("v1/engine/llm_engine.py")["LLMEngine"]
    assert {"step", "abort_request"} <= {node.name for node in running.body if isinstance(node, ast.FunctionDef)}
    assert "request_ids" in arguments_of(running, "abort_request")
    assert [
        node.target.id for node in classes("lora/request.py")["LoRARequest"].body if isinstance(node, ast.AnnAssign)
    ][:3] == ["lora_name", "lora_int_id", "lora_path"]
    assert "VLLMError" in classes("exceptions.py")
