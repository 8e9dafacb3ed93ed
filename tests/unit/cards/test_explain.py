import json
from pathlib import Path

import pytest

from dreamsmk.cards import explain_json, explain_text, trace


@pytest.fixture
def student(records):
    return trace([Path("results/student")], records)


def test_the_text_says_who_made_it_when_and_from_what(student):
    text = explain_text(student)
    assert "made by      student (fine_tune, version 1)" in text
    assert "2026-11-20 10:05 UTC" in text
    assert "params.seed = 7" in text
    assert "inputs.train = rows-xxh3:" in text


def test_the_tree_draws_a_shared_ancestor_once(student):
    lines = explain_text(student).splitlines()
    assert sum("results/tweets.parquet" in line for line in lines) == 1
    assert any(line.endswith("(see above)") for line in lines)


def test_a_table_says_its_calls(records):
    text = explain_text(trace([Path("results/tweets.parquet")], records))
    assert "teacher: gpt-4, reported as gpt-4-0613; 1,000 calls, 2 from the cache; 20,000 tokens in" in text


def test_the_json_has_the_record_and_its_ancestors(student):
    (found,) = json.loads(json.dumps(explain_json(student)))
    assert found["record"]["rule"] == "student"
    assert [a["name"] for a in found["ancestors"]][-1] == "student"
    assert found["workflow_fingerprint"] == student.workflow_fingerprint()
