"""`DREAMSMK_ASK_AGAIN=1`: the jobs that do their work in this run ask their models again.

It is a switch of its own. `--forcerun` decides which jobs do their work; this one decides that their calls do not come
from the call cache. It makes no job run, and what the store has is put back without a call.

Contract: a run is a moment, that at which Snakemake read the rule. Replies that arrived before it count as missing for
the run's jobs, so that two of them that ask the same thing ask for it once.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime

VARIABLE = "DREAMSMK_ASK_AGAIN"


def is_asking_again() -> bool:
    """Whether this run asks models again."""
    return os.environ.get(VARIABLE, "0") not in ("", "0")


def ask_again_since() -> str | None:
    """Returns the moment before which replies do not count, which is now; None where all of them do."""
    return datetime.now(UTC).isoformat() if is_asking_again() else None
