import json

from dreamsmk.cards import (
    CodeChange,
    Difference,
    InputChange,
    Outlook,
    RowChanges,
    headline,
    outlook_json,
    outlook_text,
)

TWEETS = Outlook("tweets", ("results/tweets.parquet",), "runs", "as made")
N = Difference(("params", "n"), 100, 150)
TABLE = Difference(("inputs", "table"), "rows-xxh3:" + "a" * 32, "rows-xxh3:" + "b" * 32)


def with_(**values):
    fields = {name: getattr(TWEETS, name) for name in Outlook.__dataclass_fields__}
    return Outlook(**{**fields, **values})


def test_a_job_that_stays_says_that_nothing_changed():
    assert headline(with_(verdict="stays")) == "nothing changed: it would not run"


def test_a_target_that_was_changed_by_hand_says_how_to_mend_it():
    said = headline(with_(verdict="stays", state="changed"))
    assert "changed by hand" in said
    assert "--forcerun tweets" in said


def test_a_job_that_runs_says_what_changed():
    assert headline(with_(changes=(N,))) == "would run: its parameter 'n' changed"
    several = (N, Difference(("params", "stop"), [], ["x"]), TABLE)
    assert headline(with_(changes=several)) == "would run: 2 of its parameters and its input 'table' changed"


def test_a_job_behind_another_says_that_it_may_be_spared():
    assert headline(with_(verdict="may run", waits_for=("abstracts",))).startswith("may run: it waits for abstracts")


def test_a_restored_job_costs_nothing_and_says_why():
    said = headline(with_(verdict="restored", state="missing"))
    assert said == "would be put back from the store, nothing is computed: the target is missing"


def test_a_wrong_parameter_is_the_reason_that_is_given():
    assert headline(with_(fault="n: -1 is less than 1")) == "cannot run: n: -1 is less than 1"


def test_an_input_shows_its_content_and_its_rows():
    known = InputChange("results/a.parquet", "old/a.parquet", 4, 3, RowChanges(added=1))
    text = outlook_text(with_(changes=(TABLE,), inputs={"inputs.table": known}))
    assert "inputs.table: old/a.parquet -> results/a.parquet" in text
    assert "content  rows-xxh3:aaaaaaaaaaaa… -> rows-xxh3:bbbbbbbbbbbb…" in text
    assert "rows     3 -> 4" in text
    assert "changes  1 row added" in text


def test_a_template_shows_the_words_that_changed():
    changed = Difference(("inputs", "instruction"), "xxh3:1", "xxh3:2")
    known = InputChange("prompt.txt", "prompt.txt", texts=("Write.\nBe brief.", "Write.\nBe kind."))
    text = outlook_text(with_(changes=(changed,), inputs={"inputs.instruction": known}))
    assert "- Be brief." in text
    assert "+ Be kind." in text
    assert "xxh3:1" not in text


def test_a_function_shows_the_source_that_changed_and_no_other():
    changed = Difference(("code", "function"), "sha256:1", "sha256:2")
    code = CodeChange.of(
        {
            "parts": {"steps.py:score": "1", "steps.py:K": "k"},
            "sources": {"steps.py:score": "def score(x):\n    return x", "steps.py:K": "K = 1"},
        },
        {
            "parts": {"steps.py:score": "2", "steps.py:K": "k", "steps.py:M": "m"},
            "sources": {
                "steps.py:score": "def score(x):\n    return x + M",
                "steps.py:K": "K = 1  # one",
                "steps.py:M": "M = 2",
            },
        },
    )
    text = outlook_text(with_(changes=(changed,), code={"code.function": code}))
    assert "-     return x" in text
    assert "+     return x + M" in text
    assert "+ M = 2" in text
    assert "K = 1" not in text


def test_a_model_is_named_as_the_config_names_it():
    changed = Difference(("models", "model", "model"), "gpt-4o", "gpt-4o-mini")
    text = outlook_text(with_(changes=(changed,), aliases={"model": "teacher"}))
    assert "models.model.model: 'gpt-4o' -> 'gpt-4o-mini'   (model 'teacher' of the config)" in text


def test_the_json_holds_every_change():
    known = InputChange("a.parquet", rows=4, rows_before=3, changes=RowChanges(added=1))
    found = json.loads(json.dumps(outlook_json(with_(changes=(N, TABLE), inputs={"inputs.table": known}))))
    assert found["verdict"] == "runs"
    assert found["changes"][0] == {"path": "params.n", "before": 100, "after": 150}
    assert found["changes"][1]["input"]["changes"]["added"] == 1
