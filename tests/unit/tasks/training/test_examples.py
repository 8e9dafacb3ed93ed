from __future__ import annotations

import polars as pl
import pytest

from dreamsmk.errors import SettingsError, TableError, TrainingError
from dreamsmk.tasks.training.rows.examples import (
    IGNORED,
    Encoder,
    encode_pairs,
    labelled_table,
    read_pairs,
    rows_in_words,
)
from tests.unit.tasks.training.job import make_rows


@pytest.fixture(scope="module")
def tokenizer(tiny_model):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_model)


def encode(encoder, prompts, outputs, *, max_length=512, truncate=False) -> pl.DataFrame:
    return encode_pairs(prompts, outputs, encoder, max_length=max_length, truncate=truncate, where="train.parquet")


def text_of(tokenizer, ids) -> str:
    return tokenizer.decode([i for i in ids if i != IGNORED])


def test_prompt_tokens_have_no_label_through_the_chat_template(tokenizer):
    row = encode(Encoder(tokenizer, system_prompt="be kind"), ["the question"], ["an answer"]).row(0, named=True)
    whole = tokenizer.decode(row["input_ids"])
    assert whole == (
        "<|im_start|>system\nbe kind<|im_end|>\n<|im_start|>user\nthe question<|im_end|>\n"
        "<|im_start|>assistant\nan answer<|im_end|>\n"
    )
    assert text_of(tokenizer, row["labels"]) == "an answer<|im_end|>\n"
    first = next(place for place, label in enumerate(row["labels"]) if label != IGNORED)
    assert set(row["labels"][:first]) == {IGNORED}
    assert row["labels"][first:] == row["input_ids"][first:]


def test_labels_are_those_that_trl_prepares(tokenizer, tiny_model, tmp_path):
    import datasets
    import trl

    from dreamsmk.tasks.training.frame.quiet import quiet_libraries

    rows = make_rows(5)
    chats = {
        "prompt": [[{"role": "user", "content": text}] for text in rows["question"]],
        "completion": [[{"role": "assistant", "content": text}] for text in rows["answer"]],
    }
    args = trl.SFTConfig(str(tmp_path), use_cpu=True, bf16=False, activation_checkpointing=False, report_to="none")
    with quiet_libraries():
        datasets.disable_progress_bars()
        trainer = trl.SFTTrainer(
            str(tiny_model), args=args, train_dataset=datasets.Dataset.from_dict(chats), processing_class=tokenizer
        )
        datasets.enable_progress_bars()
    ours = encode(Encoder(tokenizer), rows["question"].to_list(), rows["answer"].to_list())
    assert ours["labels"].to_list() == list(trainer.train_dataset["labels"])
    assert ours["input_ids"].to_list() == list(trainer.train_dataset["input_ids"])


def test_a_base_model_sees_the_prompt_as_it_is_and_learns_to_stop(tokenizer):
    row = encode(Encoder(tokenizer, is_chat=False), ["the question "], ["an answer"]).row(0, named=True)
    assert tokenizer.decode(row["input_ids"]) == "the question an answer<|im_end|>"
    assert text_of(tokenizer, row["labels"]) == "an answer<|im_end|>"


def test_a_base_model_takes_no_system_prompt(tokenizer):
    with pytest.raises(SettingsError, match="takes no system_prompt"):
        Encoder(tokenizer, is_chat=False, system_prompt="be kind")


def test_a_tokenizer_without_chat_template_is_refused_with_a_hint(tiny_model):
    from transformers import AutoTokenizer

    bare = AutoTokenizer.from_pretrained(tiny_model)
    bare.chat_template = None
    with pytest.raises(TrainingError, match="chat_template:"):
        Encoder(bare)


def test_what_a_chat_template_refuses_is_said_in_its_words(tiny_model):
    from transformers import AutoTokenizer

    strict = AutoTokenizer.from_pretrained(tiny_model)
    strict.chat_template = "{{ raise_exception('no system role here') }}"
    with pytest.raises(TrainingError, match="no system role here"):
        encode(Encoder(strict), ["a"], ["b"])


def test_an_output_that_changes_how_the_prompt_is_rendered_begins_where_the_two_part(tiny_model):
    from transformers import AutoTokenizer

    odd = AutoTokenizer.from_pretrained(tiny_model)
    odd.chat_template = (
        "{% for m in messages %}{{ m['role'] + ':' + m['content'] + '\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ 'assistant?' }}{% endif %}"
    )
    row = encode(Encoder(odd), ["the question"], ["an answer"]).row(0, named=True)
    assert text_of(odd, row["labels"]) == ":an answer\n"


def test_a_model_learns_from_the_prompt_that_it_is_asked_with(tiny_model):
    from transformers import AutoTokenizer

    from dreamsmk.providers.local.prompts import prompt_tokens
    from dreamsmk.requests import Message, ModelIdentity, Request

    thinking = AutoTokenizer.from_pretrained(tiny_model)
    thinking.chat_template = (
        "{% for m in messages %}{{ m['role'] + ':' + m['content'] + '\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ 'assistant:' + ('' if enable_thinking else 'no thoughts:') }}{% endif %}"
    )
    request = Request(ModelIdentity("transformers", str(tiny_model)), (Message("user", "the question"),))
    for values in ({}, {"enable_thinking": True}):
        asked = prompt_tokens(request, thinking, is_chat=True, chat_template=None, template_values=values)
        assert Encoder(thinking, template_values=values).prompts(["the question"]) == [asked]
    assert thinking.decode(asked) == "user:the question\nassistant:"


def test_a_template_that_asks_for_the_day_is_told_that_of_local_models(tokenizer, tiny_model):
    from transformers import AutoTokenizer

    dated = AutoTokenizer.from_pretrained(tiny_model)
    dated.chat_template = "{{ strftime_now('%d %B %Y') + '\n' }}" + tokenizer.chat_template
    row = encode(Encoder(dated), ["the question"], ["an answer"]).row(0, named=True)
    assert dated.decode(row["input_ids"]).startswith("26 July 2024\n")


def test_a_row_of_one_token_teaches_nothing(tokenizer):
    with pytest.raises(TrainingError, match=r"row 1 "):
        labelled_table([([1, 2], [1, 2]), ([3], [3])], max_length=9, truncate=False, where="t")


def test_rows_that_are_too_long_are_named(tokenizer):
    long = "the of and " * 40
    with pytest.raises(TrainingError) as caught:
        encode(Encoder(tokenizer), ["a", long, "a", "a"], ["b", "b", "b", long], max_length=64)
    assert "2 rows have more than 64 tokens" in str(caught.value)
    assert "rows 1, 3 (from 0)" in str(caught.value)
    assert "truncate" in str(caught.value)


def test_truncation_cuts_the_end_of_the_output(tokenizer):
    long = "the of and " * 40
    frame = encode(Encoder(tokenizer), ["the question"], [long], max_length=64, truncate=True)
    row = frame.row(0, named=True)
    assert len(row["input_ids"]) == len(row["labels"]) == 64
    assert text_of(tokenizer, row["labels"]).startswith("the of and the of and")


def test_a_row_that_truncation_leaves_nothing_to_learn_from_is_an_error(tokenizer):
    with pytest.raises(TrainingError, match=r"no token of their output(.|\n)*row 1 \(from 0\)"):
        encode(Encoder(tokenizer), ["a", "the of and " * 40], ["b", "b"], max_length=64, truncate=True)


def test_rows_beyond_the_first_chunk_are_counted_from_the_start_of_the_table(tokenizer):
    prompts = ["a"] * 1200 + ["the of and " * 40]
    with pytest.raises(TrainingError, match=r"row 1200 \(from 0\)"):
        encode(Encoder(tokenizer), prompts, ["b"] * 1201, max_length=64)


def test_many_rows_are_not_all_listed():
    assert rows_in_words(range(9)) == "rows 0, 1, 2, 3, 4 and 4 more (from 0)"


def test_a_table_without_rows_is_refused(tmp_path):
    make_rows(3).clear().write_parquet(tmp_path / "t.parquet")
    with pytest.raises(TableError, match="no rows to train on"):
        read_pairs(tmp_path / "t.parquet", "question", "answer")


def test_a_cell_without_a_value_is_named_by_its_row(tmp_path):
    pl.DataFrame({"question": ["a", None, "c"], "answer": ["x", "y", "z"]}).write_parquet(tmp_path / "t.parquet")
    with pytest.raises(TableError, match=r"'question'(.|\n)*row 1"):
        read_pairs(tmp_path / "t.parquet", "question", "answer")


def test_a_missing_column_is_named_with_the_nearest(tmp_path):
    make_rows(3).write_parquet(tmp_path / "t.parquet")
    with pytest.raises(TableError, match="did you mean 'answer'"):
        read_pairs(tmp_path / "t.parquet", "question", "answers")
