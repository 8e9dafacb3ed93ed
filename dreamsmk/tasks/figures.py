"""How plots are drawn and saved.

Contract: with one version of matplotlib the same numbers give the same bytes: no date, no random id, and nothing of the
user's own settings of matplotlib. Letters are outlines, so that an SVG looks the same everywhere, and a name is shown
as it is written, whatever signs are in it. Colour-blind readers can tell the colours apart (Okabe and Ito, "Color
Universal Design", 2008).
"""

from __future__ import annotations

import re
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dreamsmk.errors import SettingsError
from dreamsmk.providers.base import check_packages

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Style = Literal["-", "--", ":"]

SUFFIXES = (".svg", ".png")
WIDTH_INCHES = 6.5
INK, PALE = "#333333", "#D9D9D9"
# blue, orange, green, purple, sky blue, vermilion: without the yellow and the black, which white paper and text take
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
HATCHES = ("", "///", "...")
STYLES: tuple[Style, ...] = ("-", "--", ":")

_NO_DATE = {".svg": {"Date": None, "Creator": None}, ".png": {"Software": None}}
# Any: settings of every type.
_SETTINGS: dict[str, Any] = {
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.axisbelow": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "figure.constrained_layout.use": True,
    "figure.titlesize": 11,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "grid.color": PALE,
    "grid.linewidth": 0.6,
    "hatch.color": "white",
    "legend.frameon": False,
    "savefig.dpi": 160,
    "svg.fonttype": "path",
    "svg.hashsalt": "dreamsmk",
    "text.color": INK,
    # a name may have dollar signs, and is no formula
    "text.parse_math": False,
    "xtick.color": INK,
    "ytick.color": INK,
}


def check_plot(path: Path) -> None:
    """Checks that a plot can be drawn, before anything is worked out for it.

    Raises:
        SettingsError: Its suffix names no format that plots are made in.
        MissingExtra: matplotlib is not installed.
    """
    if path.suffix not in SUFFIXES:
        raise SettingsError(
            f"a plot does not end in {path.suffix or 'nothing'!r}", where="output.plot", hint="end it in .svg or .png"
        )
    check_packages(["matplotlib"], "figures")


@contextmanager
def drawing() -> Iterator[None]:
    """Has matplotlib draw in the one style of ours within a `with` block."""
    from matplotlib import style

    with style.context(_SETTINGS, after_reset=True):
        yield


def new_figure(height_inches: float) -> Figure:
    """Returns an empty figure; call it and all that is drawn on it within `drawing`."""
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH_INCHES, height_inches))


def colour(index: int) -> str:
    """Returns the colour of a series; after the last the first comes again, with another hatch or style."""
    return COLOURS[index % len(COLOURS)]


def hatch(index: int) -> str:
    """Returns the hatch of the bars of a series."""
    return HATCHES[index // len(COLOURS) % len(HATCHES)]


def line_style(index: int) -> Style:
    """Returns the style of the line of a series."""
    return STYLES[index // len(COLOURS) % len(STYLES)]


def draw_legend(place: Figure | Axes, handles: Sequence[Artist], names: Sequence[str], **where: Any) -> None:
    """Draws a legend.

    Args:
        place: What the legend is for.
        handles: What the names stand for.
        names: The names.
        where: Arguments of matplotlib's `legend`.
    """
    # matplotlib leaves out names that begin with an underscore, unless they come later
    legend = place.legend(list(handles), [str(number) for number, _ in enumerate(names)], **where)
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_text(name)


def draw_heading(figure: Figure, title: str | None, handles: Sequence[Artist], names: Sequence[str | None]) -> None:
    """Draws what stands over a figure: its title, and what the colours mean where there are several."""
    if len(names) < 2:
        figure.suptitle(title or "", x=0.01, horizontalalignment="left")
        return
    shown = [str(name) for name in names]
    # about as many characters as the width of the figure has
    columns = max(1, min(len(shown), int(figure.get_figwidth() * 13) // (max(map(len, shown)) + 8)))
    look = {"title": title, "title_fontsize": 11, "alignment": "left", "borderaxespad": 0.2}
    draw_legend(figure, handles, shown, loc="outside upper left", ncols=columns, **look)


def wrapped(text: str) -> str:
    """Returns a text in lines of some thirty letters, three at most."""
    return "\n".join(textwrap.wrap(text, 30, max_lines=3, placeholder="…")) or text


def save_figure(figure: Figure, path: Path) -> str:
    """Writes a figure, as SVG or PNG by the suffix of the path.

    Returns:
        The letters that the font lacks, which are shown as boxes.
    """
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        figure.savefig(path, format=path.suffix.removeprefix("."), metadata=_NO_DATE[path.suffix])
    lacking = {}
    for warning in said:
        if glyph := re.match(r"Glyph (\d+) .* missing from font", str(warning.message)):
            lacking[chr(int(glyph[1]))] = True
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    return "".join(lacking)
