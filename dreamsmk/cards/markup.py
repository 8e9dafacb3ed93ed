"""Pieces of Markdown: escaped text, code, tables, folds, and numbers as people read them.

Contract: text of models and data can be anything, so whatever goes through `escaped`, `code` or `fenced` comes out on
the page as it went in: it neither ends a table cell nor becomes markup.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime


def escaped(text: object) -> str:
    """Returns text that Markdown shows as it is, on one line."""
    words = str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    words = re.sub(r"([\\`*_\[\]~$])", r"\\\1", words)
    words = re.sub(r"[\x00-\x08\x0e-\x1f\x7f]", "\ufffd", words)
    return re.sub(r"\r\n|[\r\n\v\f\x85\u2028\u2029]", "<br>", words.strip())


def code(text: object) -> str:
    """Returns text as a code span, on one line."""
    words = " ".join(str(text).split())
    fence = "`" * (max((len(run) for run in re.findall(r"`+", words)), default=0) + 1)
    pad = " " if words.startswith("`") or words.endswith("`") else ""
    return f"{fence}{pad}{words}{pad}{fence}" if words else ""


def fenced(text: str, language: str = "") -> str:
    """Returns a code block that holds the text whatever it contains."""
    fence = "`" * max(3, max((len(run) for run in re.findall(r"`+", text)), default=0) + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, right: Iterable[int] = ()) -> str:
    """Returns a table of cells that are Markdown already.

    Args:
        header: Names of the columns.
        rows: Cells of each row.
        right: Columns of numbers, set flush right.
    """
    numbers = set(right)
    rule = ["---:" if i in numbers else "---" for i in range(len(header))]
    lines = [header, rule, *rows]
    # A table ends a cell at a bar even within a code span, and takes the backslash away before it reads the cell.
    cells = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in cells)


def folded(title: str, body: str) -> str:
    """Returns a fold. The blank lines make a renderer read the body, but not the title, as Markdown."""
    return f"<details>\n<summary>{html.escape(' '.join(title.split()), quote=False)}</summary>\n\n{body}\n\n</details>"


def link(text: str, url: str) -> str:
    """Returns a link, or the text alone where there is no URL."""
    if not re.match(r"https?://", url):
        return escaped(text)
    return f"[{escaped(text)}]({re.sub(r'[ ()<>|]', lambda found: f'%{ord(found[0]):02X}', url)})"


def number(value: float | None) -> str:
    """Returns a number with thousands set apart."""
    if value is None:
        return ""
    if isinstance(value, int) or float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:.4g}"


def duration(seconds: float) -> str:
    """Returns a time span in its two largest units."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def size(count: int) -> str:
    """Returns a number of bytes in the largest unit that fits (powers of 1000)."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} TB"


def moment(time: str) -> str:
    """Returns an ISO 8601 time to the minute, in UTC where its zone is known."""
    parsed = datetime.fromisoformat(time)
    if parsed.tzinfo is None:
        return parsed.strftime("%Y-%m-%d %H:%M")
    return parsed.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
