"""How weights are kept and trained: each way trains, and what it leaves loads."""

from __future__ import annotations

import json

import polars as pl
import pytest

from dreamsmk.errors import SettingsError, TrainingError
from dreamsmk.providers.local.quantization import quantization_config
from dreamsmk.tasks.training.frame.quiet import quiet_libraries
from tests.unit.tasks.training.job import Job, make_rows
from tests.unit.tasks.training.test_fine_tune import answer_of

ROWS = pl.DataFrame({"question": ["the", "of"] * 4, "answer": ["to be", "not he"] * 4})
STRONG = {"r": 16, "alpha": 32}


@pytest.mark.parametrize("kind", ["dora", "rslora"])
def test_other_kinds_of_adapters_learn_and_load(job, tiny_model, kind):
    facts = job.run(ROWS, epochs=40, lora={**STRONG, kind: True}, learning_rate=5e-3)
    assert facts["method"] == kind
    assert json.loads(job.files()["adapter_config.json"])[f"use_{kind}"] is True
    assert answer_of(job.output, tiny_model, "of") == "not he"


def test_a_quantized_base_learns_an_adapter_that_loads_on_it(job, tiny_model):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    facts = job.run(ROWS, epochs=40, lora=STRONG, quantization="torchao-int8")
    assert facts["final_loss"] < 0.1 < facts["first_loss"]
    assert facts["hyper_parameters"]["quantization"] == "torchao-int8"
    with quiet_libraries():
        config = quantization_config("torchao-int8", "cpu")
        base = AutoModelForCausalLM.from_pretrained(tiny_model, quantization_config=config, device_map="cpu")
        trained = PeftModel.from_pretrained(base, job.output)
        tokenizer = AutoTokenizer.from_pretrained(job.output)
        chat = [{"role": "user", "content": "of"}]
        asked = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=True, return_tensors="pt")
        ids = trained.generate(**asked, max_new_tokens=20, do_sample=False)
    assert "Int8" in type(base.model.layers[0].mlp.up_proj.base_layer.weight).__name__
    assert tokenizer.decode(ids[0, asked["input_ids"].shape[1] :], skip_special_tokens=True).strip() == "not he"


def test_the_quantization_of_the_model_spec_holds_where_the_rule_says_nothing(tmp_path, tiny_model):
    of_rule, of_spec = Job(tmp_path / "rule", tiny_model), Job(tmp_path / "spec", tiny_model)
    of_spec.spec = {"quantization": "torchao-int8"}
    of_rule.run(make_rows(4), max_steps=2, quantization="torchao-int8")
    of_spec.run(make_rows(4), max_steps=2)
    assert of_rule.files() == of_spec.files()


@pytest.mark.parametrize("scheme", ["bnb-4bit", "bnb-8bit"])
def test_a_scheme_of_gpus_says_that_it_needs_one(job, scheme):
    with pytest.raises(SettingsError, match=f"{scheme}' needs a CUDA GPU"):
        job.run(make_rows(2), quantization=scheme)


def test_implementations_of_attention_train_alike(tmp_path, tiny_model):
    losses = [
        Job(tmp_path / name, tiny_model).run(make_rows(8), max_steps=4, attention=name)["final_loss"]
        for name in ("eager", "sdpa")
    ]
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)


def test_an_attention_that_is_not_there_is_named(job):
    with pytest.raises(TrainingError, match=r"(?i)flash(.|\n)*choose another `attention`"):
        job.run(make_rows(2), attention="flash_attention_2")


def test_liger_kernels_need_a_gpu(job):
    with pytest.raises(TrainingError, match="`liger: true` needs a GPU"):
        job.run(make_rows(2), liger=True)


@pytest.mark.parametrize("modules", [["embed_tokens"], ["norm"]], ids=["tied", "not tied"])
def test_layers_beside_the_adapter_are_trained_whole_and_saved(job, tiny_model, modules):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    job.run(ROWS, epochs=20, lora={**STRONG, "modules_to_save": modules})
    assert answer_of(job.output, tiny_model, "of") == "not he"
    with quiet_libraries():
        before = AutoModelForCausalLM.from_pretrained(tiny_model)
        after = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_model), job.output)
        after = after.merge_and_unload()
    changed = {name for name, p in before.named_parameters() if not p.equal(after.get_parameter(name))}
    assert ("model.embed_tokens.weight" in changed) == (modules == ["embed_tokens"])
    assert ("model.norm.weight" in changed) == (modules == ["norm"])
    # the head is the embeddings still
    assert after.get_output_embeddings().weight.equal(after.get_input_embeddings().weight)
