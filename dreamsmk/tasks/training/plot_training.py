"""How trainings went: the histories that trainers leave, as one table and one plot.

Contract: only `history.parquet` of each folder is read, so that a plot wanted later trains nothing again. A metric and
the same metric on the validation rows (`eval_` before its name) share a panel; what a later trainer adds to a history
gets a panel without a change here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import SettingsError, TableError, nearest
from dreamsmk.tables import read_table, write_table
from dreamsmk.tasks.context import Context
from dreamsmk.tasks.figures import (
    INK,
    check_plot,
    colour,
    draw_heading,
    draw_legend,
    drawing,
    line_style,
    new_figure,
    save_figure,
)
from dreamsmk.tasks.training.frame.history import FILE_NAME

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

RUN, STEP, LOSS, EVAL = "run", "step", "loss", "eval_"
# what says where a step stands, and nothing of how good the model was there
_NO_METRICS = (RUN, STEP, "epoch", "tokens", "learning_rate")
_PANEL_INCHES = 2.3


@dataclass(frozen=True, slots=True)
class Curve:
    """The values of a metric, at the steps that have one."""

    steps: list[int]
    values: list[float]

    @classmethod
    def of(cls, history: pl.DataFrame, column: str) -> Curve:
        """Returns a column of a history; an empty curve where there is none."""
        if column not in history.columns:
            return cls([], [])
        known = history.select(STEP, column).drop_nulls().drop_nans()
        return cls(known[STEP].to_list(), known[column].cast(float).to_list())

    def smoothed(self, weight: float) -> Curve:
        """Returns the exponential moving average, as TensorBoard has it: the first values are not drawn towards 0.

        Args:
            weight: How much of the step before each step keeps, from 0 to below 1.
        """
        mean, kept, values = 0.0, 1.0, []
        for value in self.values:
            mean = weight * mean + (1 - weight) * value
            kept *= weight
            values.append(mean / (1 - kept))
        return Curve(self.steps, values)


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of the table: only the histories tell them."""
    return {"history": None}


# Any: JSON.
def rows(params: Mapping[str, Any], inputs: Mapping[str, int | None]) -> dict[str, int | None]:
    """Returns the number of rows of the table: only the histories tell it."""
    return {"history": None}


def plot_training(context: Context) -> None:
    """Draws the plot, and writes the table where it is asked for.

    Raises:
        SettingsError: There are more or fewer names than folders, or the plot is of no format.
        TableError: A folder has no history, or none has a metric that is asked for.
    """
    params, folders = context.params, context.inputs["model"]
    check_plot(context.output("plot"))
    names = _names(params["names"], folders)
    histories = [_read(folder) for folder in folders]
    metrics = metrics_of(histories, params["metrics"])
    if "history" in context.outputs:
        write_table(history_of(names, histories), context.output("history"))
    lacking = draw_trainings(names, histories, metrics, params, context.output("plot"))
    if lacking:
        context.progress.note(f"the font of the plot lacks {lacking}, and shows boxes")
    context.facts |= {"runs": len(folders), "metrics": metrics}


def history_of(names: Sequence[str | None], histories: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Returns the histories one after the other, with the name of each before its rows."""
    import polars as pl

    named = [
        history.select(pl.lit(name, dtype=pl.String).alias(RUN), pl.exclude(RUN))
        for name, history in zip(names, histories, strict=True)
    ]
    return pl.concat(named, how="diagonal_relaxed")


def metrics_of(histories: Sequence[pl.DataFrame], wanted: Sequence[str]) -> list[str]:
    """Returns the metrics to draw, the loss first; those of validation rows are part of the metric itself.

    Raises:
        TableError: No history has a metric that is wanted.
    """
    found = {}
    for history in histories:
        for name, dtype in history.schema.items():
            if name not in _NO_METRICS and dtype.is_numeric() and history[name].null_count() < history.height:
                found[name.removeprefix(EVAL)] = True
    present = sorted(found, key=lambda name: name != LOSS)
    drawable = {*present, *(name for history in histories for name in history.columns)} - {RUN, STEP}
    for name in wanted:
        if name not in drawable:
            raise TableError(f"no history has {name!r}", where="params.metrics", hint=nearest(name, drawable))
    return list(wanted) or present


# Any: JSON.
def draw_trainings(
    names: Sequence[str | None],
    histories: Sequence[pl.DataFrame],
    metrics: Sequence[str],
    params: Mapping[str, Any],
    path: Path,
) -> str:
    """Draws a panel for each metric, below each other, and returns the letters that the font lacks."""
    title = params["title"]
    with drawing():
        height = _PANEL_INCHES * max(1, len(metrics)) + 0.3 * (len(names) > 1) + 0.3 * (title is not None)
        figure = new_figure(height)
        has_key = False
        axes = figure.subplots(max(1, len(metrics)), 1, sharex=True, squeeze=False)[:, 0]
        for ax, metric in zip(axes, metrics, strict=False):
            is_log = params["log_scale"] and metric == LOSS
            has_evaluation = _draw(ax, metric, histories, params["smoothing"], is_log=is_log)
            if has_evaluation and not has_key:
                # the same for all panels and runs, and so without a colour
                draw_legend(ax, _kinds(), ["training", "validation"], loc="best", fontsize=8)
                has_key = True
        if not metrics:
            axes[0].annotate("no steps", (0.5, 0.5), xycoords="axes fraction", ha="center")
        axes[-1].set_xlabel(STEP)
        draw_heading(figure, title, _keys(len(names)), names)
        return save_figure(figure, path)


def _draw(ax: Axes, metric: str, histories: Sequence[pl.DataFrame], smoothing: float, *, is_log: bool) -> bool:
    """Draws a metric of all runs, and returns whether one has it of validation rows."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    has_evaluation = False
    for number, history in enumerate(histories):
        trained, evaluated = Curve.of(history, metric), Curve.of(history, EVAL + metric)
        ink, style = colour(number), line_style(number)
        if smoothing:
            ax.plot(trained.steps, trained.values, color=ink, alpha=0.25, linewidth=0.8)
        ax.plot(trained.steps, trained.smoothed(smoothing).values, color=ink, linestyle=style, linewidth=1.6)
        ax.plot(evaluated.steps, evaluated.values, color=ink, linestyle=style, linewidth=0.8, marker="o", markersize=4)
        has_evaluation |= bool(evaluated.steps)
    if is_log:
        ax.set_yscale("log")
        # plain numbers instead of matplotlib's powers of ten, and enough of them within one
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 1.5, 2.0, 3.0, 5.0)))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.yaxis.set_minor_formatter(NullFormatter())
    ax.set_ylabel(metric)
    ax.grid(visible=True)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    return has_evaluation


def _kinds() -> list[Artist]:
    from matplotlib.lines import Line2D

    return [
        Line2D([], [], color=INK, linewidth=1.6),
        Line2D([], [], color=INK, linewidth=0.8, marker="o", markersize=4),
    ]


def _keys(count: int) -> list[Artist]:
    from matplotlib.lines import Line2D

    return [Line2D([], [], color=colour(n), linestyle=line_style(n), linewidth=1.6) for n in range(count)]


def _names(given: Sequence[str], folders: Sequence[Path]) -> list[str | None]:
    if not given and len(folders) == 1:
        return [None]
    # paths are no part of a fingerprint, so that they cannot be the names
    if len(given) != len(folders):
        hint = "name each folder once, in their order"
        raise SettingsError(f"{len(folders)} folders have {len(given)} names", where="params.names", hint=hint)
    return list(given)


def _read(folder: Path) -> pl.DataFrame:
    path = folder / FILE_NAME
    if not path.is_file():
        hint = "give the folder that a training of dreamsmk left"
        raise TableError(f"the folder has no {FILE_NAME}", where=str(folder), hint=hint)
    history = read_table(path)
    if STEP not in history.columns:
        raise TableError(f"the history has no column {STEP!r}", where=str(path))
    return history
