"""Colour for differences on a terminal.

Contract: text is only coloured where a person reads it: stdout is a terminal, and NO_COLOR is not set
(https://no-color.org). The words are the same with colour and without.
"""

from __future__ import annotations

import os
import re
import sys
from typing import TextIO

_RED, _GREEN, _BOLD, _DIM, _OFF = "\033[31m", "\033[32m", "\033[1m", "\033[2m", "\033[0m"


def is_colored(stream: TextIO) -> bool:
    """Says whether a stream shows colours."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def bold(text: str) -> str:
    """Returns text in bold letters, where stdout shows them."""
    return f"{_BOLD}{text}{_OFF}" if is_colored(sys.stdout) else text


def dim(text: str) -> str:
    """Returns text in fainter letters, where stderr shows them."""
    return f"{_DIM}{text}{_OFF}" if is_colored(sys.stderr) else text


def painted(text: str) -> str:
    """Returns text with removed lines red, added lines green and headings bold, where stdout shows colours."""
    if not is_colored(sys.stdout):
        return text
    return "\n".join(_line(line) for line in text.split("\n"))


def _line(line: str) -> str:
    if re.match(r"\s+- ", line):
        return f"{_RED}{line}{_OFF}"
    if re.match(r"\s+\+ ", line):
        return f"{_GREEN}{line}{_OFF}"
    if (line and line[0] != " ") or re.match(r"  (now|before it) ", line):
        return f"{_BOLD}{line}{_OFF}"
    return line
