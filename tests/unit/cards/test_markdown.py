import copy
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dreamsmk.cards import Sample, Statement, card_markdown
from dreamsmk.cards.front_matter import size_category
from dreamsmk.cards.markup import code, escaped, fenced, table
from tests.unit.cards.records import record
from tests.unit.cards.records import table as output

ORDER = [
    "At a glance",
    "How to load",
    "Evaluation",
    "Columns",
    "Samples",
    "Training",
    "How it was made",
    "Prompts, word for word",
    "Models that were asked",
    "Sources and licences",
    "Citations",
    "Environment",
    "How to reproduce",
    "Use and limits",
]


def front(text):
    return yaml.safe_load(text.split("---\n")[1])


def test_a_card_rendered_twice_has_the_same_bytes(model_card):
    assert card_markdown(model_card).encode() == card_markdown(copy.deepcopy(model_card)).encode()


@pytest.mark.parametrize("name", ["data_card", "model_card"])
def test_sections_stand_in_order(name, request):
    found = re.findall(r"^## (.*)$", card_markdown(request.getfixturevalue(name)), re.MULTILINE)
    assert found == [section for section in ORDER if section in found]
    assert {"At a glance", "How to load", "How it was made", "Sources and licences", "Citations"} <= set(found)


def test_the_hub_can_read_the_metadata_of_data(data_card):
    from huggingface_hub import DatasetCard

    read = DatasetCard(card_markdown(data_card)).data.to_dict()
    assert read["tags"] == ["dreamsmk", "synthetic"]
    assert read["size_categories"] == ["1K<n<10K"]
    assert "license" not in read


def test_the_hub_can_read_the_metadata_of_a_model(model_card):
    from huggingface_hub import ModelCard

    read = ModelCard(card_markdown(model_card)).data.to_dict()
    assert read["library_name"] == "peft"
    assert read["base_model"] == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert read["base_model_relation"] == "adapter"
    assert "license" not in read


@pytest.mark.parametrize(
    ("stated", "keys"),
    [
        ("MIT", {"license": "mit"}),
        ("Our Own Licence", {"license": "other", "license_name": "our-own-licence", "license_link": "https://x.org/l"}),
    ],
)
def test_a_licence_that_the_author_states_reaches_the_metadata(made, stated, keys):
    card = made("results/tweets.parquet", statement=Statement(license=stated, license_link="https://x.org/l"))
    assert front(card_markdown(card)).items() >= keys.items()


@pytest.mark.parametrize(
    ("rows", "category"), [(0, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (10**6, "1M<n<10M"), (10**13, "n>1T")]
)
def test_sizes_fall_into_the_categories_of_the_hub(rows, category):
    assert size_category(rows) == category


def test_prompts_stand_word_for_word(data_card):
    assert "```text\nWrite a tweet | to `summarize` <it>.\n```" in card_markdown(data_card)


def test_cells_are_escaped(data_card):
    assert r"| We \| show | a<br>&lt;b&gt;\`c\`&lt;/b&gt; |" in card_markdown(data_card)


def test_before_and_after_stand_side_by_side(model_card):
    assert "| abstracts | before | after |\n| --- | --- | --- |\n| We show | bla bla | Great! |" in card_markdown(
        model_card
    )


def test_an_empty_table_is_said_to_be_empty(made):
    nothing = Sample("results/tweets.parquet", ("abstracts", "tweets"), (), 0)
    assert "has no rows" in card_markdown(made("results/tweets.parquet", samples=[nothing]))


def test_an_adapter_is_loaded_on_its_base(model_card):
    text = card_markdown(model_card)
    assert 'AutoModelForCausalLM.from_pretrained("models/smollm2")' in text
    assert 'PeftModel.from_pretrained(base, "results/student")' in text


def test_a_published_target_is_loaded_from_the_hub(made):
    text = card_markdown(made("results/tweets.parquet", statement=Statement(repo_id="org/tweets")))
    assert 'load_dataset("org/tweets")' in text


@pytest.mark.parametrize("target", ["results/train.parquet", "results/student", "models/smollm2"])
def test_the_loading_snippet_is_python(made, target):
    (snippet,) = re.findall(r"```python\n(.*?)\n```", card_markdown(made(target)), re.DOTALL)
    compile(snippet, "snippet", "exec")


def test_the_loss_goes_into_the_training_section(made, records):
    fingerprint = records.producer(Path("results/student"))["fingerprint"]
    history = [{"step": i, "loss": 3.0 - i / 1000} for i in range(500)]
    text = card_markdown(made("results/student", loss_history={fingerprint: history}))
    assert "| First loss | 3.215 |" in text
    rows = re.findall(r"^\| \d+ \| [\d.]+ \|$", text.partition("How the loss went")[2], re.MULTILINE)
    assert len(rows) <= 26
    assert rows[-1].startswith("| 499 |")


def test_a_workflow_of_many_steps_is_drawn_by_rule(made, records):
    last = None
    for number in range(60):
        inputs = {"table": [last]} if last else {}
        made_now = output(f"round{number}.parquet", 1)
        step = record("round", "round", inputs=inputs, outputs={"table": made_now}, params={"number": number})
        records.add(step)
        last = made_now
    text = card_markdown(made("round59.parquet"))
    assert 'rule_round["round<br/>60 times"]' in text
    assert "… and 20 more" in text


def test_a_wild_rule_name_breaks_no_diagram(made, records):
    records.add(record('a"]; b<c>', "t", outputs={"table": output("wild.parquet", 1)}))
    assert 'step1["a#34;#93;; b#60;c#62;' in card_markdown(made("wild.parquet"))


@given(st.text())
def test_escaped_text_stays_in_its_cell_and_is_no_markup(text):
    (line,) = table(["a"], [[escaped(text)]]).splitlines()[2:]
    inside = line[2:-2]
    assert "<" not in inside.replace("<br>", "")
    assert all(found.group(0).startswith("\\") for found in re.finditer(r"(?:\\.)|[|`*]", inside))


@given(st.text())
def test_fenced_text_cannot_end_its_fence(text):
    first, *_, last = fenced(text, "text").split("\n")
    fence = first.removesuffix("text")
    assert last == fence
    assert fence not in text


@given(st.text(alphabet="`a |", min_size=1))
def test_a_code_span_holds_any_backticks(text):
    span = code(text)
    words = " ".join(text.split())
    assert words in span
    if words:
        fence = re.match(r"`+", span).group(0)
        assert span.endswith(fence)
