"""What a user says of a source, for the record and for cards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


# Any: JSON.
def told_source(params: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the fact `source` from the parameter `about`; nothing where nothing is said."""
    said = {name: value for name, value in params["about"].items() if value is not None}
    return {"source": {"kind": "dataset", **said}} if said else {}
