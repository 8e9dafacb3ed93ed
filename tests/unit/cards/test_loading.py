"""The snippets of cards run as they stand, on tiny models."""

import contextlib
import io
import json
import re
import warnings
from pathlib import Path

import pytest

from dreamsmk.cards import Statement, build_card, card_markdown, trace, view_of_targets
from tests.tiny.encoders import make_tiny_classifier, make_tiny_encoder
from tests.tiny.model import make_tiny_adapter, make_tiny_model
from tests.tiny.seq2seq import make_tiny_t5
from tests.unit.cards.made_models import BASE_MODEL, at_openai, trained
from tests.unit.cards.records import RecordFolder
from tests.wire.server import WireServer

STUDENT = Path("results/student")
BASE = Path("models/smollm2")


def snippet_of(record, tmp_path):
    """Returns the snippet of the card of what a record left."""
    stored = RecordFolder(tmp_path / "records")
    for one in (BASE_MODEL, record):
        stored.add(one)
    targets = [Path(record["outputs"]["model"]["path"])]
    card = build_card(view_of_targets(trace(targets, stored), targets), Statement())
    (found,) = re.findall(r"```python\n(.*?)\n```", card_markdown(card), re.DOTALL)
    return found


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs the snippet of the card of a training, and returns it and what it prints."""
    monkeypatch.chdir(tmp_path)

    def told(trainer, **given):
        snippet = snippet_of(trained("student", trainer, **given), tmp_path)
        out = io.StringIO()
        with contextlib.redirect_stdout(out), warnings.catch_warnings():
            # peft and torch of these versions say to one another what will change
            warnings.simplefilter("ignore")
            exec(compile(snippet.replace("…", "who has been there"), "snippet", "exec"), {})  # is the test
        return snippet, out.getvalue()

    return told


def copy_tokenizer(source, target):
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "special_tokens_map.json"):
        if (source / name).is_file():
            (target / name).write_bytes((source / name).read_bytes())


def adapted(folder, model, task_type):
    from peft import LoraConfig, get_peft_model

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj"], task_type=task_type))
    made.save_pretrained(folder)
    made.config.save_pretrained(folder)
    copy_tokenizer(BASE, folder)


def test_an_adapter_of_a_language_model_answers(run):
    make_tiny_adapter(STUDENT, make_tiny_model(BASE))
    copy_tokenizer(BASE, STUDENT)
    snippet, said = run("dpo")
    assert "PeftModel" in snippet
    assert "apply_chat_template" in snippet
    assert said.strip()


def test_a_whole_model_without_a_chat_template_goes_on_with_a_text(run):
    make_tiny_model(STUDENT)
    (STUDENT / "chat_template.jinja").unlink()
    snippet, said = run("fine_tune")
    assert "apply_chat_template" not in snippet
    assert said.strip()


def test_a_sequence_to_sequence_model_answers(run):
    make_tiny_t5(STUDENT)
    snippet, _ = run("fine_tune")
    assert "AutoModelForSeq2SeqLM" in snippet


def test_an_adapter_of_a_classifier_gives_its_labels(run):
    from transformers import AutoModelForSequenceClassification

    make_tiny_model(BASE)
    labels = {0: "bad", 1: "fair", 2: "good"}
    head = {"num_labels": 3, "id2label": labels, "label2id": {name: i for i, name in labels.items()}}
    adapted(STUDENT, AutoModelForSequenceClassification.from_pretrained(BASE, **head), "SEQ_CLS")
    _, said = run("classifier")
    assert all(name in said for name in labels.values())


@pytest.mark.parametrize("problem", ["multi_label_classification", "single_label_classification"])
def test_a_whole_classifier_gives_its_labels(run, problem):
    make_tiny_classifier(STUDENT, ("red", "blue", "green"), problem_type=problem)
    snippet, said = run("classifier")
    assert ("sigmoid" in snippet) is problem.startswith("multi")
    assert said.startswith("[") or "'red':" in said


@pytest.mark.parametrize("is_chat", [True, False])
def test_a_reward_model_gives_a_number(run, is_chat):
    from transformers import AutoModelForSequenceClassification

    make_tiny_model(BASE)
    if not is_chat:
        (BASE / "chat_template.jinja").unlink()
    adapted(STUDENT, AutoModelForSequenceClassification.from_pretrained(BASE, num_labels=1), "SEQ_CLS")
    snippet, said = run("reward_model")
    assert ("apply_chat_template" in snippet) is is_chat
    float(said)


@pytest.mark.parametrize("prompts", [{}, {"query": "query: ", "document": "passage: "}])
def test_an_embedding_model_compares_texts(run, prompts):
    make_tiny_encoder(STUDENT, prompts=prompts or None)
    snippet, said = run("embedding_model")
    assert ("encode_query" in snippet) is bool(prompts)
    assert "tensor" in said


def test_a_setfit_model_gives_labels(run):
    import numpy as np

    from dreamsmk.tasks.training.encoders.setfit_head import Head
    from dreamsmk.tasks.training.rows.labels import LabelSet

    make_tiny_encoder(STUDENT)
    vectors = np.eye(32)[:4]
    Head.fitted(vectors, [0, 1, 0, 1], is_multi=False).write(STUDENT, LabelSet(("bad", "good"), is_multi=False))
    _, said = run("setfit")
    assert "bad" in said or "good" in said


def test_a_model_of_a_service_is_asked_by_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    snippet = snippet_of(at_openai(), tmp_path)
    with WireServer() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.openai_url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
        exec(compile(snippet, "snippet", "exec"), {})  # is the test
        asked = server.last.body
    assert asked["model"] == "ft:gpt-4.1-mini-2025-04-14:acme::abc123"
    assert "Answer in one word." in json.dumps(asked["messages"])
