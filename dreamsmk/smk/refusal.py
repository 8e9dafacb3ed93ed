"""Our errors as Snakemake prints its own: the message, and no trace of code that is not the user's."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from dreamsmk.errors import DreamsmkError


def refusal(error: DreamsmkError) -> Exception:
    """Returns the `WorkflowError` to raise for an error of ours."""
    raised: Exception = _plain_class()(str(error))
    return raised


@lru_cache(maxsize=1)
def _plain_class() -> Any:  # Any: a class of Snakemake, which is imported only when something is wrong
    from snakemake.exceptions import WorkflowError

    class Plain(WorkflowError):  # type: ignore[misc,unused-ignore]
        # Snakemake lists every frame above its own code (`cut_traceback`, 9.27); the message says where to look
        @property
        def __traceback__(self) -> None:  # type: ignore[override,unused-ignore]
            return None

    Plain.__name__ = "WorkflowError"
    return Plain
