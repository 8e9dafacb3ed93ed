"""A thread that writes rows in groups, so that one disk flush serves many of them.

Contract: a row is handed to `write` within `delay_seconds` of being added, or as soon as the group before it is
written, in the order of adding. `add` never waits. When `write` fails, every later `add` and `flush` raises its error
again: no row is lost in silence.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from dreamsmk.errors import CacheError

Row = TypeVar("Row")

GROUP_DELAY_SECONDS = 0.02
GROUP_ROWS = 2000


class GroupCommit(Generic[Row]):
    """Writes rows in groups, from a thread of its own.

    Args:
        write: Makes a group of rows durable; runs in the thread of this object only.
        delay_seconds: How long the first row of a group waits for company.
        max_rows: The most rows of a group.
    """

    def __init__(
        self,
        write: Callable[[list[Row]], None],
        *,
        delay_seconds: float = GROUP_DELAY_SECONDS,
        max_rows: int = GROUP_ROWS,
    ) -> None:
        self._write = write
        self._delay_seconds = delay_seconds
        self._max_rows = max_rows
        self._changed = threading.Condition()
        self._rows: list[Row] = []
        self._added = 0
        self._written = 0
        self._is_urgent = False
        self._is_closing = False
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None

    def add(self, row: Row) -> None:
        """Adds one row.

        Raises:
            CacheError: An earlier group could not be written, or the writer is closed.
        """
        with self._changed:
            self._raise_error()
            if self._is_closing:
                raise CacheError("the call cache is closed")
            self._rows.append(row)
            self._added += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="dreamsmk-cache-writer", daemon=True)
                self._thread.start()
            elif len(self._rows) == 1 or len(self._rows) == self._max_rows:
                self._changed.notify_all()

    def wait_for_room(self, rows: int) -> None:
        """Returns when no more than so many rows wait to be written."""
        if self._added - self._written <= rows:
            return
        with self._changed:
            self._changed.wait_for(lambda: self._added - self._written <= rows or self._error is not None)
            self._raise_error()

    def flush(self) -> None:
        """Returns when every row that was added before is written."""
        with self._changed:
            target = self._added
            self._is_urgent = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._written >= target or self._error is not None)
            self._raise_error()

    def close(self) -> None:
        """Writes what was added and ends the thread."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        with self._changed:
            self._raise_error()

    def _raise_error(self) -> None:
        if isinstance(self._error, CacheError):
            raise CacheError(self._error.what, where=self._error.where, hint=self._error.hint) from self._error
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            while rows := self._next_group():
                self._write(rows)
                with self._changed:
                    self._written += len(rows)
                    self._changed.notify_all()
        except BaseException as exc:  # noqa: BLE001  # raised again by the next `add`, `flush` or `close`
            with self._changed:
                self._error = exc
                self._changed.notify_all()

    def _next_group(self) -> list[Row]:
        """Waits for rows and returns the next group; none when closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._rows or self._is_closing)
            self._changed.wait_for(self._is_group_full, timeout=self._delay_seconds)
            group, self._rows = self._rows[: self._max_rows], self._rows[self._max_rows :]
            if not self._rows:
                self._is_urgent = False
            return group

    def _is_group_full(self) -> bool:
        return self._is_urgent or self._is_closing or len(self._rows) >= self._max_rows
