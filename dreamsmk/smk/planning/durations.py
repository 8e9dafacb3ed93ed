"""How long a job will hold its GPUs, by what earlier jobs of the same kind took.

Contract: it is an estimate, and None where no such job was recorded. Only jobs that ran on GPUs count; their time is
scaled by calls where the task asks models, by rows where it trains on tables, and not at all elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from dreamsmk.settings import ModelSpec
from dreamsmk.store import Home, Records

# Records that are looked at: reading all of ten thousand would take longer than the answer is worth.
MOST_RECORDS = 2000


class Durations:
    """The earlier jobs in one home.

    Args:
        home: The folder of dreamsmk's state.
        records: The records in it.
    """

    def __init__(self, home: Home, records: Records) -> None:
        self._home = home
        self._records = records
        # Any: JSON.
        self._by_task: dict[str, list[Mapping[str, Any]]] | None = None

    def gpu_hours(
        self, task: str, models: Sequence[ModelSpec], *, gpus: int, calls: int | None, rows: int | None
    ) -> float | None:
        """Returns the GPU hours that a job will take.

        Args:
            task: The task's name.
            models: The specs of its models.
            gpus: How many GPUs it asks for; without any there are no GPU hours.
            calls: Calls that it will make; None where it makes none, or their number is not known.
            rows: Rows of its first input.
        """
        if gpus < 1:
            return None
        wanted = sorted((spec.model, bool(spec.adapter)) for spec in models)
        found = [record for record in self._of_task(task) if _models(record) == wanted]
        if not found:
            return None
        latest = max(found, key=lambda record: str(record["finished_at"]))
        seconds = float(latest["duration_seconds"]) * _scale(latest, calls, rows)
        return seconds * gpus / 3600

    # Any: JSON.
    def _of_task(self, task: str) -> list[Mapping[str, Any]]:
        if self._by_task is None:
            self._by_task = {}
            for fingerprint in islice(self._home.fingerprints("records"), MOST_RECORDS):
                record = self._records.load(fingerprint)
                if record and (record.get("environment") or {}).get("gpus"):
                    self._by_task.setdefault(record["task"]["name"], []).append(record)
        return self._by_task.get(task, [])


# Any (in these functions): JSON.
def _models(record: Mapping[str, Any]) -> list[tuple[str, bool]]:
    specs = [model["spec"] for model in (record.get("models") or {}).values()]
    return sorted((str(spec["model"]), bool(spec.get("adapter"))) for spec in specs)


def _scale(record: Mapping[str, Any], calls: int | None, rows: int | None) -> float:
    sent = sum(int((model.get("calls") or {}).get("sent") or 0) for model in record["models"].values())
    if sent and calls is not None:
        return calls / sent
    inputs = [entry for entries in record["inputs"].values() for entry in entries[:1]]
    had = next((entry["rows"] for entry in inputs if entry.get("rows")), None)
    return rows / had if had and rows is not None else 1.0
