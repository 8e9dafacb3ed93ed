import itertools
from pathlib import Path

import polars as pl
import pytest
import yaml

from dreamsmk.cards import Statement, View, build_card, card_markdown, check_card, read_scores, trace
from dreamsmk.errors import CardError
from dreamsmk.tables import write_table
from tests.unit.cards.made_models import BASE_MODEL, LORA, VALIDATION, local, trained
from tests.unit.cards.records import RecordFolder, folder, read, record, table
from tests.unit.cards.test_model_entry import FOLDERS

QUIZ = {"path": "data/quiz.csv", "kind": "table", "digest": "xxh3:" + "ab" * 16, "size_bytes": 100, "rows": 5}
STUDENT = trained("student", "fine_tune")
NEXT = trained("next", "dpo", adapter=folder("results/student"))


def asked(rule, **models):
    """The record of a table that models answered, by alias or by column and alias."""
    entries = {alias: local("models/smollm2", path) for alias, path in models.values() if path}
    entries |= {alias: local("models/smollm2") for alias, path in models.values() if not path}
    inputs = {"table": [QUIZ], "model_a": [read(folder("models/smollm2"))]}
    for alias, path in models.values():
        if path:
            inputs[f"adapter_{alias}"] = [read(folder(path))]
    columns = dict.fromkeys(["answer", *models], "String")
    made = record(
        rule, "generate_sample", inputs=inputs, outputs={"table": table(f"results/{rule}.parquet", 5, **columns)}
    )
    named = {"model": next(iter(models.values()))[0]} if "model" in models else None
    positions = named or {f"models/{column}": alias for column, (alias, _) in models.items()}
    return made | {"models": entries, "positions": positions}


def measured(*tables, models=None, positions=None, **params):
    """The record of scores of tables."""
    inputs = {"table": [read(next(iter(one["outputs"].values()))) for one in tables]}
    for entry in (models or {}).values():
        inputs.setdefault("model_a", []).append(read(folder(entry["spec"]["model"])))
        if "adapter" in entry["spec"]:
            inputs.setdefault("adapter_a", []).append(read(folder(entry["spec"]["adapter"])))
    made = record(
        "scores",
        "evaluate",
        inputs=inputs,
        outputs={"scores": table("scores.parquet", 2)},
        params=params,
        facts={"signatures": {"chrf": "nrefs:1"}},
    )
    return made | {"models": models or {}, "positions": positions or {}}


@pytest.fixture
def scored(tmp_path, monkeypatch):
    """Makes the card of a model with a table of scores."""
    monkeypatch.chdir(tmp_path)

    folders = (tmp_path / f"records{number}" for number in itertools.count())

    def make(rows, *records, of=STUDENT, folder_of=LORA, own_name=None, **view):
        stored = RecordFolder(next(folders))
        for one in (BASE_MODEL, STUDENT, NEXT, of, *records):
            stored.add(one)
        write_table(pl.DataFrame(rows), Path("scores.parquet"))
        path = Path(of["outputs"]["model"]["path"])
        view = View(trace([path], stored), folders={of["fingerprint"]: folder_of}, **view)
        scores = read_scores(Path("scores.parquet"), stored, model=of["fingerprint"], own_name=own_name)
        card = build_card(view, Statement(), scores=[scores])
        check_card(card)
        return card

    return make


def results(card):
    found = yaml.safe_load(card_markdown(card).split("---\n")[1]).get("model-index") or [{"results": []}]
    return found[0]["results"]


PLAIN = [
    {"metric": "accuracy", "value": 0.81234, "low": 0.7, "high": 0.9, "rows": 100},
    {"metric": "f1_macro", "value": None, "low": None, "high": None, "rows": 0},
]
BY_NAME = [
    {"name": name, "metric": metric, "value": value, "low": None, "high": None, "rows": 5}
    for name, values in {"base": (0.1, 20.5), "tuned": (0.5, 40.25)}.items()
    for metric, value in zip(("exact_match", "chrf"), values, strict=True)
]


def test_scores_of_what_a_model_wrote_are_its_own(scored):
    answers = asked("answers", model=("tuned", "results/student"))
    card = scored(PLAIN, answers, measured(answers, predictions="generations"))
    text = card_markdown(card)
    assert "## Evaluation" in text
    assert "| accuracy | 0.8123 | 0.7 – 0.9 | 100 |" in text
    assert "| F1 (macro) | – |  | 0 |" in text
    assert (
        "measured by **scores** (`evaluate`) on `results/answers.parquet` (5 rows), which comes from `data/quiz.csv`:"
        in text
    )
    (only,) = results(card)
    assert only["dataset"] == {"type": "quiz", "name": "data/quiz.csv"}
    assert only["metrics"] == [{"type": "accuracy", "value": 0.8123, "name": "accuracy"}]


def test_scores_of_another_model_are_shown_and_not_claimed(scored):
    answers = asked("answers", model=("plain", None))
    card = scored(PLAIN, answers, measured(answers, predictions="generations"))
    assert results(card) == []
    assert "The records do not say that these are scores of this model." in card_markdown(card)


def test_scores_of_a_later_round_are_not_those_of_an_earlier_one(scored):
    answers = asked("answers", model=("next", "results/next"))
    assert results(scored(PLAIN, answers, measured(answers))) == []
    assert len(results(scored(PLAIN, answers, measured(answers), of=NEXT))) == 1


def test_the_columns_of_several_models_are_told_apart(scored):
    both = asked("both", before=("plain", None), after=("tuned", "results/student"))
    predictions = {"base": "before", "tuned": "after"}
    card = scored(BY_NAME, both, measured(both, predictions=predictions))
    text = card_markdown(card)
    assert "| Metric | base | **tuned** | Rows |" in text
    assert "| chrF | 20.5 | 40.25 | 5 |" in text
    assert "This model is **tuned**. chrF: `nrefs:1`." in text
    (only,) = results(card)
    assert [metric["value"] for metric in only["metrics"]] == [0.5, 40.25]
    # what one column scores is not what the other one's model scores
    assert results(scored(PLAIN, both, measured(both, predictions="before"))) == []
    assert len(results(scored(PLAIN, both, measured(both, predictions="after")))) == 1


def test_tables_by_name_are_told_apart(scored):
    tables = [asked("one", model=("plain", None)), asked("two", model=("tuned", "results/student"))]
    card = scored(BY_NAME, *tables, measured(*tables, names=["base", "tuned"], predictions="generations"))
    assert card["evaluations"][0]["own_name"] == "tuned"
    assert [source["name"] for source in card["evaluations"][0]["sources"]] == ["data/quiz.csv"]


def test_models_by_name_are_told_apart(scored):
    answers = asked("answers", model=("writer", None))
    models = {"plain": local("models/smollm2"), "mine": local("models/smollm2", "results/student")}
    positions = {"model/base": "plain", "model/tuned": "mine"}
    scores = measured(answers, models=models, positions=positions, model={"base": None, "tuned": None})
    assert scored(BY_NAME, answers, scores)["evaluations"][0]["own_name"] == "tuned"


def test_the_author_says_which_name_is_the_model(scored):
    unknown = record("joined", "join", inputs={"table": [QUIZ]}, outputs={"table": table("results/joined.parquet", 5)})
    card = scored(BY_NAME, unknown, measured(unknown, predictions={"base": "a", "tuned": "b"}))
    assert "The records do not say which of these this model is." in card_markdown(card)
    assert results(card) == []
    card = scored(BY_NAME, unknown, measured(unknown, predictions={"base": "a", "tuned": "b"}), own_name="base")
    assert [metric["value"] for metric in results(card)[0]["metrics"]] == [0.1, 20.5]


def test_a_name_that_is_not_in_the_scores_is_an_error(scored):
    with pytest.raises(CardError, match="one of: base, tuned"):
        scored(BY_NAME, own_name="tund")


def test_a_table_without_scores_is_an_error(scored):
    with pytest.raises(CardError, match="`metric` and `value`"):
        scored([{"text": "a"}])


def test_scores_that_no_record_knows_are_shown_as_they_are(scored):
    card = scored([{"metric": "wer", "value": 3}])
    assert card["evaluations"][0]["made_by"] is None
    assert "| wer | 3 |  |" in card_markdown(card)
    assert results(card) == []
    assert len(results(scored([{"metric": "wer", "value": 3}], own_name="student"))) == 1


def test_groups_have_lines_and_the_metadata_the_scores_of_all_rows(scored):
    rows = [
        {"topic": topic, "metric": "rougeL", "value": value, "low": None, "high": None, "rows": 2}
        for topic, value in ((None, 0.5), ("law", 0.25), ("art", 0.75))
    ]
    answers = asked("answers", model=("tuned", "results/student"))
    card = scored(rows, answers, measured(answers, by=["topic"]))
    text = card_markdown(card)
    assert "| topic | Metric | Score | Rows |\n| --- | --- | ---: | ---: |\n| all | ROUGE-L | 0.5 | 2 |" in text
    assert "| art | ROUGE-L | 0.75 | 2 |" in text
    assert results(card)[0]["metrics"] == [{"type": "rouge", "value": 0.5, "name": "ROUGE-L"}]


def test_wins_and_losses_are_counts_and_no_scores(scored):
    rows = [
        {"metric": metric, "value": value, "low": None, "high": None, "rows": 10}
        for metric, value in (("win_rate", 0.6), ("wins", 6.0), ("losses", 4.0))
    ]
    answers = asked("answers", model=("tuned", "results/student"))
    card = scored(rows, answers, measured(answers))
    assert "| wins | 6 | 10 |" in card_markdown(card)
    assert [metric["type"] for metric in results(card)[0]["metrics"]] == ["win_rate"]


def test_a_long_table_is_folded_and_a_very_long_one_is_cut(scored):
    rows = [
        {"topic": f"t{i}", "metric": "bleu", "value": float(i), "low": None, "high": None, "rows": 1}
        for i in range(500)
    ]
    card = scored(rows)
    assert len(card["evaluations"][0]["rows"]) == 200
    assert "The first 200 of 500 scores." in card_markdown(card)
    assert "<summary>170 more</summary>" in card_markdown(card)


def test_a_data_set_of_the_hub_is_named_by_its_id(scored):
    loaded = table("results/loaded.parquet", 5)
    load = record(
        "load",
        "load_hub",
        outputs={"table": loaded},
        facts={
            "source": {"name": "nyu-mll/glue", "kind": "dataset", "url": "https://huggingface.co/datasets/nyu-mll/glue"}
        },
    )
    answers = asked("answers", model=("tuned", "results/student"))
    answers["inputs"]["table"] = [read(loaded)]
    card = scored(PLAIN, load, answers, measured(answers))
    assert results(card)[0]["dataset"] == {"type": "nyu-mll/glue", "name": "nyu-mll/glue"}


def test_the_hub_reads_the_scores(scored):
    from huggingface_hub import ModelCard

    answers = asked("answers", model=("tuned", "results/student"))
    data = ModelCard(card_markdown(scored(PLAIN, answers, measured(answers)))).data
    (result,) = data.eval_results
    assert (result.metric_type, result.metric_value, result.dataset_name) == ("accuracy", 0.8123, "data/quiz.csv")
    assert data.to_dict()["metrics"] == ["accuracy"]


@pytest.mark.parametrize(("kept", "accuracy"), [(None, 0.75), (1, 0.875)])
def test_what_a_classifier_scores_on_its_validation_rows_reaches_the_metadata(scored, kept, accuracy):
    made = trained("labeller", "classifier", facts={"kept_step": kept})
    history = [
        {"step": 1, "loss": 0.5, "eval_loss": 0.4, "eval_accuracy": 0.875, "eval_f1_macro": 0.5},
        {"step": 2, "loss": 0.4, "eval_loss": 0.5, "eval_accuracy": 0.75, "eval_f1_macro": 0.25},
        {"step": 3, "loss": 0.3, "eval_loss": None, "eval_accuracy": None, "eval_f1_macro": None},
    ]
    histories = {made["fingerprint"]: history}
    card = scored(BY_NAME, of=made, folder_of=FOLDERS["classifier"], loss_history=histories)
    (only,) = results(card)
    assert only["task"] == {"type": "text-classification"}
    assert only["dataset"] == {"type": "validation", "name": VALIDATION["path"], "split": "validation"}
    assert only["metrics"][0] == {"type": "accuracy", "value": accuracy, "name": "accuracy"}
    assert [metric["type"] for metric in only["metrics"]] == ["accuracy", "f1"]


def test_accuracies_of_an_alignment_are_no_scores_of_a_model(scored):
    history = [{"step": 1, "loss": 0.5, "eval_loss": 0.4, "eval_rewards/accuracies": 0.9, "eval_accuracy": 0.9}]
    assert results(scored(BY_NAME, of=NEXT, loss_history={NEXT["fingerprint"]: history})) == []
