from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dreamsmk.errors import SettingsError
from dreamsmk.tasks.figures import check_plot, colour, draw_heading, drawing, hatch, line_style, new_figure, save_figure

SCRIPT = """
import sys
from pathlib import Path
from dreamsmk.tasks.figures import drawing, new_figure, save_figure
for suffix in (".svg", ".png"):
    with drawing():
        figure = new_figure(2.0)
        figure.subplots(1, 1).plot([1, 2, 3], [3, 1, 2])
        save_figure(figure, Path(sys.argv[1] + suffix))
"""


def drawn(path: Path, title: str | None, names: list[str | None]) -> str:
    from matplotlib.patches import Patch

    with drawing():
        figure = new_figure(2.0)
        figure.subplots(1, 1).plot([1, 2], [1, 2])
        draw_heading(figure, title, [Patch(facecolor=colour(number)) for number, _ in enumerate(names)], names)
        return save_figure(figure, path)


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_the_same_figure_has_the_same_bytes_and_no_date(tmp_path: Path, suffix: str):
    for name in ("one", "two"):
        assert drawn(tmp_path / f"{name}{suffix}", "Title", ["a", "b"]) == ""
    made = (tmp_path / f"one{suffix}").read_bytes()
    assert made == (tmp_path / f"two{suffix}").read_bytes()
    assert b"date" not in made
    assert b"matplotlib.org" not in made.replace(b"xmlns", b"")


def test_the_users_own_settings_and_the_day_change_nothing(tmp_path: Path):
    (tmp_path / "matplotlibrc").write_text("font.size: 20\nsvg.fonttype: none\naxes.grid: true\nlines.linewidth: 9\n")
    for name, more in (("one", {}), ("two", {"MATPLOTLIBRC": str(tmp_path), "SOURCE_DATE_EPOCH": "1", "LANG": "C"})):
        subprocess.run(
            [sys.executable, "-c", SCRIPT, str(tmp_path / name)],
            env={**os.environ, **more, "PYTHONHASHSEED": str(len(name) + len(more))},
            check=True,
            cwd=Path(__file__).parents[3],
        )
    for suffix in (".svg", ".png"):
        assert (tmp_path / f"one{suffix}").read_bytes() == (tmp_path / f"two{suffix}").read_bytes()


def test_matplotlib_is_left_as_it_was(tmp_path: Path):
    import matplotlib

    before = dict(matplotlib.rcParams)
    drawn(tmp_path / "a.svg", None, [None])
    assert dict(matplotlib.rcParams) == before


def test_names_are_shown_whatever_signs_they_have(tmp_path: Path):
    """A dollar sign begins a formula for matplotlib, and an underscore hides a name."""
    assert drawn(tmp_path / "a.svg", "$x^2$ & <b>", ["_hidden", "$y_1$"]) == ""
    # outlines of letters, each in a group that says its text
    text = (tmp_path / "a.svg").read_text()
    assert "<!-- _hidden -->" in text
    assert "<!-- $y_1$ -->" in text
    assert "<text" not in text


def test_letters_that_the_font_lacks_are_told(tmp_path: Path):
    assert drawn(tmp_path / "a.png", "日本 and ü", [None]) == "日本"


def test_series_beyond_the_colours_are_told_apart_otherwise():
    looks = [(colour(n), hatch(n), line_style(n)) for n in range(18)]
    assert len(set(looks)) == 18


@pytest.mark.parametrize("name", ["plot.pdf", "plot", "plot.SVG.gz"])
def test_a_plot_of_another_format_is_an_error(name: str):
    with pytest.raises(SettingsError, match="a plot does not end in") as caught:
        check_plot(Path(name))
    assert caught.value.hint == "end it in .svg or .png"
