"""Which jobs are to do their work again, whatever the store has.

Contract: those that `--forcerun`, `--force` and `--forceall` name, by rule or by target. Snakemake's own reasons say
too little and too much: they leave out a forced job behind another one that runs, and count as forced what a stopped
run left marked as incomplete, whose result may well be whole in the store.
"""

from __future__ import annotations

import os
from typing import Any


# Any: Snakemake's Job.
def is_forced(job: Any) -> bool:
    """Says whether the user wants a job's work done again."""
    dag, settings = job.dag, job.dag.workflow.dag_settings
    if job.rule in dag.forcerules and job not in dag.omitforce:
        return True
    asked_for = {os.path.relpath(target) for target in settings.forcerun}
    if settings.forcetargets:
        asked_for.update(map(str, dag.targetfiles))
    return not asked_for.isdisjoint(map(str, job.output))
