"""The failure table of a job: `failures.parquet`, one row for each row that failed for good.

Contract: the file is there only if rows failed in the last run that used it: it takes the place of the one before, and
a run without failures removes that. It is complete once the table is closed, whatever ended the run short of a kill.
Rows stand in the order in which they failed; however many there are, what is held of them is bounded. A reply that
cannot be used stands in `reply` and `text`; there is none where the model never answered.
"""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dreamsmk.calls.failures import FailedRow, FailureSink
from dreamsmk.hashing import canonical_bytes
from dreamsmk.tables import TableWriter

COLUMNS = {
    "row": "Int64",
    "alias": "String",
    "model": "String",
    "key": "String",
    "kind": "String",
    "reason": "String",
    "status": "Int64",
    "request": "String",
    "reply": "String",
    "text": "String",
    "attempts": "Int64",
    "at": "String",
}
ROWS_HELD = 256


class FailureTable:
    """Writes the failure table of one run of a job: `with FailureTable(path) as failures: …`.

    Args:
        path: The Parquet file.

    Attributes:
        rows: How many rows failed so far.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = 0
        # Any: cells.
        self._held: list[tuple[Any, ...]] = []
        self._open = contextlib.ExitStack()
        self._writer: TableWriter | None = None

    def sink(self, alias: str) -> FailureSink:
        """Returns what takes the failed rows of the model of an alias."""

        def take(failed: FailedRow) -> None:
            self._held.append(_cells(alias, failed))
            self.rows += 1
            if len(self._held) >= ROWS_HELD:
                self._write()

        return take

    def close(self) -> None:
        """Puts the table in its place, or removes the one of an earlier run where nothing failed."""
        if self._held:
            self._write()
        if self._writer is None:
            self.path.unlink(missing_ok=True)
        self._open.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # It is for failed jobs most of all.
        self.close()

    def _write(self) -> None:
        if self._writer is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = self._open.enter_context(TableWriter(self.path, columns=COLUMNS))
        columns = zip(*self._held, strict=True)
        self._writer.write({name: list(cells) for name, cells in zip(COLUMNS, columns, strict=True)})
        self._held.clear()


# Any: cells.
def _cells(alias: str, failed: FailedRow) -> tuple[Any, ...]:
    request, failure = failed.request, failed.failure
    reply = failure.response
    return (
        failed.number,
        alias,
        request.model.model,
        failed.key,
        failure.kind,
        failure.reason,
        failure.status,
        canonical_bytes(request.canonical()).decode(),
        None if reply is None else json.dumps(reply.to_json(), ensure_ascii=False),
        None if reply is None else reply.text,
        failed.attempts,
        datetime.now(UTC).isoformat(timespec="seconds"),
    )
