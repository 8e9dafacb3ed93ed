"""Values of records as cells of a table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from dreamsmk.cards.markup import code, escaped, number, size


# Any (in this file): JSON.
def value(found: Any) -> str:
    """Returns a value as people read it."""
    if isinstance(found, bool):
        return "yes" if found else "no"
    if found is None or isinstance(found, (int, float)):
        return number(found)
    if isinstance(found, str):
        return escaped(found) if found and found.strip() == found else code(json.dumps(found, ensure_ascii=False))
    if isinstance(found, list) and all(isinstance(item, (str, int, float)) for item in found):
        return escaped(", ".join(str(item) for item in found))
    if isinstance(found, Mapping) and not any(isinstance(item, Mapping) for item in found.values()):
        # what is off or empty says nothing
        told = {name: item for name, item in found.items() if item not in (None, False, [], "")}
        return ", ".join(f"{code(name)} {value(item)}" for name, item in sorted(told.items()))
    return code(json.dumps(found, ensure_ascii=False))


def value_of_unit(name: str, found: Any) -> str:
    """Returns a value whose name tells its unit."""
    return size(found) if name.endswith("_bytes") and isinstance(found, int) else value(found)


def title_of(name: str) -> str:
    """Returns the name of a value as the title of its row."""
    return name.removesuffix("_bytes").removeprefix("is_").replace("_", " ").capitalize()
