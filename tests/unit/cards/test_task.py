import json
from pathlib import Path

import polars as pl
import pytest
import yaml

from dreamsmk.cards import check_card, read_sample
from dreamsmk.cards.ancestry import extra_identity
from dreamsmk.cards.task import card, columns, write_card
from dreamsmk.errors import CardError
from dreamsmk.hashing import DigestMemo
from dreamsmk.store import Home, Records
from dreamsmk.tables import write_table
from dreamsmk.tasks.context import Context
from tests.unit.cards.records import GPT4, TRAINING, folder, model, record, table


class Quiet:
    def update(self, done, total=None, **facts):
        pass

    def note(self, text):
        pass


def no_model(alias):
    raise AssertionError(f"a card asks no model, not even {alias}")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with a table, a trained model and a sample, and their records in a store."""
    monkeypatch.chdir(tmp_path)
    rows = pl.DataFrame({"abstracts": ["We | show"] * 4, "tweets": ["x" * 900, None, "b", "c"]})
    write_table(rows, Path("tweets.parquet"))
    write_table(pl.DataFrame({"before": ["bla"], "after": ["Great!"]}), Path("sample.parquet"))
    Path("student").mkdir()
    Path("student/config.json").write_text('{"architectures": ["LlamaForSequenceClassification"]}')
    write_table(pl.DataFrame({"step": [1, 2], "loss": [3.5, 1.25]}), Path("student/history.parquet"))

    home = Home(tmp_path / ".dreamsmk")
    memo = DigestMemo(home.digests)
    records = Records(home, memo)
    made = {name: memo.of(Path(name)) for name in ("tweets.parquet", "sample.parquet", "student")}
    tweets = table("tweets.parquet", 4, abstracts="String", tweets="String") | {"digest": made["tweets.parquet"]}
    student = folder("student") | {"digest": made["student"]}
    sample = table("sample.parquet", 1, before="String", after="String") | {"digest": made["sample.parquet"]}
    teacher = {"teacher": model("gpt-4", calls=4)}
    inputs = {"train": [tweets]}
    for step in (
        record("tweets", "process_with_prompt", outputs={"table": tweets}, models=teacher),
        record("student", "fine_tune", inputs=inputs, outputs={"model": student}, facts={"training": TRAINING}),
        record("sample", "generate_sample", outputs={"table": sample}, models=teacher, params={"temperature": 0.5}),
    ):
        records.write(step)
    return records


def context(tmp_path, targets, samples=(), settings=None, scores=(), **params):
    return Context(
        params=params,
        inputs={
            "target": [Path(t) for t in targets],
            **({"sample": [Path(s) for s in samples]} if samples else {}),
            **({"scores": [Path(s) for s in scores]} if scores else {}),
        },
        outputs={"json": tmp_path / "card.json", "markdown": tmp_path / "card.md"},
        scratch=tmp_path,
        model=no_model,
        progress=Quiet(),
        settings=settings or {},
        home=tmp_path / ".dreamsmk",
    )


def test_both_cards_are_written_and_say_the_same(project, tmp_path):
    job = context(tmp_path, ["tweets.parquet"], title="Tweets", license="mit")
    card(job)
    made = json.loads((tmp_path / "card.json").read_text())
    check_card(made)
    text = (tmp_path / "card.md").read_text()
    assert yaml.safe_load(text.split("---\n")[1])["license"] == "mit"
    assert made["workflow_fingerprint"] in text
    assert job.facts["workflow_fingerprint"] == made["workflow_fingerprint"]


def test_written_twice_the_files_have_the_same_bytes(project, tmp_path):
    written = []
    for _ in range(2):
        card(context(tmp_path, ["student"], samples=["sample.parquet"]))
        written.append([(tmp_path / name).read_bytes() for name in ("card.json", "card.md")])
    assert written[0] == written[1]


def test_data_shows_its_own_first_rows_cut_to_a_length(project, tmp_path):
    card(context(tmp_path, ["tweets.parquet"], sample_rows=2, sample_characters=50))
    (sample,) = json.loads((tmp_path / "card.json").read_text())["samples"]
    assert sample["total_rows"] == 4
    assert sample["rows"][0][1] == "x" * 49 + "…"
    assert sample["rows"][1][1] is None


def test_a_model_shows_what_it_writes_and_how_its_loss_went(project, tmp_path):
    card(context(tmp_path, ["student"], samples=["sample.parquet"]))
    made = json.loads((tmp_path / "card.json").read_text())
    assert made["samples"][0]["rows"] == [["bla", "Great!"]]
    assert made["samples"][0]["made_by"]["sampling"] == {"temperature": 0.5}
    assert made["training"][0]["loss_history"] == [{"step": 1, "loss": 3.5}, {"step": 2, "loss": 1.25}]
    assert [step["name"] for step in made["steps"]] == ["tweets", "student"]


@pytest.fixture
def scores(project):
    """A table of scores, and its record."""
    write_table(pl.DataFrame({"metric": ["rougeL"], "value": [0.5]}), Path("scores.parquet"))
    made = table("scores.parquet", 1) | {
        "digest": DigestMemo(Home(Path.cwd() / ".dreamsmk").digests).of("scores.parquet")
    }
    project.write(record("scores", "evaluate", inputs={"table": [table("a.csv", 3)]}, outputs={"scores": made}))
    return "scores.parquet"


def test_scores_stand_in_the_card_given_as_such_or_as_a_target(project, tmp_path, scores):
    card(context(tmp_path, ["student"], scores=[scores], scored_as="student"))
    first = json.loads((tmp_path / "card.json").read_text())["evaluations"]
    assert [row["metric"] for row in first[0]["rows"]] == ["rougeL"]
    assert first[0]["is_own"]
    assert "## Evaluation" in (tmp_path / "card.md").read_text()
    card(context(tmp_path, ["student", scores], scored_as="student"))
    assert json.loads((tmp_path / "card.json").read_text())["evaluations"] == first


def test_a_card_depends_on_who_measured_its_scores(project, tmp_path, scores):
    found = extra_identity(tmp_path / ".dreamsmk", {"target": [Path("student")], "scores": [Path(scores)]}, {})
    assert len(found["records"]) == 2
    assert "not recorded yet" not in found["records"]


def test_the_folder_of_the_model_says_what_it_is(project, tmp_path):
    card(context(tmp_path, ["student"]))
    model = json.loads((tmp_path / "card.json").read_text())["model"]
    assert (model["kind"], model["library"], model["adapter"]) == ("classifier", "transformers", None)


def test_no_rows_are_shown_where_none_are_asked_for(project, tmp_path):
    card(context(tmp_path, ["tweets.parquet"], sample_rows=0))
    assert json.loads((tmp_path / "card.json").read_text())["samples"] == []


def test_an_absolute_target_is_shown_as_the_workflow_names_it(project, tmp_path):
    card(context(tmp_path, [tmp_path / "tweets.parquet"]))
    both = (tmp_path / "card.json").read_text() + (tmp_path / "card.md").read_text()
    assert str(tmp_path) not in both
    assert "tweets.parquet" in both


def test_the_folder_of_the_workflow_is_taken_out_of_what_the_author_writes(project, tmp_path):
    card(context(tmp_path, ["tweets.parquet"], limitations=f"see {tmp_path}/notes.md"))
    assert json.loads((tmp_path / "card.json").read_text())["stated"]["limitations"] == "see notes.md"


def test_a_target_that_nobody_made_writes_no_card(project, tmp_path):
    Path("raw.csv").write_text("a\n1\n")
    with pytest.raises(CardError, match="no record says"):
        write_card(context(tmp_path, ["raw.csv"]), project)
    assert not (tmp_path / "card.json").exists()


def test_a_card_depends_on_records_and_on_licences_in_the_config(project, tmp_path):
    inputs = {"target": [Path("tweets.parquet")]}
    spec = {"provider": "openai", "model": "gpt-4"}
    home = tmp_path / ".dreamsmk"
    before = extra_identity(home, inputs, {"models": {"teacher": spec}})
    assert extra_identity(home, inputs, {"models": {"teacher": spec | {"batch_size": 2}}}) == before
    assert extra_identity(home, inputs, {"models": {"teacher": spec | {"citation": GPT4}}}) != before
    again = project.load(project.producer(Path("tweets.parquet"))["fingerprint"])
    project.write(again | {"finished_at": "2027-01-01T00:00:00+00:00"})
    assert extra_identity(home, inputs, {"models": {"teacher": spec}}) != before


def test_the_identity_of_a_card_can_be_asked_before_its_target_is_there(project, tmp_path):
    found = extra_identity(tmp_path / ".dreamsmk", {"target": [Path("not/yet.parquet")]}, {})
    assert found == {"records": ["not recorded yet"], "models": []}


def test_cards_are_no_tables():
    assert columns({}, {"target": None}) == {"json": None, "markdown": None}


@pytest.mark.parametrize("rows", [0, 2])
def test_a_sample_shows_cells_of_every_type(tmp_path, rows):
    frame = pl.DataFrame(
        {"n": [1, 2], "list": [[0.5, 1.0], []], "bytes": [b"abc", None], "struct": [{"a": 1}, {"a": None}]}
    )
    write_table(frame.head(rows), tmp_path / "t.parquet")
    sample = read_sample(tmp_path / "t.parquet")
    assert sample.columns == ("n", "list", "bytes", "struct")
    assert sample.rows[:1] == ((("1", "[0.5, 1.0]", "(3 bytes)", '{"a": 1}'),) if rows else ())


def test_columns_that_are_called_as_prompts_are_stand_in_no_card_as_such():
    from dreamsmk.cards.steps import _NO_PROMPTS, _NO_PROMPTS_OF, _PROMPTS
    from dreamsmk.smk.meta import load_meta

    for folder_of_rule in (Path(__file__).parents[3] / "rules").glob("*/meta.yaml"):
        rule = folder_of_rule.parent.name
        for name, schema in load_meta(rule).params["properties"].items():
            if _PROMPTS.fullmatch(name) and "x-column" in schema:
                assert name in _NO_PROMPTS_OF.get(rule, _NO_PROMPTS), f"{rule}: {name}"


def test_the_parameters_of_the_rule_are_those_of_a_statement():
    from dataclasses import fields

    from dreamsmk.cards import Statement

    rules = Path(__file__).parents[3] / "rules"
    known = set(yaml.safe_load((rules / "card/meta.yaml").read_text())["params"]["properties"])
    assert known - {"sample_rows", "sample_characters"} == {field.name for field in fields(Statement)}
