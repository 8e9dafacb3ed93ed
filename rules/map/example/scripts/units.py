"""Units of temperature."""

from __future__ import annotations

FREEZING_FAHRENHEIT = 32


def celsius(reading: str) -> float:
    """Returns `68 F` or `20 C` in degrees Celsius, with one decimal."""
    number, unit = reading.split()
    degrees = float(number)
    return round((degrees - FREEZING_FAHRENHEIT) / 1.8 if unit == "F" else degrees, 1)
