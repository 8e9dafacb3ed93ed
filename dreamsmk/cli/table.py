"""Rows on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def print_table(rows: Sequence[Mapping[str, object]]) -> None:
    """Prints rows as aligned columns under their names, numbers to the right."""
    names = list(rows[0])
    cells = [[_shown(row[name]) for name in names] for row in rows]
    numeric = [all(isinstance(row[name], (int, float)) for row in rows) for name in names]
    widths = [max(len(line[i]) for line in [names, *cells]) for i in range(len(names))]
    for line in [names, *cells]:
        padded = [c.rjust(w) if right else c.ljust(w) for c, w, right in zip(line, widths, numeric, strict=True)]
        print("  ".join(padded).rstrip())


def short_model(model: str) -> str:
    """Returns a model id as it fits into a table: of a digest, its first twelve digits."""
    algorithm, _, digits = model.rpartition(":")
    is_digest = algorithm.endswith("sha256") and len(digits) == 64
    return f"{algorithm}:{digits[:12]}…" if is_digest else model


def _shown(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
