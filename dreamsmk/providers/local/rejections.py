"""Keeps the requests that can never be answered apart from those that can, until the others were answered."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dreamsmk.errors import RequestRejected
from dreamsmk.requests import Request


class Rejections:
    """What some requests of a call are refused for; raised as one error at its end."""

    def __init__(self) -> None:
        self._errors: list[RequestRejected] = []

    def add(self, error: RequestRejected) -> None:
        """Notes one more request that is refused."""
        self._errors.append(error)

    def accepted(self, requests: Sequence[Request], check: Callable[[Request], None]) -> list[int]:
        """Returns which requests pass a check, by index; the others are noted as refused."""
        passed = []
        for index, request in enumerate(requests):
            try:
                check(request)
            except RequestRejected as error:
                self.add(error)
            else:
                passed.append(index)
        return passed

    def raise_first(self) -> None:
        """Raises the first refusal, with the number of all of them, if there is any."""
        if not self._errors:
            return
        first = self._errors[0]
        if len(self._errors) == 1:
            raise first
        raise RequestRejected(
            f"{first.what} ({len(self._errors)} requests were rejected)", where=first.where, hint=first.hint
        ) from first
