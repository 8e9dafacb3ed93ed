import copy
import json
from pathlib import Path

import pytest

from dreamsmk.cards import Statement, View, build_card, card_markdown, card_schema, check_card, trace
from dreamsmk.errors import CardError
from tests.unit.cards.records import ADAPTER, BASE, GPT4, SMOLLM, RecordFolder, example_one, model, read, record, table

TABLE_3 = {
    "Date & Time",
    "Dataset Name & Card",
    "Model Name & Card",
    "URL",
    "License",
    "Citations",
    "Reproducibility Fingerprint",
    "Other Reproducibility Information",
}


def step(card, name):
    return next(s for s in card["steps"] if s["name"] == name)


def test_cards_are_valid_against_the_schema(data_card, model_card):
    check_card(data_card)
    check_card(model_card)


def test_the_schema_is_a_valid_schema():
    from jsonschema import Draft202012Validator

    Draft202012Validator.check_schema(card_schema())


def test_the_schema_asks_every_field_of_table_3_of_every_step():
    steps = card_schema()["$defs"]["step"]
    required = {steps["properties"][name].get("title") for name in steps["required"]}
    assert required >= TABLE_3


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("workflow_fingerprint",), "xxh3:1"),
        (("card_version",), 1),
        (("steps", 0, "date_and_time", "finished_at"), "yesterday"),
        (("steps", 0, "citations"), []),
        (("steps", 0, "url"), "unknown"),
        (("targets", 0, "path"), "/home/alice/tweets.parquet"),
        (("targets",), []),
        (("made_up",), 1),
    ],
)
def test_a_broken_card_is_refused(data_card, path, value):
    broken = copy.deepcopy(data_card)
    place = broken
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    with pytest.raises(CardError) as caught:
        check_card(broken)
    assert len(str(caught.value).splitlines()) <= 3


@pytest.mark.parametrize("missing", ["date_and_time", "license", "reproducibility_fingerprint", "prompts", "models"])
def test_a_step_without_a_field_is_refused(data_card, missing):
    broken = copy.deepcopy(data_card)
    del broken["steps"][0][missing]
    with pytest.raises(CardError, match=missing):
        check_card(broken)


def test_a_step_has_what_table_3_leaves_out(data_card):
    tweets = step(data_card, "tweets")
    assert tweets["prompts"] == {"instruction": "Write a tweet | to `summarize` <it>."}
    assert tweets["sampling"] == {"teacher": {"temperature": 0.7}}
    assert step(data_card, "abstracts")["sampling"] == {"teacher": {"temperature": 1.2}}
    assert tweets["rows"] == 1000
    assert tweets["tokens"] == {"input_tokens": 20_000, "output_tokens": 100_000}
    assert tweets["duration_seconds"] == 42.5
    assert tweets["params"]["model"] == "teacher"
    assert step(data_card, "splits")["seeds"] == {"seed": 42}


def test_licences_and_citations_are_those_of_all_ancestors(model_card):
    student = step(model_card, "student")
    assert {"of": "HuggingFaceTB/SmolLM2-135M-Instruct", "license": "apache-2.0"} in student["license"]
    assert {"of": "gpt-4", "license": "OpenAI's own terms"} in student["license"]
    assert set(student["citations"]) == {GPT4, SMOLLM}
    assert model_card["citations"] == student["citations"]


def test_what_nobody_recorded_reads_not_recorded(tmp_path, made, records):
    raw = read(table("data/raw.csv", 5))
    asked = {"writer": model("some-model", calls=5, base_url="https://api.example.org/v1")}
    outputs = {"table": table("plain.parquet", 5)}
    records.add(record("plain", "process_with_prompt", inputs={"table": [raw]}, outputs=outputs, models=asked))
    card = made("plain.parquet")
    check_card(card)
    (only,) = card["steps"]
    assert only["url"] == only["citations"] == "not recorded"
    assert only["license"] == [
        {"of": "data/raw.csv", "license": "not recorded"},
        {"of": "some-model", "license": "not recorded"},
    ]
    assert only["models"][0]["card"] == only["models"][0]["license"] == "not recorded"
    assert only["models"][0]["terms"] is None
    assert card["totals"]["cost_usd"] is None
    assert card["totals"]["models_without_cost"] == ["some-model"]
    assert card["stated"]["license"] == card["summary"] == "not stated"


def test_a_licence_in_todays_config_reaches_calls_of_yesterday(made):
    today = {"provider": "openai", "model": "gpt-4", "license": "see the terms", "citation": "@misc{x}"}
    card = made("results/tweets.parquet", models=[today])
    assert {"of": "gpt-4", "license": "see the terms"} in card["licenses"]


def test_the_author_describes_a_source_by_its_path(made, records):
    raw = read(table("data/raw.csv", 5))
    records.add(record("load", "load", inputs={"file": [raw]}, outputs={"table": table("loaded.parquet", 5)}))
    about = {
        "name": "hotpotqa/hotpot_qa",
        "license": "cc-by-sa-4.0",
        "url": "https://hotpotqa.github.io",
        "kind": "dataset",
    }
    (source,) = made("loaded.parquet", described={"data/raw.csv": about})["sources"]
    assert (source["name"], source["license"]) == ("hotpotqa/hotpot_qa", "cc-by-sa-4.0")


def test_a_provider_that_is_known_gives_its_card_and_its_terms_but_no_licence(made, records):
    records.add(
        record(
            "asked",
            "process_with_prompt",
            outputs={"table": table("asked.parquet", 5)},
            models={"writer": model("claude-x", provider="anthropic", calls=5)},
        )
    )
    (asked,) = made("asked.parquet")["models"]
    assert asked["card"] == "https://www.anthropic.com/system-cards"
    assert asked["terms"]["provider"] == "Anthropic"
    assert asked["license"] == "not recorded"


def test_calls_of_one_model_are_added_up_over_steps(data_card):
    (asked,) = data_card["models"]
    assert asked["calls"]["requests"] == 2000
    assert asked["calls"]["reported"] == {"gpt-4-0613": 2000}
    assert asked["steps"] == [1, 2]


def test_a_model_made_in_the_workflow_is_named_with_its_makers(made):
    card = made("results/rewritten.parquet")
    asked = next(m for m in card["models"] if m["provider"] == "transformers")
    made_by = {s["step"]: s["name"] for s in card["steps"]}
    assert asked["name"] == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert made_by[asked["made_by"]] == "base_model"
    assert made_by[asked["adapter_made_by"]] == "student"


def test_data_that_no_model_had_a_part_in_is_not_called_synthetic(made, records):
    records.add(record("load", "load", outputs={"table": table("human.parquet", 5)}))
    assert made("human.parquet")["is_synthetic"] is False


@pytest.mark.parametrize(
    ("target", "kind"), [("results/tweets.parquet", "data"), ("results/student", "model"), ("models/smollm2", "model")]
)
def test_the_kind_is_told_by_the_target(made, target, kind):
    assert made(target)["kind"] == kind


def test_an_empty_table_has_a_card(made, records):
    asked = {"writer": model("gpt-4", calls=0)}
    records.add(
        record("none", "data_from_prompt", outputs={"table": table("none.parquet", 0, text="String")}, models=asked)
    )
    card = made("none.parquet")
    check_card(card)
    assert card["targets"][0]["rows"] == 0
    assert card["is_synthetic"] is False


def test_the_same_records_give_the_same_card(made):
    first, second = (made("results/student", statement=Statement(title="Student")) for _ in range(2))
    assert json.dumps(first) == json.dumps(second)


def test_no_host_user_or_absolute_path_reaches_a_card(tmp_path):
    from pathlib import Path

    from dreamsmk.cards import View, build_card, trace

    records = RecordFolder(tmp_path / "records")
    for made in example_one():
        text = json.dumps(made).replace('"results/', '"/home/alice/project/results/')
        text = text.replace('"models/', '"/scratch/grp/models/').replace("Rewrite.", "Rewrite /home/alice/x.txt")
        records.add(json.loads(text))
    card = build_card(View(trace([Path("/home/alice/project/results/rewritten.parquet")], records)), Statement())
    check_card(card)
    for word in ("alice", "node17", "/scratch", "/home"):
        assert word not in json.dumps(card)


def test_local_folders_are_no_licences_of_their_own(model_card):
    assert {entry["of"] for entry in model_card["licenses"]}.isdisjoint({ADAPTER["path"], BASE["path"]})


def test_replies_that_are_less_than_one_are_told_where_there_were_any(tmp_path, data_card):
    records = RecordFolder(tmp_path / "lacking")
    for number, found in enumerate(example_one()):
        for asked in found["models"].values():
            if asked["calls"]:
                asked["calls"] |= {"truncated": 3, "refusals": 1, "empty": 0, "failed": number and 2}
        records.add(found)
    card = build_card(View(trace([Path("results/tweets.parquet")], records)), Statement(), ())
    check_card(card)
    said = [model["calls"]["lacking"] for model in card["models"]]
    assert all(counts["truncated"] % 3 == 0 and "empty" not in counts for counts in said)
    total = sum(counts["truncated"] for counts in said)
    assert f"| **Of their replies** | {total} cut off, " in card_markdown(card)
    assert "lacking" not in json.dumps(data_card)
    assert "Of their replies" not in card_markdown(data_card)
