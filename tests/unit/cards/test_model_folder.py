import pytest

from dreamsmk.cards.model_folder import ModelFolder, read_model_folder
from dreamsmk.errors import CardError
from tests.unit.cards.made_models import write_json


def test_an_adapter_is_told_by_its_own_file_whatever_lies_beside_it(tmp_path):
    write_json(tmp_path / "adapter_config.json", peft_type="LORA", task_type="SEQ_CLS")
    write_json(tmp_path / "config.json", architectures=["LlamaForCausalLM"], id2label={"1": "good", "0": "bad"})
    found = read_model_folder(tmp_path)
    assert (found.library, found.adapter, found.head, found.labels) == ("peft", "LoRA", "SEQ_CLS", ("bad", "good"))


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        ({"peft_type": "LORA", "use_dora": True}, "DoRA"),
        ({"peft_type": "LORA", "use_rslora": True}, "rsLoRA"),
        ({"peft_type": "PREFIX_TUNING"}, "prefix tuning"),
    ],
)
def test_adapters_are_called_by_their_kind(tmp_path, config, kind):
    write_json(tmp_path / "adapter_config.json", **config)
    assert read_model_folder(tmp_path).adapter == kind


@pytest.mark.parametrize(
    ("architecture", "is_encoder_decoder", "head"),
    [
        ("LlamaForCausalLM", False, "CAUSAL_LM"),
        ("GPT2LMHeadModel", False, "CAUSAL_LM"),
        ("T5ForConditionalGeneration", True, "SEQ_2_SEQ_LM"),
        ("Gemma3ForConditionalGeneration", False, "CAUSAL_LM"),
        ("BertForSequenceClassification", False, "SEQ_CLS"),
        ("BertModel", False, "FEATURE_EXTRACTION"),
        ("SomethingNew", False, None),
    ],
)
def test_the_head_is_told_by_the_architecture(tmp_path, architecture, is_encoder_decoder, head):
    write_json(tmp_path / "config.json", architectures=[architecture], is_encoder_decoder=is_encoder_decoder)
    assert read_model_folder(tmp_path).head == head


def test_labels_stand_in_the_order_of_the_logits(tmp_path):
    names = {str(i): f"l{i}" for i in range(12)}
    write_json(
        tmp_path / "config.json",
        architectures=["BertForSequenceClassification"],
        id2label=names,
        problem_type="multi_label_classification",
    )
    found = read_model_folder(tmp_path)
    assert found.labels == tuple(f"l{i}" for i in range(12))
    assert found.is_multi_label


@pytest.mark.parametrize("where", ["tokenizer_config.json", "chat_template.jinja"])
def test_a_chat_template_is_found_in_either_place(tmp_path, where):
    write_json(tmp_path / "config.json", architectures=["LlamaForCausalLM"])
    assert not read_model_folder(tmp_path).has_chat_template
    write_json(tmp_path / where, chat_template="{{ messages }}")
    assert read_model_folder(tmp_path).has_chat_template


def test_embedding_models_setfit_models_and_gguf_files_are_told_apart(tmp_path):
    write_json(tmp_path / "st/modules.json")
    write_json(tmp_path / "st/config.json", architectures=["BertModel"])
    write_json(tmp_path / "st/config_sentence_transformers.json", prompts={"query": "query: ", "document": ""})
    write_json(tmp_path / "few/modules.json")
    write_json(tmp_path / "few/config_setfit.json", labels=[0, 1])
    write_json(tmp_path / "file/model.gguf")
    assert read_model_folder(tmp_path / "st").library == "sentence-transformers"
    assert read_model_folder(tmp_path / "st").prompts == ("query",)
    assert read_model_folder(tmp_path / "few") == ModelFolder("setfit", "SEQ_CLS", labels=("0", "1"))
    assert read_model_folder(tmp_path / "file").file == "model.gguf"


def test_quantized_weights_are_told(tmp_path):
    write_json(tmp_path / "config.json", architectures=["X"], quantization_config={"quant_method": "torchao"})
    assert read_model_folder(tmp_path).quantization == "torchao"


def test_a_table_and_a_folder_that_says_nothing_are_no_models(tmp_path):
    assert read_model_folder(tmp_path) is None
    assert read_model_folder(tmp_path / "not.parquet") is None


def test_a_broken_file_is_named(tmp_path):
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(CardError, match=r"config\.json"):
        read_model_folder(tmp_path)
