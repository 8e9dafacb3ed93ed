"""How one setting is declared: a dataclass field whose metadata says everything that is known of it.

Contract: the loader, the JSON Schema and the reference page read this metadata and nothing else.
"""

from __future__ import annotations

from dataclasses import MISSING, Field, field
from typing import Any, Literal

Group = Literal["identity", "sampling", "execution", "about"]


# Any: a dataclass field of every type.
def setting(group: Group | None, text: str, default: Any = None, **schema: Any) -> Any:
    """Declares a setting that has a default.

    Args:
        group: What the setting decides; None outside a model spec.
        text: The one sentence of the reference page.
        default: The value where the setting is absent or null.
        schema: JSON Schema keywords beside the type, and `hint` for what an error should advise.
    """
    metadata = {"group": group, "description": text, "schema": _keywords(schema)}
    if isinstance(default, (dict, list)):
        return field(default_factory=lambda: type(default)(default), metadata=metadata)
    return field(default=default, metadata=metadata)


# Any: a dataclass field of every type.
def required(group: Group | None, text: str, **schema: Any) -> Any:
    """Declares a setting that has no default."""
    return field(metadata={"group": group, "description": text, "schema": _keywords(schema)})


# Any: fields of every type, and their defaults.
def default_of(declared: Field[Any]) -> Any:
    """Returns the default of a field, `MISSING` where it has none."""
    if declared.default_factory is not MISSING:
        return declared.default_factory()
    return declared.default


# Any: JSON Schema.
def _keywords(schema: dict[str, Any]) -> dict[str, Any]:
    return {("x-hint" if name == "hint" else name): value for name, value in schema.items()}
