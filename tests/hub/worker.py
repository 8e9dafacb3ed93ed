"""A process that runs tasks against a Hub: its clients read their settings once, when they are first imported.

As a process it reads one task a line from its input and answers with one line; see `Worker.run`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.workflow.project import ROOT


@dataclass(frozen=True)
class Done:
    """What came of a task.

    Attributes:
        error: The name of the exception's class, empty for none.
        message: What it said.
    """

    facts: dict[str, Any]
    error: str = ""
    message: str = ""

    @property
    def source(self) -> dict[str, Any]:
        assert not self.error, f"{self.error}: {self.message}"
        found: dict[str, Any] = self.facts["source"]
        return found


class Worker:
    """Runs tasks in a process with its own settings of the Hub's clients."""

    def __init__(self, url: str, home: Path, **environment: str) -> None:
        own = {"HF_ENDPOINT": url, "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1", "PYTHONPATH": str(ROOT)}
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.hub.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**kept, **own, **environment},
            text=True,
        )

    def run(self, rule: str, folder: Path, outputs: dict[str, str], **params: Any) -> Done:
        """Runs the task of a rule in a folder; outputs are names in it, by role."""
        assert self._process.stdin
        assert self._process.stdout
        asked = {"rule": rule, "folder": str(folder), "outputs": outputs, "params": params}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the worker has died"
        return Done(**json.loads(answer))

    def close(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()


def _run(asked: dict[str, Any]) -> dict[str, Any]:
    from dreamsmk.errors import DreamsmkError
    from tests.unit.tasks.sources.place import Place

    place = Place(Path(asked["folder"]))
    place.folder.mkdir(parents=True, exist_ok=True)
    try:
        place.run(asked["rule"], {}, asked["outputs"], **asked["params"])
    except DreamsmkError as exc:
        return {"facts": {}, "error": type(exc).__name__, "message": str(exc)}
    return {"facts": place.facts}


def _serve() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not look like an answer
    for line in sys.stdin:
        answers.write(json.dumps(_run(json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    _serve()
