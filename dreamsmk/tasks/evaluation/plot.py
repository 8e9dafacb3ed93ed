"""The bar chart of the scores.

Contract: without groups there is a panel for each scale, with the metrics below each other; with groups a panel for
each metric, with the groups below each other. What is compared are bars of different colours in each. Bars begin at 0,
thin lines are intervals, and each bar says its value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamsmk.tasks.evaluation.catalogue import METRICS
from dreamsmk.tasks.evaluation.scores import Score
from dreamsmk.tasks.figures import INK, colour, draw_heading, drawing, hatch, new_figure, save_figure, wrapped

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

BAR_INCHES = 0.24
# More are not to be read, and not to be drawn in a picture of a sensible size; they are in the table.
MOST_GROUPS = 30


@dataclass(frozen=True, slots=True)
class Panel:
    """One axis with bars.

    Attributes:
        title: What stands over it.
        scale: What its axis says.
        categories: The names of the rows of bars, from above.
        scores: The scores of each category by the name of those that are compared; one may lack a group.
    """

    title: str
    scale: str
    categories: list[str]
    scores: list[dict[str | None, Score]]

    @property
    def bars(self) -> int:
        """How many bars it has."""
        return sum(len(scores) for scores in self.scores)

    @property
    def has_intervals(self) -> bool:
        """Whether a bar has an interval."""
        return any(score.high is not None for row in self.scores for score in row.values())

    @property
    def end(self) -> float:
        """How far its bars and intervals go."""
        return max((score.high or score.value or 0.0 for row in self.scores for score in row.values()), default=0.0)


def draw_scores(scores: Sequence[Score], title: str | None, path: Path) -> str:
    """Draws a bar chart.

    Args:
        scores: The scores; counts, which are on no scale, are left out.
        title: What stands over it.
        path: The file to write, .svg or .png.

    Returns:
        The letters that the font lacks.
    """
    shown = [score for score in scores if score.metric in METRICS]
    names = list(dict.fromkeys(score.name for score in shown))
    panels = panels_of(shown)
    heights = [BAR_INCHES * (panel.bars + 0.6 * len(panel.categories)) + 0.55 for panel in panels]
    with drawing():
        figure = new_figure(sum(heights) + 0.3 * (title is not None) + 0.3 * (len(names) > 1))
        axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
        keys = [_draw(ax, panel, names) for ax, panel in zip(axes, panels, strict=True)]
        draw_heading(figure, title, keys[0], names)
        return save_figure(figure, path)


def panels_of(scores: Sequence[Score]) -> list[Panel]:
    """Returns the panels of a chart."""
    groups = list(dict.fromkeys(score.group for score in scores))
    metrics = list(dict.fromkeys(score.metric for score in scores))
    if len(groups) > 1:
        left_out = len(groups) - 1 - MOST_GROUPS
        note = f" (the first {MOST_GROUPS} of {len(groups) - 1} groups)" if left_out > 0 else ""
        groups = groups[: MOST_GROUPS + 1]
        return [
            Panel(
                METRICS[metric].label + note,
                METRICS[metric].scale,
                [_group_name(group) for group in groups],
                [{s.name: s for s in scores if s.metric == metric and s.group == group} for group in groups],
            )
            for metric in metrics
        ]
    scales = list(dict.fromkeys(METRICS[metric].scale for metric in metrics))
    of_scale = {scale: [metric for metric in metrics if METRICS[metric].scale == scale] for scale in scales}
    return [
        Panel(
            "",
            scale,
            [METRICS[metric].label for metric in members],
            [{s.name: s for s in scores if s.metric == metric} for metric in members],
        )
        for scale, members in of_scale.items()
    ]


# Any: cells.
def _group_name(group: tuple[Any, ...] | None) -> str:
    return "all rows" if group is None else ", ".join(map(str, group))


def _draw(ax: Axes, panel: Panel, names: Sequence[str | None]) -> list[Artist]:
    """Draws a panel, and returns what stands for each name in a legend."""
    from matplotlib.patches import Patch

    thickness = 1 / (len(names) + 0.6)
    drawn: list[Artist] = []
    for series, name in enumerate(names):
        offset = (series - (len(names) - 1) / 2) * thickness
        places = {row + offset: scores[name] for row, scores in enumerate(panel.scores) if name in scores}
        ax.barh(
            list(places),
            [score.value or 0.0 for score in places.values()],
            height=thickness * 0.92,
            color=colour(series),
            hatch=hatch(series),
            linewidth=0,
        )
        drawn.append(Patch(facecolor=colour(series), hatch=hatch(series), linewidth=0))
        for place, score in places.items():
            _label(ax, place, score)
    ax.set_yticks(range(len(panel.categories)), [wrapped(name) for name in panel.categories])
    ax.set_ylim(len(panel.categories) - 0.5, -0.5)
    # room for the number at the end of the longest bar
    ax.set_xlim(0, panel.end * 1.12 or 1.0)
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel(panel.scale + ("; lines: 95 % intervals" if panel.has_intervals else ""))
    ax.set_title(panel.title)
    ax.grid(axis="x")
    return drawn


def _label(ax: Axes, height: float, score: Score) -> None:
    reach = score.value or 0.0
    if score.low is not None and score.high is not None:
        reach = score.high
        for ink, width in (("white", 3.0), (INK, 1.2)):
            ax.plot([score.low, score.high], [height, height], color=ink, linewidth=width, solid_capstyle="butt")
    text = "no rows" if score.value is None else _number(score.value)
    ax.annotate(text, (reach, height), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8)


def _number(value: float) -> str:
    """Returns a number with three digits or so, as tables of results have them."""
    digits = 3 if value < 1 else 2 if value < 10 else 1
    return f"{value:.{digits}f}" if value < 10_000 else f"{value:.3g}"
