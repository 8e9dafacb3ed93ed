from __future__ import annotations

import random

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamsmk.errors import TableError
from dreamsmk.tasks.evaluation.exact_match import normal
from dreamsmk.tasks.evaluation.ngrams import bleu_of, chrf_of, count_ngrams
from dreamsmk.tasks.evaluation.text_pairs import TextPairs
from tests.unit.tasks.evaluation.bench import Bench

SQUAD = ["case", "punctuation", "articles", "whitespace"]
PAIRS = {
    "written": ["Paris", "the  Rhine.", "", "São Paulo", "no idea"],
    "right": ["Paris", "Rhine", "Elbe", "são paulo!", "Oslo"],
}
WORDS = [
    "the",
    "cat",
    "sat",
    "on",
    "a",
    "mat",
    "and",
    "ran",
    "over",
    "the",
    "hill",
    ",",
    "to",
    "find",
    "a",
    "house",
    ".",
]


def texts(seed: int, count: int = 12) -> list[str]:
    drawn = random.Random(seed)
    return [" ".join(drawn.choices(WORDS, k=drawn.randint(0, 14))) for _ in range(count)]


@pytest.mark.parametrize(
    ("normalize", "right"),
    [
        ([], 1),
        (["case"], 1),
        (["case", "punctuation"], 2),
        (["punctuation", "articles", "whitespace"], 2),
        (SQUAD, 3),
    ],
)
def test_an_exact_match_leaves_out_of_account_what_it_is_told_to(bench: Bench, normalize, right):
    found = bench.values(
        bench.table(PAIRS), metrics=["exact_match"], predictions="written", references="right", normalize=normalize
    )
    assert found == {"exact_match": right / 5}


@pytest.mark.parametrize(
    ("text", "bare"),
    [("The  Answer, is: 42!", "answer is 42"), ("«Ça va ?» …", "ça va"), ("$5 + a/b", "5 ab"), ("an answer", "answer")],
)
def test_all_normalisations_together_are_those_of_squad_for_all_scripts(text, bare):
    assert normal(text, SQUAD) == bare


def test_one_of_several_right_answers_is_enough(bench: Bench):
    table = bench.table({"written": ["Rhine", "Elbe", "Oder"], "right": [["Rhein", "Rhine"], ["Elbe"], ["Main", None]]})
    found = bench.values(
        table, metrics=["exact_match", "rouge1", "bleu", "chrf"], predictions="written", references="right"
    )
    assert found["exact_match"] == pytest.approx(2 / 3)
    assert found["rouge1"] == pytest.approx(2 / 3)
    assert found["chrf"] > 50


def test_rouge_is_that_of_rouge_score(bench: Bench):
    from rouge_score.rouge_scorer import RougeScorer

    written, right = texts(1), texts(2)
    metrics = ["rouge1", "rouge2", "rougeL"]
    table = bench.table({"written": written, "right": right})
    for stemmer in (False, True):
        scorer = RougeScorer(metrics, use_stemmer=stemmer)
        found = bench.values(
            table, metrics=metrics, predictions="written", references="right", rouge={"stemmer": stemmer}
        )
        by_row = [scorer.score(b, a) for a, b in zip(written, right, strict=True)]
        for name in metrics:
            assert found[name] == pytest.approx(sum(row[name].fmeasure for row in by_row) / len(by_row), abs=1e-12)


def test_rouge_knows_words_of_other_scripts_where_it_is_told_to(bench: Bench):
    table = bench.table({"written": ["το σπίτι μου", "Straße"], "right": ["το σπίτι σου", "Straße"]})
    asked = {"metrics": ["rouge1"], "predictions": "written", "references": "right"}
    assert bench.values(table, **asked)["rouge1"] == 0.5  # nothing of Greek is a word to rouge_score
    assert bench.values(table, **asked, rouge={"words": "unicode"})["rouge1"] == pytest.approx((2 / 3 + 1) / 2)


@given(st.integers(0, 10_000), st.sampled_from(["bleu", "chrf"]), st.integers(1, 3))
def test_bleu_and_chrf_are_those_of_sacrebleus_corpus_score(seed, name, answers):
    written = texts(seed)
    right = [list(row) for row in zip(*(texts(seed + 1 + n) for n in range(answers)), strict=True)]
    options = {"bleu": {"tokenize": "13a", "lowercase": False}, "chrf": {"word_order": seed % 3, "lowercase": True}}
    metric = {"bleu": bleu_of, "chrf": chrf_of}[name](options[name])
    counted = count_ngrams(TextPairs(written, right), name, metric)
    (found,) = counted.finish(counted.statistics.sum(axis=0), len(written))
    streams = list(map(list, zip(*right, strict=True)))
    assert found == metric.corpus.corpus_score(written, streams).score
    signature = str(metric.corpus.get_signature())
    assert metric.signature(TextPairs(written, right)) == signature
    by_sentence = [metric.sentence.sentence_score(a, b).score for a, b in zip(written, right, strict=True)]
    assert counted.by_row[:, 0].tolist() == by_sentence


def test_the_record_says_how_sacrebleu_scored(bench: Bench):
    table = bench.table({"written": ["a b", "c"], "right": [["a b"], ["c", "d"]]})
    bench.values(table, metrics=["bleu", "chrf"], predictions="written", references="right")
    signatures = bench.context.facts["signatures"]
    assert signatures["bleu"].startswith("nrefs:var|case:mixed|eff:no|tok:13a|smooth:exp|version:")
    assert "nc:6|nw:0" in signatures["chrf"]


def test_rows_have_their_own_scores_beside_them(bench: Bench):
    metrics = ["exact_match", "rougeL", "bleu"]
    made = bench.run(
        "evaluate",
        {"table": bench.table(PAIRS)},
        ["scores.parquet", "rows.parquet"],
        metrics=metrics,
        predictions="written",
        references="right",
    )
    rows = pl.read_parquet(made["rows"])
    assert rows.columns == ["written", "right", *metrics]
    assert rows["exact_match"].to_list() == [1.0, 0.0, 0.0, 0.0, 0.0]
    assert rows["rougeL"].mean() == pytest.approx(bench_value(made["scores"], "rougeL"))


def bench_value(path, metric) -> float:
    return pl.read_parquet(path).row(by_predicate=pl.col("metric") == metric, named=True)["value"]


@pytest.mark.parametrize(
    ("columns", "fault"),
    [
        ({"written": [["a"]], "right": ["a"]}, "the column 'written' is of type List"),
        ({"written": ["a"], "right": [{"b": 1}]}, "the column 'right' is of type Struct"),
        ({"written": [b"a"], "right": ["a"]}, "the column 'written' is of type Binary"),
    ],
)
def test_what_is_no_text_is_an_error(bench: Bench, columns, fault):
    with pytest.raises(TableError, match=fault):
        bench.values(bench.table(columns), metrics=["exact_match"], predictions="written", references="right")


def test_numbers_are_compared_as_they_are_written(bench: Bench):
    table = bench.table({"written": ["7", "8"], "right": [7, 9]})
    assert bench.values(table, metrics=["exact_match"], predictions="written", references="right") == {
        "exact_match": 0.5
    }
