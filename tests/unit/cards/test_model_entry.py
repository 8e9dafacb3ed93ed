import re
from pathlib import Path

import pytest
import yaml

from dreamsmk.cards import Statement, View, build_card, card_markdown, check_card, trace
from dreamsmk.cards.lineage import lineage
from dreamsmk.cards.model_folder import ModelFolder
from tests.unit.cards.made_models import (
    BASE,
    BASE_MODEL,
    HUB_ID,
    LORA,
    TRAIN,
    VALIDATION,
    WHOLE,
    at_openai,
    local,
    merged,
    quantized,
    trained,
)
from tests.unit.cards.records import RecordFolder, folder, model, record, table


@pytest.fixture
def card_of(tmp_path):
    """Makes the card of the last of some records."""

    def make(*records, target=None, folder=None, statement=None, **view):
        stored = RecordFolder(tmp_path / "records")
        for one in (BASE_MODEL, *records):
            stored.add(one)
        last = records[-1]
        path = target or next(iter(last["outputs"].values()))["path"]
        folders = {last["fingerprint"]: folder} if folder else {}
        made = build_card(
            View(trace([Path(path)], stored), folders=folders, **view), statement or Statement(), private_roots=()
        )
        check_card(made)
        return made

    return make


def front(card):
    return yaml.safe_load(card_markdown(card).split("---\n")[1])


FOLDERS = {
    "fine_tune": LORA,
    "distill": LORA,
    "dpo": LORA,
    "kto": LORA,
    "orpo": LORA,
    "rlhf": LORA,
    "reward_model": ModelFolder("peft", "SEQ_CLS", adapter="LoRA", labels=("LABEL_0",), has_chat_template=True),
    "classifier": ModelFolder("peft", "SEQ_CLS", adapter="LoRA", labels=("bad", "good")),
    "embedding_model": ModelFolder("sentence-transformers", "FEATURE_EXTRACTION"),
    "setfit": ModelFolder("setfit", "SEQ_CLS", labels=("bad", "good")),
}
HUB = {
    **dict.fromkeys(("fine_tune", "distill", "dpo", "kto", "orpo", "rlhf"), ("peft", "text-generation", "adapter")),
    "reward_model": ("peft", "text-classification", "adapter"),
    "classifier": ("peft", "text-classification", "adapter"),
    "embedding_model": ("sentence-transformers", "sentence-similarity", "finetune"),
    "setfit": ("setfit", "text-classification", "finetune"),
}


@pytest.mark.parametrize("knows_folder", [True, False])
@pytest.mark.parametrize("trainer", FOLDERS)
def test_the_hub_is_told_what_every_trainer_leaves(card_of, trainer, knows_folder):
    labels = {"labels": ["bad", "good"]} if trainer in ("classifier", "setfit") else {}
    card = card_of(trained("student", trainer, facts=labels), folder=FOLDERS[trainer] if knows_folder else None)
    keys = front(card)
    assert (keys["library_name"], keys["pipeline_tag"], keys["base_model_relation"]) == HUB[trainer]
    assert keys["base_model"] == HUB_ID
    assert "license" not in keys
    assert card["model"]["labels"] == labels.get("labels", [])
    if not knows_folder:
        return
    (snippet,) = re.findall(r"```python\n(.*?)\n```", card_markdown(card), re.DOTALL)
    compile(snippet, "snippet", "exec")


@pytest.mark.parametrize(
    ("folder_of", "trainer", "tags"),
    [
        (LORA, "fine_tune", ["trl", "sft", "lora"]),
        (WHOLE, "dpo", ["trl", "dpo"]),
        (ModelFolder("transformers", "SEQ_2_SEQ_LM"), "fine_tune", ["sft", "text2text-generation"]),
        (FOLDERS["setfit"], "setfit", ["setfit", "sentence-transformers"]),
    ],
)
def test_tags_tell_how_a_model_was_trained(card_of, folder_of, trainer, tags):
    assert front(card_of(trained("student", trainer), folder=folder_of))["tags"] == ["dreamsmk", *tags]


def test_the_algorithm_of_rewards_is_a_tag(card_of):
    card = card_of(trained("student", "rlhf", facts={"algorithm": "grpo"}), folder=LORA)
    assert front(card)["tags"] == ["dreamsmk", "trl", "grpo", "lora"]


def rounds(count):
    """A fine-tuning, and rounds of DPO, each going on with the adapter of the one before."""
    made = [trained("round0", "fine_tune")]
    for number in range(1, count + 1):
        before = folder(f"results/round{number - 1}")
        made.append(trained(f"round{number}", "dpo", adapter=before, beta=0.1 * number))
    return made


def test_rounds_are_followed_to_the_first(card_of):
    card = card_of(*rounds(3), folder=LORA)
    names = {step["step"]: step["name"] for step in card["steps"]}
    assert [names[number] for number in card["model"]["lineage"]] == ["round0", "round1", "round2", "round3"]
    assert front(card)["base_model_relation"] == "adapter"
    text = card_markdown(card)
    assert f"| 4. round2 | aligned by preferences with DPO | adapter of step 3, on {HUB_ID} (step 1) |" in text
    assert "Step 5, **round3**: aligned by preferences with DPO." in text
    assert text.count("<summary>Step 2, round0: fine-tuned</summary>") == 1


def test_teachers_and_reward_models_are_no_part_of_a_lineage(card_of):
    reward = trained("judge", "reward_model")
    others = {"reward_model": local("results/judge")}
    card = card_of(reward, trained("student", "rlhf", others=others), folder=LORA)
    names = {step["step"]: step["name"] for step in card["steps"]}
    assert [names[number] for number in card["model"]["lineage"]] == ["student"]
    text = card_markdown(card)
    assert "Trained on the way; their weights are no part of this:" in text
    assert "| Reward model | results/judge (step 2) |" in text
    assert front(card)["base_model"] == HUB_ID


def test_an_adapter_on_a_model_that_is_not_on_the_hub_is_not_put_on_its_ancestor(card_of):
    whole = trained("whole", "fine_tune", facts={"method": "full"})
    adapter = trained("student", "dpo", base=folder("results/whole"))
    card = card_of(whole, adapter, folder=LORA, statement=Statement(repo_id="org/student"))
    assert front(card)["base_model_relation"] == "finetune"
    assert 'from_pretrained("results/whole")' in card_markdown(card)
    assert card["model"]["base"]["origin"] == HUB_ID


def test_a_published_adapter_is_put_on_its_base_on_the_hub(card_of):
    card = card_of(trained("student", "fine_tune"), folder=LORA, statement=Statement(repo_id="org/student"))
    text = card_markdown(card)
    assert f'from_pretrained("{HUB_ID}")' in text
    assert 'PeftModel.from_pretrained(base, "org/student")' in text


def test_a_merged_adapter_is_a_fine_tuned_model(card_of):
    card = card_of(trained("student", "fine_tune"), merged("whole", folder("results/student")), folder=WHOLE)
    assert (front(card)["library_name"], front(card)["base_model_relation"]) == ("transformers", "finetune")
    text = card_markdown(card)
    assert "adapter merged into the weights" in text
    assert "Step 2, **student**: fine-tuned." in text
    assert "PeftModel" not in text


def test_an_adapter_of_the_hub_merged_into_a_model_of_the_hub_is_a_merge(card_of):
    keys = front(card_of(merged("whole", "org/adapter"), folder=WHOLE))
    assert (keys["base_model"], keys["base_model_relation"]) == ([HUB_ID, "org/adapter"], "merge")


def test_a_quantized_model_is_related_by_that_alone_where_nothing_was_trained(card_of):
    small = ModelFolder("transformers", "CAUSAL_LM", quantization="torchao", has_chat_template=True)
    assert front(card_of(quantized("small", BASE), folder=small))["base_model_relation"] == "quantized"
    whole = trained("whole", "fine_tune", facts={"method": "full"})
    card = card_of(whole, quantized("smaller", folder("results/whole")), folder=small)
    assert front(card)["base_model_relation"] == "finetune"
    assert "language model: whole model, quantized (torchao-int8)" in card_markdown(card)
    assert "| Weights before | 270 MB |" in card_markdown(card)


def test_a_gguf_file_is_loaded_by_llama_cpp(card_of):
    card = card_of(
        quantized("small", BASE, "gguf-q8_0"), folder=ModelFolder("llama.cpp", "CAUSAL_LM", file="model.gguf")
    )
    assert 'Llama("results/small/model.gguf")' in card_markdown(card)
    assert "library_name" not in front(card)
    assert "gguf" in front(card)["tags"]


def test_a_model_at_a_service_has_the_card_of_a_model(card_of):
    card = card_of(at_openai(), target="results/tuned.json")
    assert card["kind"] == "model"
    text = card_markdown(card)
    assert 'model = "ft:gpt-4.1-mini-2025-04-14:acme::abc123"' in text
    assert "Input: …\\n\\nInstruction: Answer in one word." in text
    assert "| Job | ftjob-1 |" in text
    assert "| 3 | 0.5 | 0.9 |" in text
    assert "Hardware" not in text.partition("## Environment")[0]
    assert front(card)["pipeline_tag"] == "text-generation"
    assert {"library_name", "base_model"}.isdisjoint(front(card))


def test_the_history_of_a_training_at_a_service_is_data(card_of):
    card = card_of(at_openai(), target="results/history.parquet")
    assert (card["kind"], card["model"]) == ("data", None)


def test_tables_that_trainers_leave_are_no_models(card_of):
    samples = table("results/samples.parquet", 8, completion="String")
    training = trained("student", "rlhf")
    training["outputs"]["samples"] = samples
    read = record("read", "filter", inputs={"table": [samples]}, outputs={"table": table("results/read.parquet", 4)})
    card = card_of(training, read)
    last = next(step for step in card["steps"] if step["name"] == "read")
    assert last["models"] == []
    assert [dataset["name"] for dataset in last["datasets"]] == ["results/samples.parquet"]
    assert card_of(training, target="results/samples.parquet")["kind"] == "data"


def test_a_model_trained_without_a_chat_template_is_asked_without_one(card_of):
    plain = trained("student", "fine_tune")
    plain["models"]["student"]["identity"]["options"] = {"chat": False}
    assert "apply_chat_template" not in card_markdown(card_of(plain, folder=LORA))
    texts = trained("other", "fine_tune", text="text")
    assert "apply_chat_template" not in card_markdown(card_of(texts, folder=LORA))
    assert "apply_chat_template" in card_markdown(card_of(trained("third", "fine_tune"), folder=LORA))


def test_the_snippet_asks_as_the_model_was_trained(card_of):
    layout = {"instruction": 'Say "yes".', "input_label": "Text:", "instruction_label": None, "separator": " | "}
    facts = {"hyper_parameters": {**layout, "system_prompt": "Be brief."}}
    text = card_markdown(card_of(trained("student", "fine_tune", facts=facts), folder=LORA))
    assert '{"role": "user", "content": "Text: … | Say \\"yes\\"."}' in text
    assert '{"role": "system", "content": "Be brief."}' in text


def test_the_training_section_tells_data_hardware_and_what_was_resumed(card_of):
    facts = {"steps_before_resuming": 5, "kept_step": 8, "processes": 4, "nodes": 2, "labels": ["bad", " "]}
    card = card_of(trained("student", "classifier", facts=facts), folder=FOLDERS["classifier"])
    text = card_markdown(card)
    for row in (
        "| Resumed | from the checkpoint of step 5 |",
        "| Weights kept | those of step 8, the best of the validations |",
        "| Processes | 4 on 2 nodes |",
        "| Hardware | AMD EPYC 7B13, 16 cores |",
        "| Method | LoRA, rank 8, alpha 16, on all linear layers |",
        f"| train | `{TRAIN['path']}` | 90 | `{TRAIN['digest']}` |  |",
        f"| validation | `{VALIDATION['path']}` | 10 | `{VALIDATION['digest']}` |  |",
    ):
        assert row in text
    assert "Labels: `bad`, (empty)." in text


def test_gpus_of_one_kind_are_counted(card_of):
    made = trained("student", "fine_tune")
    made["environment"] = {**made["environment"], "gpus": [{"name": "NVIDIA H200", "memory_bytes": 1}] * 4}
    assert "| **Hardware** | 4 × NVIDIA H200 |" in card_markdown(card_of(made, folder=LORA))


def test_further_metrics_stand_in_the_history_and_in_the_validations(card_of):
    made = trained("student", "dpo")
    history = [
        {"step": 0, "epoch": 0.0, "loss": None, "eval_loss": 0.7, "rewards/margins": None, "eval_rewards/margins": 0.0},
        {"step": 1, "epoch": 0.5, "loss": 0.6, "eval_loss": None, "rewards/margins": 0.1, "eval_rewards/margins": None},
        {"step": 2, "epoch": 1.0, "loss": 0.5, "eval_loss": 0.4, "rewards/margins": 0.3, "eval_rewards/margins": 0.2},
    ]
    text = card_markdown(card_of(made, folder=LORA, loss_history={made["fingerprint"]: history}))
    assert "| step | epoch | loss | rewards/margins |\n| ---: | ---: | ---: | ---: |\n| 0 | 0 | 0.7 | 0 |" in text
    assert "| 1 | 0.5 | 0.6 | 0.1 |\n| 2 | 1 | 0.5 | 0.3 |" in text


def test_what_a_training_says_of_itself_later_stands_in_the_card_too(card_of):
    made = trained("student", "kto", facts={"desirable_rows": 7, "is_merged": True, "new_numbers": [1, 2]})
    text = card_markdown(card_of(made, folder=LORA))
    assert "| Desirable rows | 7 |" in text
    assert "| Merged | yes |" in text
    assert "| New numbers | 1, 2 |" in text


def test_a_column_called_prompts_is_no_prompt(card_of):
    card = card_of(trained("student", "dpo", input_label="Input:", separator="\n\n"), folder=LORA)
    assert all(step["prompts"] == {} for step in card["steps"])
    assert '"prompts": "text"' in card_markdown(card)


def test_a_base_of_the_hub_keeps_its_revision(card_of):
    made = trained("student", "fine_tune")
    spec = model(HUB_ID, provider="transformers", revision="abc")
    made["models"]["student"], made["facts"]["training"]["base_model"] = spec, HUB_ID
    del made["inputs"]["model_student"]
    text = card_markdown(card_of(made, folder=LORA))
    assert f'from_pretrained("{HUB_ID}", revision="abc")' in text
    assert f"| Begins with | {HUB_ID} at abc |" in text


def test_a_lineage_of_many_rounds_ends(card_of):
    card = card_of(*rounds(40), folder=LORA)
    assert len(lineage(card["steps"], card["model"]["step"])) == 41
    assert "…" in next(line for line in card_markdown(card).splitlines() if "**Made from**" in line)


def test_no_path_of_the_machine_reaches_the_card_of_a_model(tmp_path):
    import json

    stored = RecordFolder(tmp_path / "records")
    for one in (BASE_MODEL, *rounds(2)):
        text = (
            json.dumps(one).replace('"results/', '"/home/alice/p/results/').replace('"models/', '"/scratch/g/models/')
        )
        stored.add(json.loads(text))
    card = build_card(View(trace([Path("/home/alice/p/results/round2")], stored)), Statement())
    check_card(card)
    for word in ("alice", "/scratch", "/home"):
        assert word not in json.dumps(card) + card_markdown(card)
