from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

import pytest

from dreamsmk.errors import RequestRejected, SettingsError
from dreamsmk.providers.classifier import ClassifierProvider
from dreamsmk.providers.local.quiet import quietly
from dreamsmk.requests import Response
from dreamsmk.settings import ModelSpec
from tests.tiny import make_tiny_model
from tests.tiny.asking import ask_local, local_request
from tests.tiny.encoders import NLI_LABELS, make_tiny_classifier

TEXTS = ["the of and", "it", "they were all there with him", "no", "in the one", "so be it", "you are", "is this it"]
CANDIDATES = ["the one", "there", "no"]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    make_tiny_classifier(folder / "three")
    make_tiny_classifier(folder / "several", problem_type="multi_label_classification")
    make_tiny_classifier(folder / "number", ["score"])
    make_tiny_classifier(folder / "nli", NLI_LABELS, reads=24)
    return folder


def open_model(folder: Path, **values) -> ClassifierProvider:
    spec = ModelSpec(provider="classifier", model=str(folder), device="cpu", batch_size=4)
    return ClassifierProvider(dataclasses.replace(spec, **values))


def classify(provider: ClassifierProvider, texts: Sequence[str]) -> list[Response]:
    return ask_local(provider, *(local_request(provider.spec, text, wanted="labels") for text in texts))


def by_pipeline(task: str, folder: Path, texts: Sequence[str], **values) -> list[dict[str, float]]:
    from transformers import pipeline

    with quietly():
        found = pipeline(task, model=str(folder), device="cpu")(list(texts), **values)
    if task == "zero-shot-classification":
        return [dict(zip(one["labels"], one["scores"], strict=True)) for one in found]
    return [{one["label"]: one["score"] for one in each} for each in found]


def assert_same(replies: Sequence[Response], expected: Sequence[dict[str, float]]) -> None:
    assert len(replies) == len(expected)
    for reply, labels in zip(replies, expected, strict=True):
        assert reply.labels == pytest.approx(labels, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("name", ["three", "several"])
def test_scores_are_those_of_the_pipeline(models: Path, name: str) -> None:
    replies = classify(open_model(models / name), TEXTS)
    assert_same(replies, by_pipeline("text-classification", models / name, TEXTS, top_k=None))


def test_labels_that_exclude_each_other_add_up_to_one_and_others_do_not(models: Path) -> None:
    sums = [
        [sum((reply.labels or {}).values()) for reply in classify(open_model(models / name), TEXTS)]
        for name in ("three", "several")
    ]
    assert sums[0] == pytest.approx([1.0] * len(TEXTS))
    assert any(abs(one - 1) > 0.1 for one in sums[1])


def test_the_text_is_the_best_label_and_all_labels_have_a_score(models: Path) -> None:
    replies = classify(open_model(models / "three"), TEXTS)
    for reply in replies:
        assert reply.labels is not None
        assert list(reply.labels) == ["bad", "fair", "good"]
        assert reply.text == max(reply.labels, key=reply.labels.__getitem__)
    assert len({reply.text for reply in replies}) > 1


def test_a_regression_gives_its_number(models: Path) -> None:
    (reply,) = classify(open_model(models / "number"), ["the one"])
    expected = by_pipeline("text-classification", models / "number", ["the one"], top_k=None, function_to_apply="none")
    assert_same([reply], expected)


def test_the_kind_of_scores_can_be_chosen(models: Path) -> None:
    (logit,), (chance,) = (
        classify(open_model(models / "number", options={"scores": kind}), ["it"]) for kind in ("logits", "sigmoid")
    )
    assert logit.labels is not None
    assert chance.labels == pytest.approx({"score": 1 / (1 + math.exp(-logit.labels["score"]))})


@pytest.mark.parametrize("values", [{}, {"multi_label": True}, {"hypothesis_template": "it is {}"}])
def test_zero_shot_scores_are_those_of_the_pipeline(models: Path, values: dict) -> None:
    provider = open_model(models / "nli", options={"candidate_labels": CANDIDATES, **values})
    expected = by_pipeline("zero-shot-classification", models / "nli", TEXTS, candidate_labels=CANDIDATES, **values)
    assert_same(classify(provider, TEXTS), expected)


def test_one_candidate_is_scored_by_itself(models: Path) -> None:
    provider = open_model(models / "nli", options={"candidate_labels": ["there"]})
    expected = by_pipeline("zero-shot-classification", models / "nli", TEXTS, candidate_labels=["there"])
    assert_same(classify(provider, TEXTS), expected)


def test_zero_shot_needs_a_model_that_knows_entailment(models: Path) -> None:
    with pytest.raises(RequestRejected, match="none of them is 'entailment'"):
        classify(open_model(models / "three", options={"candidate_labels": CANDIDATES}), ["it"])


def test_scores_are_the_same_in_any_batch(models: Path) -> None:
    together = classify(open_model(models / "three"), TEXTS)
    alone = classify(open_model(models / "three", batch_size=1), TEXTS)
    assert_same(together, [dict(reply.labels or {}) for reply in alone])


def test_a_text_that_was_cut_says_so_and_counts_what_was_read(models: Path) -> None:
    texts = ["the " * 14, "the " * 15]
    replies = classify(open_model(models / "three"), texts)
    assert [(reply.finish_reason, reply.usage.input_tokens) for reply in replies] == [("stop", 16), ("length", 16)]
    assert replies[0].labels == pytest.approx(dict(replies[1].labels or {}))


def test_a_hypothesis_is_never_cut(models: Path) -> None:
    provider = open_model(models / "nli", options={"candidate_labels": ["no", "there"]})
    fits, cut = classify(provider, ["the " * 16, "the " * 40])
    # [CLS] text [SEP] This example is no . [SEP], twice
    assert (fits.finish_reason, fits.usage.input_tokens) == ("stop", 48)
    assert (cut.finish_reason, cut.usage.input_tokens) == ("length", 48)
    assert cut.labels == pytest.approx(dict(fits.labels or {}))


def test_positions_that_a_model_lacks_limit_what_is_read(tmp_path: Path) -> None:
    provider = open_model(make_tiny_classifier(tmp_path / "model", reads=10**30))
    (reply,) = classify(provider, ["the " * 100])
    assert (reply.finish_reason, reply.usage.input_tokens) == ("length", 64)


def test_the_kin_of_roberta_read_less_than_they_have_positions(tmp_path: Path) -> None:
    from transformers import AutoTokenizer, RobertaConfig, RobertaForSequenceClassification

    make_tiny_classifier(tmp_path, reads=10**30)
    config = RobertaConfig(
        vocab_size=len(AutoTokenizer.from_pretrained(tmp_path)),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=34,
        pad_token_id=0,
        num_labels=2,
    )
    with quietly():
        RobertaForSequenceClassification(config).save_pretrained(tmp_path)
    (reply,) = classify(open_model(tmp_path), ["the " * 100])
    assert (reply.finish_reason, reply.usage.input_tokens) == ("length", 33)


def test_a_decoder_with_a_head_is_a_classifier_too(tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification

    folder = make_tiny_model(tmp_path / "decoder")
    with quietly():
        AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2).save_pretrained(folder)
    together = classify(open_model(folder), TEXTS)
    alone = classify(open_model(folder, batch_size=1), TEXTS)
    assert_same(together, [dict(reply.labels or {}) for reply in alone])


def test_an_adapter_brings_its_own_head(models: Path, tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModel, AutoModelForSequenceClassification

    with quietly():
        AutoModel.from_pretrained(models / "three").save_pretrained(tmp_path / "base")
        (tmp_path / "base" / "tokenizer.json").write_bytes((models / "three" / "tokenizer.json").read_bytes())
        config = (models / "three" / "tokenizer_config.json").read_bytes()
        (tmp_path / "base" / "tokenizer_config.json").write_bytes(config)
        model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "base")
        lora = LoraConfig(r=2, target_modules=["query"], task_type="SEQ_CLS", modules_to_save=["classifier"])
        get_peft_model(model, lora).save_pretrained(tmp_path / "adapter")
    with pytest.raises(RequestRejected, match="lacks 2 weights of a classifier"):
        classify(open_model(tmp_path / "base"), ["it"])
    first, again = (
        classify(open_model(tmp_path / "base", adapter=str(tmp_path / "adapter")), ["it"])[0] for _ in range(2)
    )
    assert first.labels == again.labels
    assert sum((first.labels or {}).values()) == pytest.approx(1)


def test_a_model_without_a_head_or_a_folder_that_is_not_there_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(RequestRejected, match="weights of a classifier"):
        classify(open_model(make_tiny_model(tmp_path / "plain")), ["it"])
    with pytest.raises(RequestRejected, match="is not there"):
        classify(open_model(tmp_path / "nowhere"), ["it"])


def test_two_labels_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestRejected, match="two labels 'same'"):
        classify(open_model(make_tiny_classifier(tmp_path, ["same", "same"])), ["it"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"candidate_label": ["a"]}, "did you mean 'candidate_labels'"),
        ({"candidate_labels": []}, "list of different labels"),
        ({"candidate_labels": ["a", "a"]}, "list of different labels"),
        ({"candidate_labels": ["a"], "hypothesis_template": "a"}, "where the label goes"),
        ({"candidate_labels": ["a"], "scores": "logits"}, "takes no 'scores'"),
        ({"multi_label": True}, "needs 'candidate_labels'"),
        ({"scores": "softmaxx"}, "did you mean 'softmax'"),
    ],
)
def test_wrong_options_are_found_before_anything_is_loaded(options: dict, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        ClassifierProvider.check(ModelSpec(provider="classifier", model="m", options=options))
