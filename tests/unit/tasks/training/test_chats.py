from __future__ import annotations

import json

import polars as pl
import pytest

from dreamsmk.errors import SettingsError, TableError, TrainingError
from dreamsmk.tasks.training.frame.quiet import quiet_libraries
from dreamsmk.tasks.training.rows.chats import encode_chats, read_chats
from dreamsmk.tasks.training.rows.examples import IGNORED, Encoder, encode_pairs
from tests.tiny import CHATML

# as of SmolLM2: nothing says what the assistant wrote
UNMARKED = CHATML.replace("{% generation %}", "").replace("{% endgeneration %}", "")
# as of Qwen3 and its kind: what the assistant said before is shortened once the chat goes on
FORGETFUL = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}"
    "{{ m['content'] if loop.last or m['role'] != 'assistant' else '...' }}{{ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LIMITS = {"max_length": 512, "truncate": False, "where": "t.parquet"}


def chat(*texts: str, system: str | None = None) -> list[dict[str, str]]:
    first = [] if system is None else [{"role": "system", "content": system}]
    roles = ["user", "assistant"] * len(texts)
    return [*first, *({"role": role, "content": text} for role, text in zip(roles, texts, strict=False))]


CHATS = [chat("the", "of and", "to", "in a is", system="be kind"), chat("for", "it")]


@pytest.fixture
def tokenizer(tiny_model):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_model)


def said(tokenizer, frame: pl.DataFrame) -> list[str]:
    """What of each row has labels, its runs parted by a bar."""
    shown = []
    for labels in frame["labels"].to_list():
        runs = [[]]
        for label in labels:
            if label == IGNORED and runs[-1]:
                runs.append([])
            elif label != IGNORED:
                runs[-1].append(label)
        shown.append("|".join(tokenizer.decode(run) for run in runs if run))
    return shown


def encode(tokenizer, template: str, turns: str = "all", chats=CHATS, **limits) -> pl.DataFrame:
    tokenizer.chat_template = template
    return encode_chats(chats, Encoder(tokenizer), turns, **{**LIMITS, **limits})


def test_the_marks_of_a_template_say_what_the_assistant_wrote(tokenizer):
    assert said(tokenizer, encode(tokenizer, CHATML)) == ["of and<|im_end|>|in a is<|im_end|>", "it<|im_end|>"]
    assert said(tokenizer, encode(tokenizer, CHATML, "last")) == ["in a is<|im_end|>", "it<|im_end|>"]


def test_labels_of_a_marked_template_are_those_that_trl_prepares(tokenizer, tiny_model, tmp_path):
    import datasets
    import trl

    args = trl.SFTConfig(
        str(tmp_path),
        use_cpu=True,
        bf16=False,
        activation_checkpointing=False,
        report_to="none",
        assistant_only_loss=True,
    )
    with quiet_libraries():
        datasets.disable_progress_bars()
        trainer = trl.SFTTrainer(
            str(tiny_model),
            args=args,
            train_dataset=datasets.Dataset.from_dict({"messages": CHATS}),
            processing_class=tokenizer,
        )
        datasets.enable_progress_bars()
    ours = encode(tokenizer, CHATML)
    assert ours["labels"].to_list() == list(trainer.train_dataset["labels"])
    assert ours["input_ids"].to_list() == list(trainer.train_dataset["input_ids"])


def test_without_marks_each_turn_is_found_by_what_comes_before_it(tokenizer):
    assert said(tokenizer, encode(tokenizer, UNMARKED)) == ["of and<|im_end|>\n|in a is<|im_end|>\n", "it<|im_end|>\n"]
    assert said(tokenizer, encode(tokenizer, UNMARKED, "last")) == ["in a is<|im_end|>\n", "it<|im_end|>\n"]


def test_a_chat_of_one_question_is_learnt_from_as_a_pair(tokenizer):
    ours = encode(tokenizer, UNMARKED, chats=[chat("the question", "an answer", system="be kind")])
    pairs = encode_pairs(["the question"], ["an answer"], Encoder(tokenizer, system_prompt="be kind"), **LIMITS)
    assert ours.equals(pairs)


def test_a_template_that_shortens_earlier_turns_teaches_the_last_one_alone(tokenizer):
    with pytest.raises(TrainingError, match=r"otherwise once there are later ones(.|\n)*row 0 .*message 2(.|\n)*last"):
        encode(tokenizer, FORGETFUL)
    assert said(tokenizer, encode(tokenizer, FORGETFUL, "last")) == ["in a is<|im_end|>\n", "it<|im_end|>\n"]


def test_chats_that_are_too_long_are_named_and_cut_on_demand(tokenizer):
    long = [*CHATS, chat("the", "of and " * 100)]
    with pytest.raises(TrainingError, match=r"1 rows have more than 64 tokens(.|\n)*row 2 "):
        encode(tokenizer, UNMARKED, chats=long, max_length=64)
    frame = encode(tokenizer, UNMARKED, chats=long, max_length=64, truncate=True)
    assert frame["input_ids"].list.len().max() == 64


def test_chats_need_a_template(tokenizer):
    with pytest.raises(SettingsError, match=r"laid out by a chat template(.|\n)*chat_template"):
        encode_chats(CHATS, Encoder(tokenizer, is_chat=False), "all", **LIMITS)


def read(tmp_path, cells, **given):
    pl.DataFrame({"chat": cells}, strict=False).write_parquet(tmp_path / "t.parquet")
    return read_chats(tmp_path / "t.parquet", "chat", **given)


def test_chats_are_lists_or_json(tmp_path):
    assert read(tmp_path, CHATS) == CHATS
    assert read(tmp_path, [json.dumps(each) for each in CHATS]) == CHATS


def test_what_comes_after_the_last_word_of_the_assistant_is_left_out(tmp_path):
    assert read(tmp_path, [chat("the", "of", "and")]) == [chat("the", "of")]


def test_a_system_prompt_begins_chats_that_have_none(tmp_path):
    assert read(tmp_path, [chat("the", "of")], system_prompt="be kind") == [chat("the", "of", system="be kind")]
    with pytest.raises(SettingsError, match=r"system message of their own \(row 0 "):
        read(tmp_path, CHATS, system_prompt="be brief")


def test_chats_in_which_the_assistant_says_nothing_are_named(tmp_path):
    with pytest.raises(TrainingError, match=r"says nothing in 2 chats(.|\n)*rows 1, 2 "):
        read(tmp_path, [json.dumps(chat("the", "of")), json.dumps(chat("the")), "only a text"])


def test_what_is_no_chat_is_named_by_its_row(tmp_path):
    with pytest.raises(TableError, match=r"row 1 "):
        read(tmp_path, [chat("the", "of"), None])
    with pytest.raises(TableError, match="no rows"):
        read_chats(_empty(tmp_path), "chat")
    with pytest.raises(TableError, match="did you mean 'chat'"):
        read_chats(_empty(tmp_path), "chats")


def _empty(tmp_path):
    pl.DataFrame({"chat": CHATS}).clear().write_parquet(tmp_path / "empty.parquet")
    return tmp_path / "empty.parquet"
