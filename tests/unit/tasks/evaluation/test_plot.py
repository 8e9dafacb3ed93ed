from __future__ import annotations

import re
from pathlib import Path

import pytest

from dreamsmk.tasks.evaluation.plot import MOST_GROUPS, draw_scores, panels_of
from dreamsmk.tasks.evaluation.scores import Score
from tests.unit.tasks.evaluation.bench import Bench


def score(metric: str, value: float | None = 0.5, *, name=None, group=None, half=None) -> Score:
    low, high = (None, None) if half is None else (value - half, value + half)
    return Score(name, group, metric, value, low, high, 10)


def texts(path: Path) -> list[str]:
    """The texts of an SVG in the order in which they are drawn."""
    return re.findall(r"<!-- (.*?) -->", path.read_text())


def test_metrics_of_one_scale_share_a_panel():
    panels = panels_of([score("rouge1"), score("bleu", 30.0), score("accuracy"), score("perplexity", 9.0)])
    assert [(panel.scale, panel.categories) for panel in panels] == [
        ("score, 0 to 1", ["ROUGE-1", "accuracy"]),
        ("score, 0 to 100", ["BLEU"]),
        ("perplexity, lower is better", ["perplexity"]),
    ]


def test_groups_get_a_panel_for_each_metric():
    scores = [score(m, group=g, name=n) for n in "ab" for g in (None, ("x",), ("y", 2)) for m in ("rouge1", "bleu")]
    panels = panels_of(scores)
    assert [(panel.title, panel.categories) for panel in panels] == [
        (title, ["all rows", "x", "y, 2"]) for title in ("ROUGE-1", "BLEU")
    ]
    assert all(list(row) == ["a", "b"] for panel in panels for row in panel.scores)


def test_a_group_that_only_one_model_has_keeps_the_models_colour(tmp_path: Path):
    scores = [score("rouge1", name=name, group=group) for name, group in (("a", None), ("b", None), ("b", ("x",)))]
    (panel,) = panels_of(scores)
    assert list(panel.scores[1]) == ["b"]
    draw_scores(scores, None, tmp_path / "plot.svg")
    fills = re.findall(r"fill: (#[0-9a-f]{6})", (tmp_path / "plot.svg").read_text())
    # a bar each and the patch in the legend
    assert (fills.count("#0072b2"), fills.count("#e69f00")) == (2, 3)


def test_more_groups_than_can_be_read_are_left_to_the_table(tmp_path: Path):
    scores = [score("rouge1", group=group) for group in (None, *((n,) for n in range(500)))]
    (panel,) = panels_of(scores)
    assert len(panel.categories) == MOST_GROUPS + 1
    assert panel.title == "ROUGE-1 (the first 30 of 500 groups)"


def test_bars_say_their_values_and_counts_are_no_bars(tmp_path: Path):
    scores = [
        score("win_rate", 0.625, half=0.1),
        score("wins", 5.0),
        score("f1_macro", None),
        score("perplexity", 12345.0),
    ]
    draw_scores(scores, "How it went", tmp_path / "plot.svg")
    shown = texts(tmp_path / "plot.svg")
    assert {"0.625", "no rows", "1.23e+04", "How it went", "score, 0 to 1; lines: 95 % intervals"} <= set(shown)
    assert "5.00" not in shown


def test_only_names_that_are_compared_have_a_legend(tmp_path: Path):
    draw_scores([score("rouge1", name="SFT")], None, tmp_path / "one.svg")
    draw_scores([score("rouge1", name=name) for name in ("base", "SFT")], None, tmp_path / "two.svg")
    assert "SFT" not in texts(tmp_path / "one.svg")
    assert {"base", "SFT"} <= set(texts(tmp_path / "two.svg"))


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_the_same_scores_give_the_same_plot(bench: Bench, suffix: str):
    table = bench.table({"a": ["x", "y"], "b": ["x", "z"], "true": ["x", "z"], "kind": ["p", "q"]})
    made = []
    for _ in range(2):
        asked = {"predictions": {"A": "a", "B": "b"}, "references": "true", "by": ["kind"], "confidence": True}
        files = bench.run(
            "evaluate", {"table": table}, ["scores.parquet", f"plot.{suffix}"], metrics=["rouge1", "bleu"], **asked
        )
        made.append(files["plot"].read_bytes())
    assert made[0] == made[1]
    assert len(made[0]) > 5000


def test_letters_that_the_font_of_the_plot_lacks_are_told(bench: Bench):
    table = bench.table({"a": ["x"], "b": ["x"]})
    bench.run(
        "evaluate",
        {"table": table},
        ["scores.parquet", "plot.svg"],
        metrics=["accuracy"],
        predictions="a",
        references="b",
        title="東京",
    )
    assert bench.notes == ["the font of the plot lacks 東京, and shows boxes"]
