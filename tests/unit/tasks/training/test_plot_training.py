from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest

from dreamsmk.errors import SettingsError, TableError
from dreamsmk.tasks.training.frame.history import FILE_NAME, history_table
from dreamsmk.tasks.training.plot_training import Curve, metrics_of
from tests.unit.tasks.evaluation.bench import Bench

LOG = [
    {"eval_loss": 3.0, "step": 0, "num_input_tokens_seen": 0},
    *(
        {"loss": 3.0 / step, "learning_rate": 0.1, "epoch": step / 4, "num_input_tokens_seen": 10 * step, "step": step}
        for step in range(1, 9)
    ),
    {"eval_loss": 0.5, "epoch": 2.0, "num_input_tokens_seen": 80, "step": 8},
]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def trained(folder: Path, history: pl.DataFrame | None = None) -> Path:
    """A folder as a training leaves it, without its weights."""
    folder.mkdir()
    (history_table(LOG) if history is None else history).write_parquet(folder / FILE_NAME)
    return folder


def with_margins() -> pl.DataFrame:
    return history_table(LOG).with_columns(
        pl.col("loss").alias("rewards/margins"), pl.col("eval_loss").alias("eval_rewards/margins")
    )


def texts(path: Path) -> list[str]:
    return re.findall(r"<!-- (.*?) -->", path.read_text())


def test_a_training_is_drawn_from_its_history_alone(bench: Bench):
    made = bench.run("plot_training", {"model": trained(bench.folder / "a")}, ["plot.svg"], title="SFT")
    shown = texts(made["plot"])
    assert {"loss", "step", "training", "validation", "SFT"} <= set(shown)
    assert "learning_rate" not in shown
    assert bench.context.facts == {"runs": 1, "metrics": ["loss"]}


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_the_same_histories_give_the_same_bytes(bench: Bench, suffix: str):
    folder = trained(bench.folder / "a", with_margins())
    made = [bench.run("plot_training", {"model": folder}, [f"plot.{suffix}"])["plot"].read_bytes() for _ in range(2)]
    assert made[0] == made[1]
    assert len(made[0]) > 5000


def test_several_trainings_are_one_table_and_one_plot(bench: Bench):
    folders = [trained(bench.folder / "a"), trained(bench.folder / "b", with_margins())]
    made = bench.run("plot_training", {"model": folders}, ["plot.svg", "history.parquet"], names=["SFT", "_DPO"])
    history = pl.read_parquet(made["history"])
    assert history.columns[:4] == ["run", "step", "epoch", "loss"]
    assert history["run"].to_list() == ["SFT"] * 9 + ["_DPO"] * 9
    assert history.filter(run="SFT")["rewards/margins"].is_null().all()
    assert history.filter(run="_DPO").drop("run").equals(with_margins())
    assert {"SFT", "_DPO", "loss", "rewards/margins"} <= set(texts(made["plot"]))


def test_other_metrics_come_after_the_loss_each_with_that_of_the_validation():
    history = with_margins().select("step", "rewards/margins", "eval_rewards/margins", "loss", "learning_rate")
    only_evaluated = pl.DataFrame({"step": [1], "eval_accuracy": [0.5], "empty": [None], "note": ["x"]})
    assert metrics_of([history, only_evaluated], []) == ["loss", "rewards/margins", "accuracy"]
    assert metrics_of([history], ["learning_rate", "loss"]) == ["learning_rate", "loss"]


def test_a_metric_that_no_history_has_is_an_error_with_the_nearest(bench: Bench):
    with pytest.raises(TableError, match="no history has 'rewards/margin'") as caught:
        bench.run(
            "plot_training",
            {"model": trained(bench.folder / "a", with_margins())},
            ["plot.svg"],
            metrics=["rewards/margin"],
        )
    assert caught.value.hint == "did you mean 'rewards/margins'?"


def test_the_smoothed_line_starts_at_the_first_value_and_follows_the_rest():
    curve = Curve([1, 2, 3], [4.0, 2.0, 0.0]).smoothed(0.5)
    assert curve.values == pytest.approx([4.0, 8 / 3, 8 / 7])
    assert Curve([1, 2], [4.0, 2.0]).smoothed(0.0).values == [4.0, 2.0]
    constant = Curve(list(range(50)), [1.5] * 50)
    assert constant.smoothed(0.97).values == pytest.approx(constant.values)


def test_steps_without_a_value_are_left_out_of_a_curve():
    history = pl.DataFrame({"step": [0, 1, 2, 3], "loss": [None, 1.0, float("nan"), 2.0]})
    assert Curve.of(history, "loss") == Curve([1, 3], [1.0, 2.0])
    assert Curve.of(history, "eval_loss") == Curve([], [])


def test_the_logarithmic_axis_has_plain_numbers(bench: Bench):
    folder = trained(bench.folder / "a")
    made = bench.run("plot_training", {"model": folder}, ["plot.svg"], log_scale=True)
    shown = texts(made["plot"])
    assert {"0.5", "1", "2"} <= set(shown)
    assert not any("$" in text for text in shown)


def test_a_history_without_steps_is_drawn_as_such(bench: Bench):
    folder = trained(bench.folder / "a", history_table([]))
    made = bench.run("plot_training", {"model": folder}, ["plot.svg", "history.parquet"])
    assert "no steps" in texts(made["plot"])
    assert pl.read_parquet(made["history"]).columns[:2] == ["run", "step"]


@pytest.mark.parametrize(("count", "names"), [(2, []), (2, ["a"]), (1, ["a", "b"])])
def test_each_of_several_folders_is_named(bench: Bench, count: int, names: list[str]):
    folders = [trained(bench.folder / str(number)) for number in range(count)]
    with pytest.raises(SettingsError, match=f"{count} folders have {len(names)} names"):
        bench.run("plot_training", {"model": folders}, ["plot.svg"], names=names)


def test_a_folder_that_no_training_left_is_an_error(bench: Bench):
    (bench.folder / "bare").mkdir()
    with pytest.raises(TableError, match=r"the folder has no history\.parquet"):
        bench.run("plot_training", {"model": bench.folder / "bare"}, ["plot.svg"])
    folder = trained(bench.folder / "odd", pl.DataFrame({"loss": [1.0]}))
    with pytest.raises(TableError, match="the history has no column 'step'"):
        bench.run("plot_training", {"model": folder}, ["plot.svg"])
