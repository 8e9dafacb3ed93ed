"""Steps of the workflow."""

from __future__ import annotations

from units import celsius


def to_celsius(row: dict[str, str]) -> dict[str, object] | None:
    """Returns a reading in degrees Celsius; drops those that say nothing."""
    if not row["reading"]:
        return None
    degrees = celsius(row["reading"])
    return {"city": row["city"], "celsius": degrees, "is_freezing": degrees < 0}
