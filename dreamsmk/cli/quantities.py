"""Sizes and durations as people write them: `20G`, `500M`, `30d`, `12h`.

Contract: what is written here is read back as it was meant; a unit that could mean two things is an error.
"""

from __future__ import annotations

import argparse
import re

_SIZE_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")


def size_bytes(text: str) -> int:
    """Returns a number of bytes; K, M, G and T are powers of 1024.

    Raises:
        argparse.ArgumentTypeError: It is no size.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no size: write 20G, 500M or a number of bytes")
    return int(float(match[1]) * _SIZE_UNITS[match[2].upper()])


def duration_seconds(text: str) -> float:
    """Returns a number of seconds; m is minutes.

    Raises:
        argparse.ArgumentTypeError: It is no duration.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration: write 30d, 12h, 90m or 2w")
    return float(match[1]) * _SECONDS[match[2]]


def positive(text: str) -> int:
    """Returns a whole number from 1.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1")
    return int(text)


def shown_size(count: int) -> str:
    """Returns a number of bytes in the largest unit that it fills."""
    unit = max((unit for unit in _SIZE_UNITS if count >= _SIZE_UNITS[unit]), key=_SIZE_UNITS.__getitem__, default="")
    return f"{count / _SIZE_UNITS[unit]:.1f} {unit}iB" if unit else f"{count} B"
