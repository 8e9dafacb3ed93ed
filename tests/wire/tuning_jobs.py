"""A fine-tuning job on the wire server: its states, what is said of it, what it leaves, and what it refuses."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

MIN_EXAMPLES = 10
LOSSES = (3.5, 2.25, 1.5, 1.125)
FULL = "full_valid_loss,full_valid_mean_token_accuracy"


@dataclass(slots=True)
class Job:
    """A job that was accepted.

    Attributes:
        asked: The body that it was asked for with.
        begun: When it was accepted, by the monotonic clock.
        problem: Why it fails: `code`, `message` and `param`.
        is_cancelled: Whether somebody cancelled it.
    """

    id: str
    asked: Json
    created_at: int
    begun: float
    seconds: float
    examples: int
    tokens: int
    problem: Json | None = None
    is_cancelled: bool = False

    @property
    def status(self) -> str:
        if self.is_cancelled:
            return "cancelled"
        share = (time.monotonic() - self.begun) / self.seconds if self.seconds else 1.0
        if share >= 1.0:
            return "failed" if self.problem else "succeeded"
        return "validating_files" if share < 0.2 else "queued" if share < 0.4 else "running"

    @property
    def model(self) -> str:
        suffix = self.asked.get("suffix") or ""
        return f"ft:{self.asked['model']}:my-org:{suffix}:{self.id.removeprefix('ftjob-')[:8]}"


def check_rows(lines: list[bytes], method: Json) -> Json | None:
    """Returns what the service says of a training file that it cannot use."""
    if len(lines) < MIN_EXAMPLES:
        words = f"Training file has {len(lines)} example(s), but must have at least {MIN_EXAMPLES} examples"
        return {"code": "invalid_n_examples", "param": "training_file", "message": words}
    for number, line in enumerate(lines, 1):
        row = json.loads(line)
        if method.get("type") == "dpo":
            sides = [row.get("preferred_output"), row.get("non_preferred_output"), row.get("input", {}).get("messages")]
            is_right = all(isinstance(side, list) and side for side in sides)
        else:
            messages = row.get("messages")
            is_right = isinstance(messages, list) and messages[-1]["role"] == "assistant"
        if not is_right:
            words = f"Invalid file format. Line {number} is no example of the method."
            return {"code": "invalid_training_file", "param": "training_file", "message": words}
    return None


def events_of(job: Job) -> list[Json]:
    """Returns what the service has said of a job by now, the oldest first."""
    status = job.status
    told: list[tuple[str, str, Json]] = [
        ("message", f"Created fine-tuning job: {job.id}", {}),
        ("message", "Validating training file", {}),
    ]
    if status in ("queued", "running", "succeeded"):
        told.append(("message", "Files validated, moving job to queued state", {}))
    if status in ("running", "succeeded"):
        told.append(("message", "Fine-tuning job started", {}))
    if status == "succeeded":
        for step, loss in enumerate(LOSSES, 1):
            figures = {"step": step, "train_loss": loss, "total_steps": len(LOSSES), "train_mean_token_accuracy": 0.5}
            told.append(("metrics", f"Step {step}/{len(LOSSES)}: training loss={loss}", figures))
        told.append(("message", f"New fine-tuned model created: {job.model}", {}))
        told.append(("message", "The job has successfully completed", {}))
    if status == "failed":
        assert job.problem is not None
        told.append(("message", f"Fine-tuning job failed: {job.problem['message']}", {}))
    return [
        {
            "object": "fine_tuning.job.event",
            "id": f"ftevent-{job.id}-{number}",
            "created_at": job.created_at + number,
            "level": "info",
            "message": message,
            "data": figures,
            "type": kind,
        }
        for number, (kind, message, figures) in enumerate(told)
    ]


def results_of(job: Job) -> str:
    """Returns the CSV of a job that has succeeded."""
    has_validation = job.asked.get("validation_file") is not None
    lines = ["step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy," + FULL]
    for step, loss in enumerate(LOSSES, 1):
        valid = f"{loss + 1},0.25" if has_validation else ","
        full = f"{loss + 0.5},0.75" if has_validation and step == len(LOSSES) else ","
        lines.append(f"{step},{loss},0.5,{valid},{full}")
    return "\n".join(lines) + "\n"
