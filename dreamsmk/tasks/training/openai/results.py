"""How the loss of a job at the service went.

The service leaves a CSV file, encoded as base64, with a row a step: `step`, `train_loss`, `train_accuracy`,
`valid_loss`, `valid_mean_token_accuracy`, and at the end of each epoch `full_valid_loss` and
`full_valid_mean_token_accuracy`, the figures on all validation rows. Where there is no such file the same numbers stand
in the events, some of them under other names.
"""

from __future__ import annotations

import base64
import binascii
import csv
import io
import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from dreamsmk.errors import RequestRejected
from dreamsmk.tasks.training.frame.history import history_table

if TYPE_CHECKING:
    import polars
    from openai.types.fine_tuning import FineTuningJob

    from dreamsmk.tasks.training.openai.service import FineTuningService

# The columns of a history by the names of the service.
_LEARNT = {"loss": ("train_loss",), "accuracy": ("train_accuracy", "train_mean_token_accuracy")}
_OF_A_BATCH = {"eval_loss": ("valid_loss",), "eval_accuracy": ("valid_mean_token_accuracy",)}
_OF_ALL_ROWS = {"eval_loss": ("full_valid_loss",), "eval_accuracy": ("full_valid_mean_token_accuracy",)}


def read_history(service: FineTuningService, job: FineTuningJob) -> polars.DataFrame:
    """Returns the loss of a job that has ended, one row a step; see `history.history_table`."""
    rows: list[Mapping[str, object]] = []
    for file_id in job.result_files:
        try:
            rows.extend(csv_rows(service.read_file(file_id)))
        except RequestRejected:
            # it may have been deleted; the events are left
            continue
    if not any(metric(row, "train_loss") is not None for row in rows):
        rows = [event.data for event in service.events(job.id) if isinstance(event.data, Mapping)]
    return history_table(history_entries(rows), ["accuracy"])


def csv_rows(content: bytes) -> list[Mapping[str, object]]:
    """Returns the rows of a CSV file that may be encoded as base64."""
    if b"," not in content:
        try:
            content = base64.b64decode(b"".join(content.split()), validate=True)
        except binascii.Error:
            return []
    return list(csv.DictReader(io.StringIO(content.decode("utf-8", "replace"))))


def history_entries(rows: Iterable[Mapping[str, object]]) -> list[dict[str, float]]:
    """Returns the numbers of rows by the names of a history.

    Losses on all validation rows count alone, where there are any: those on a batch are no measure beside them.
    """
    known = list(rows)
    has_full = any(metric(row, name) is not None for row in known for name in _OF_ALL_ROWS["eval_loss"])
    names = _LEARNT | (_OF_ALL_ROWS if has_full else _OF_A_BATCH)
    entries = []
    for row in known:
        step = metric(row, "step")
        numbers: dict[str, float] = {}
        for ours, theirs in names.items():
            for number in (metric(row, name) for name in theirs):
                if number is not None:
                    numbers[ours] = number
        if step is not None and numbers:
            entries.append({"step": int(step), **numbers})
    return entries


def metric(row: object, name: str) -> float | None:
    """Returns a number of a row; None where it is missing or none that counts."""
    value = row.get(name) if isinstance(row, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
