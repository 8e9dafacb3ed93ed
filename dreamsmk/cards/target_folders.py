"""What the folders of a card's targets hold that the card shows: how a loss went, and what models say of themselves.

Contract: only targets are read. Folders of models on the way may be gone or others by now; their records tell of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dreamsmk.cards.description import View
from dreamsmk.cards.model_folder import read_model_folder
from dreamsmk.cards.trace import Trace

# The trainers leave this table in the folder of the model that they trained.
_HISTORY = "history.parquet"


# Any: JSON of the config and of what the author states.
def view_of_targets(
    traced: Trace,
    targets: Sequence[Path],
    *,
    models: Sequence[Mapping[str, Any]] = (),
    described: Mapping[str, Mapping[str, Any]] | None = None,
) -> View:
    """Returns all that a card is made from.

    Args:
        traced: The trace of the targets.
        targets: Where they lie, in its order.
        models: The model specs of the config.
        described: What the author says of sources, by their path.

    Raises:
        CardError: A file of a model is no JSON.
        TableError: The loss history cannot be read.
    """
    pairs = [(path, target.fingerprint) for path, target in zip(targets, traced.targets, strict=True)]
    folders = {fingerprint: found for path, fingerprint in pairs if (found := read_model_folder(path))}
    histories = {fingerprint: _history(path) for path, fingerprint in pairs if (path / _HISTORY).is_file()}
    return View(traced, models=models, described=described or {}, loss_history=histories, folders=folders)


def _history(folder: Path) -> list[Mapping[str, float | int | None]]:
    from dreamsmk.tables import read_table

    return [dict(row) for row in read_table(folder / _HISTORY).iter_rows(named=True)]
