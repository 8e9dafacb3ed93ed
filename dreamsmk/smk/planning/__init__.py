"""What a run would do and cost, before anything is paid."""

from dreamsmk.smk.planning.lines import JobLine, ModelLine, Plan
from dreamsmk.smk.planning.plan import plan_jobs

__all__ = ["JobLine", "ModelLine", "Plan", "plan_jobs"]
