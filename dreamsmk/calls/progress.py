"""Whom the engine tells how far it is."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Is told as often as the engine likes; `tasks.context.Progress` is one."""

    def update(self, done: int, total: int | None = None, **facts: str | int | float) -> None:
        """Says that `done` of `total` rows have their reply or have failed."""
        ...

    def note(self, text: str) -> None:
        """Says one line."""
        ...
