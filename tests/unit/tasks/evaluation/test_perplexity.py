from __future__ import annotations

import math

import polars as pl
import pytest

from dreamsmk.errors import DreamsmkError, RequestRejected, SettingsError, TrainingError
from dreamsmk.providers.local.quiet import quietly
from dreamsmk.settings import ModelSpec
from dreamsmk.tasks.prompting.layout import process_prompt
from tests.tiny import make_tiny_t5
from tests.unit.tasks.evaluation.bench import Bench

WORDS = ["the", "of", "and", "to", "in", "a", "is", "that", "for", "it"]
PAIRS = {
    "question": [" ".join(WORDS[: 1 + row % 7]) for row in range(17)],
    "answer": [" ".join(WORDS[row % 5 : row % 5 + 1 + row % 4]) + "." for row in range(17)],
}
ASKED = {"metrics": ["perplexity"], "model": "student"}
OF_PAIRS = {**ASKED, "inputs": "question", "outputs": "answer"}


@pytest.fixture(autouse=True)
def student(bench: Bench, tiny_model, tiny_adapter) -> None:
    bench.specs["student"] = spec(tiny_model)
    bench.specs["tuned"] = spec(tiny_model, adapter=str(tiny_adapter))


def spec(model, **given) -> ModelSpec:
    return ModelSpec(provider="transformers", model=str(model), device="cpu", **given)


def reference(model, adapter=None) -> tuple[float, int]:
    """Sum and number of the answers' tokens, row by row, by transformers' own loss: without batches or padding."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    loaded = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    if adapter is not None:
        from peft import PeftModel

        with quietly():
            loaded = PeftModel.from_pretrained(loaded, adapter)
    total, count = 0.0, 0
    for question, answer in zip(PAIRS["question"], PAIRS["answer"], strict=True):
        asked = [{"role": "user", "content": process_prompt(question, "Go on.")}]
        told = [*asked, {"role": "assistant", "content": answer}]
        start = tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_dict=True)["input_ids"]
        whole = tokenizer.apply_chat_template(told, return_dict=True)["input_ids"]
        labels = [-100] * len(start) + whole[len(start) :]
        with torch.inference_mode():
            loss = loaded(torch.tensor([whole]), labels=torch.tensor([labels])).loss
        total += loss.item() * (len(whole) - len(start))
        count += len(whole) - len(start)
    return total, count


def test_the_perplexity_is_that_of_the_corpus_with_and_without_the_adapter(bench: Bench, tiny_model, tiny_adapter):
    found = bench.scores(
        bench.table(PAIRS),
        metrics=["perplexity"],
        model={"base": "student", "tuned": "tuned"},
        inputs="question",
        outputs="answer",
        instruction="Go on.",
    )
    for row, adapter in zip(found.to_dicts(), (None, tiny_adapter), strict=True):
        total, count = reference(tiny_model, adapter)
        assert row["value"] == pytest.approx(math.exp(total / count), rel=1e-5)


def test_neither_the_batch_size_nor_the_order_of_the_rows_changes_it(bench: Bench, tiny_model):
    found = []
    for batch_size, turned in ((1, False), (7, False), (7, True), (16, True)):
        bench.specs["student"] = spec(tiny_model, batch_size=batch_size)
        rows = pl.DataFrame(PAIRS)
        table = bench.table(rows.reverse() if turned else rows)
        found.append(bench.values(table, **OF_PAIRS)["perplexity"])
    assert found == pytest.approx([found[0]] * 4, rel=1e-6)


def test_the_mean_of_the_rows_perplexities_is_another_number(bench: Bench):
    made = bench.run("evaluate", {"table": bench.table(PAIRS)}, ["scores.parquet", "rows.parquet"], **OF_PAIRS)
    rows, value = pl.read_parquet(made["rows"]), pl.read_parquet(made["scores"])["value"][0]
    assert rows.columns == [*PAIRS, "nll", "tokens"]
    assert value == pytest.approx(math.exp(rows["nll"].sum() / rows["tokens"].sum()), rel=1e-12)
    assert (rows["nll"] / rows["tokens"]).exp().mean() > value * 1.01


def test_half_precision_is_widened_so_that_nothing_overflows(bench: Bench, tiny_model):
    plain = bench.values(bench.table(PAIRS), **OF_PAIRS)
    bench.specs["student"] = spec(tiny_model, dtype="float16")
    assert bench.values(bench.table(PAIRS), **OF_PAIRS) == plain
    bench.specs["student"] = spec(tiny_model, dtype="bfloat16")
    assert bench.values(bench.table(PAIRS), **OF_PAIRS) == pytest.approx(plain, rel=0.05)


def test_texts_count_from_their_second_token(bench: Bench, tiny_model):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    texts = ["the of and to", "", "the", "that for it"]
    made = bench.run(
        "evaluate", {"table": bench.table({"text": texts})}, ["scores.parquet", "rows.parquet"], **ASKED, texts="text"
    )
    rows = pl.read_parquet(made["rows"])
    assert rows["tokens"].to_list() == [max(0, len(tokenizer(text)["input_ids"]) - 1) for text in texts]
    assert rows["nll"].to_list()[1:3] == [0.0, 0.0]


def test_texts_too_short_for_any_token_have_no_perplexity(bench: Bench):
    table = bench.table({"text": ["", "the"]})
    (score,) = bench.scores(table, **ASKED, texts="text", confidence=True).to_dicts()
    assert (score["value"], score["low"], score["rows"]) == (None, None, 2)


def test_a_system_prompt_and_a_chat_template_change_what_is_read(bench: Bench, tiny_model):
    table = bench.table(PAIRS)
    plain = bench.values(table, **OF_PAIRS)
    assert bench.values(table, **OF_PAIRS, system_prompt="Be brief.") != plain
    bench.specs["student"] = spec(tiny_model, chat_template="{% for m in messages %}{{ m['content'] }} {% endfor %}")
    assert bench.values(table, **OF_PAIRS) != plain
    bench.specs["student"] = spec(tiny_model, options={"chat": False})
    assert bench.values(table, **OF_PAIRS) != plain


def test_rows_that_are_too_long_are_an_error_unless_they_are_cut(bench: Bench):
    table = bench.table({"text": ["the of", " ".join(WORDS) * 3, "to in"]})
    with pytest.raises(TrainingError, match="1 rows have more than 8 tokens") as caught:
        bench.values(table, **ASKED, texts="text", max_length=8)
    assert caught.value.where.endswith("table.parquet, row 1 (from 0)")
    made = bench.run(
        "evaluate",
        {"table": table},
        ["scores.parquet", "rows.parquet"],
        **ASKED,
        texts="text",
        max_length=8,
        truncate=True,
    )
    assert pl.read_parquet(made["rows"])["tokens"][1] == 7


def test_a_text_longer_than_the_model_reads_is_an_error(bench: Bench):
    with pytest.raises(TrainingError, match="1 rows have more than 512 tokens"):
        bench.values(bench.table({"text": ["the of and " * 400]}), **ASKED, texts="text")


@pytest.mark.parametrize(
    ("given", "error", "fault"),
    [
        ({}, SettingsError, "perplexity is of texts, or of outputs given inputs"),
        ({"texts": "question", "inputs": "question", "outputs": "answer"}, SettingsError, "perplexity is of texts, or"),
        ({"inputs": "question"}, SettingsError, "perplexity needs a column of outputs"),
        ({"texts": "question", "model": None}, SettingsError, "perplexity needs a model"),
    ],
)
def test_what_is_missing_is_said(bench: Bench, given, error, fault):
    with pytest.raises(error, match=fault):
        bench.values(bench.table(PAIRS), **{**ASKED, **given})


def test_models_that_do_not_tell_likelihoods_are_refused(bench: Bench, tmp_path):
    table = bench.table(PAIRS)
    for refused, error, fault in (
        (ModelSpec(provider="echo", model="echo"), SettingsError, "does not tell how likely a text is"),
        (spec(make_tiny_t5(tmp_path / "t5")), DreamsmkError, "is no causal language model"),
        (spec(tmp_path / "nowhere"), DreamsmkError, "cannot be loaded"),
    ):
        bench.specs["student"] = refused
        with pytest.raises(error, match=fault):
            bench.values(table, **OF_PAIRS)


def test_broken_weights_are_an_error_and_no_number(bench: Bench, tiny_model, tmp_path):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    loaded = AutoModelForCausalLM.from_pretrained(tiny_model)
    with torch.no_grad():
        loaded.model.norm.weight.fill_(float("nan"))
    loaded.save_pretrained(tmp_path / "broken")
    AutoTokenizer.from_pretrained(tiny_model).save_pretrained(tmp_path / "broken")
    bench.specs["student"] = spec(tmp_path / "broken")
    with pytest.raises(TrainingError, match="17 rows no likelihood that is a number"):
        bench.values(bench.table(PAIRS), **OF_PAIRS)


def test_no_rows_load_no_weights(bench: Bench, tiny_model, tmp_path):
    from transformers import AutoConfig, AutoTokenizer

    AutoConfig.from_pretrained(tiny_model).save_pretrained(tmp_path / "bare")
    AutoTokenizer.from_pretrained(tiny_model).save_pretrained(tmp_path / "bare")
    bench.specs["student"] = spec(tmp_path / "bare")
    empty = pl.DataFrame(PAIRS).clear()
    (score,) = bench.scores(bench.table(empty), **OF_PAIRS).to_dicts()
    assert (score["value"], score["rows"]) == (None, 0)
    with pytest.raises(RequestRejected, match="cannot be loaded"):
        bench.values(bench.table(PAIRS), **OF_PAIRS)
