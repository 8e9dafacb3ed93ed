"""What is known of a job at the service, in a file of the scratch folder.

Contract: what the service may have been told stands here before it is told, durable. Whatever ends a process, and at
whatever point, the next one reads how far it came.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dreamsmk.errors import TrainingError
from dreamsmk.store.files import write_json


@dataclass(slots=True)
class JobLedger:
    """One job.

    Attributes:
        path: The file.
        files: The ids of the uploaded files by role.
        asked_at: When the service was asked for a job whose id is not known: UTC, ISO 8601.
        job: The service's id of the job.
        failed: The ids of earlier jobs whose failure was told.
    """

    path: Path
    files: dict[str, str] = field(default_factory=dict)
    asked_at: str | None = None
    job: str | None = None
    failed: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, folder: Path, order: str) -> JobLedger:
        """Returns the ledger of an order by its name, an empty one where there is none."""
        path = folder / f"openai_job_{order}.json"
        if not path.exists():
            return cls(path)
        try:
            values = json.loads(path.read_bytes())
            return cls(path, **values)
        except (ValueError, TypeError) as exc:
            raise TrainingError(
                "the note on a job at the service cannot be read",
                where=str(path),
                hint="look whether the service has a job; then remove the file",
            ) from exc

    # Any: values of the fields.
    def note(self, **values: Any) -> None:
        """Remembers; durable when this returns."""
        for name, value in values.items():
            setattr(self, name, value)
        write_json(self.path, {name: value for name, value in asdict(self).items() if name != "path"})

    def note_asking(self) -> None:
        """Says that from now on the service may know of a job."""
        self.note(asked_at=datetime.now(UTC).isoformat(timespec="milliseconds"))

    def note_job(self, job_id: str, files: Mapping[str, str]) -> None:
        """Remembers the service's id of the job, and the files that it learns from."""
        self.note(job=job_id, asked_at=None, files=dict(files))

    def note_failed(self, job_id: str) -> None:
        """Says that a job has failed and that this was told: the next run may ask for another one."""
        self.note(job=None, asked_at=None, failed=[*self.failed, job_id])

    @property
    def asked(self) -> datetime | None:
        """When the service was asked for a job whose id is not known."""
        return None if self.asked_at is None else datetime.fromisoformat(self.asked_at)
