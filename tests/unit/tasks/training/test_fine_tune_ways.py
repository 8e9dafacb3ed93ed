from __future__ import annotations

import shutil

import polars as pl
import pytest

from dreamsmk.errors import SettingsError, TableError, TrainingError
from dreamsmk.tasks.training.frame.quiet import quiet_libraries
from tests.tiny import CHATML
from tests.unit.tasks.training.job import Job, Recorder, make_rows
from tests.unit.tasks.training.test_chats import UNMARKED, chat
from tests.unit.tasks.training.test_fine_tune import Stopped, answer_of, stop_at

NOISY = {"epochs": 3, "batch_size": 4, "save_steps": 1}


def make_chats(count: int) -> pl.DataFrame:
    pairs = make_rows(count).rows()
    return pl.DataFrame({"chat": [chat(question, answer, answer, question) for question, answer in pairs]})


def test_chats_are_learnt(tmp_path, tiny_model):
    rows = pl.DataFrame({"chat": [chat("the", "to be"), chat("of", "not he")] * 4})
    job = Job(tmp_path / "job", tiny_model, given={"messages": "chat"})
    facts = job.run(rows, rows, epochs=40, lora={"r": 16, "alpha": 32})
    assert facts["final_loss"] < 0.1 < facts["first_loss"]
    assert answer_of(job.output, tiny_model, "of") == "not he"


def test_texts_are_learnt_from_their_beginning_to_their_end(tmp_path, tiny_model):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    job = Job(tmp_path / "job", tiny_model, given={"text": "text"})
    job.run(pl.DataFrame({"text": ["the of and to in"] * 8}), epochs=40, lora={"r": 16, "alpha": 32})
    with quiet_libraries():
        tokenizer = AutoTokenizer.from_pretrained(job.output)
        model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_model), job.output)
    ids = model.generate(**tokenizer(["the"], return_tensors="pt"), max_new_tokens=20, do_sample=False)
    assert tokenizer.decode(ids[0]) == "the of and to in<|im_end|>"


def test_texts_need_no_chat_template(tmp_path, tiny_model):
    bare = tmp_path / "bare"
    shutil.copytree(tiny_model, bare)
    (bare / "chat_template.jinja").unlink()
    assert Job(tmp_path / "job", bare, given={"text": "question"}).run(make_rows(4), max_steps=1)["steps"] == 1


@pytest.mark.parametrize("lora", [{"r": 4, "dropout": 0.2}, None], ids=["lora", "full"])
@pytest.mark.parametrize(
    ("given", "rows"),
    [({"messages": "chat"}, make_chats(10)), ({"text": "question", "split": True, "max_length": 6}, make_rows(10))],
    ids=["messages", "text"],
)
def test_a_run_that_was_stopped_ends_as_an_unbroken_one(tmp_path, tiny_model, given, rows, lora):
    given = given | {"lora": lora, "learning_rate": 1e-3}
    whole, broken = (Job(tmp_path / name, tiny_model, given=given) for name in ("whole", "broken"))
    whole.run(rows, rows[:2], **NOISY)
    broken.progress = Recorder(at_step=stop_at(5))
    with pytest.raises(Stopped):
        broken.run(rows, rows[:2], **NOISY)
    broken.progress = Recorder()
    broken.run(rows, rows[:2], **NOISY)
    assert broken.progress.notes == ["going on from checkpoint-4"]
    assert broken.files() == whole.files()


@pytest.mark.parametrize("source", ["parameter", "file"])
def test_a_chat_template_that_is_given_is_trained_with_and_left_in_the_tokenizer(tmp_path, tiny_model, source):
    bare = tmp_path / "bare"
    shutil.copytree(tiny_model, bare)
    (bare / "chat_template.jinja").unlink()
    job = Job(tmp_path / "job", bare)
    job.folder.mkdir()
    make_rows(4).write_parquet(tmp_path / "rows.parquet")
    (tmp_path / "t.jinja").write_text(UNMARKED)
    inputs = {"train": [tmp_path / "rows.parquet"]}
    if source == "file":
        facts = job.run_files(inputs | {"chat_template": [tmp_path / "t.jinja"]}, {"max_steps": 1})
    else:
        facts = job.run_files(inputs, {"max_steps": 1, "chat_template": UNMARKED})
    assert job.files()["chat_template.jinja"].decode() == UNMARKED
    assert facts["hyper_parameters"]["chat_template"] == UNMARKED
    with pytest.raises(SettingsError, match="both as a parameter and as a file"):
        job.run_files(inputs | {"chat_template": [tmp_path / "t.jinja"]}, {"chat_template": UNMARKED})


def test_a_second_round_goes_on_with_the_template_of_the_first(tmp_path, tiny_model):
    # round one writes other marks into its tokenizer, and its adapter is asked through that
    first, second = Job(tmp_path / "one", tiny_model), Job(tmp_path / "two", tiny_model)
    first.run(make_rows(4), max_steps=1, chat_template=CHATML.replace("user", "human"))
    second.spec = {"adapter": str(first.output)}
    second.run(make_rows(4), max_steps=1)
    assert second.files()["chat_template.jinja"] == first.files()["chat_template.jinja"]


def test_a_template_for_a_model_that_is_used_without_one_is_refused(tmp_path, tiny_model):
    job = Job(tmp_path, tiny_model, spec={"options": {"chat": False}})
    with pytest.raises(SettingsError, match="used without a chat template"):
        job.run(make_rows(2), chat_template=CHATML)


def test_an_instruction_in_a_file_goes_with_questions(tmp_path, tiny_model):
    make_rows(4).write_parquet(tmp_path / "rows.parquet")
    (tmp_path / "instruction.txt").write_text("turn it around")
    inputs = {"train": [tmp_path / "rows.parquet"], "instruction": [tmp_path / "instruction.txt"]}
    with pytest.raises(SettingsError, match="an instruction goes with `inputs`"):
        Job(tmp_path / "job", tiny_model, given={"text": "question"}).run_files(inputs, {})


def test_faults_of_chats_and_texts_are_found_before_the_first_step(tmp_path, tiny_model):
    chats, texts = (Job(tmp_path / name, tiny_model, given={name: "c"}) for name in ("messages", "text"))
    with pytest.raises(TrainingError, match=r"says nothing in 1 chats(.|\n)*validation\.parquet(.|\n)*row 0 "):
        chats.run(pl.DataFrame({"c": [chat("a", "b")]}), pl.DataFrame({"c": [chat("a")]}))
    with pytest.raises(TableError, match="row 1"):
        texts.run(pl.DataFrame({"c": ["a", None]}))
    with pytest.raises(TrainingError, match=r"more than 512 tokens(.|\n)*row 0 "):
        texts.run(pl.DataFrame({"c": ["the of and " * 300]}), max_length=4096)
    assert chats.progress.steps == texts.progress.steps == []
