"""What a task gets and what it leaves.

A task is a function `task(context) -> None` that reads `context.inputs`, writes every file or folder of
`context.outputs` (scratch paths, outside the targets) and leaves facts in `context.facts` for the record. It knows
nothing of Snakemake, fingerprints or the store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from dreamsmk.requests import Failure, Judge, Message, Request, Response, Wanted
from dreamsmk.settings import ModelSpec


class Progress(Protocol):
    """Where a task says how far it is."""

    def update(self, done: int, total: int | None = None, **facts: str | int | float) -> None:
        """Says that `done` of `total` units are done; `facts` are shown beside (loss, hits, tokens)."""
        ...

    def note(self, text: str) -> None:
        """Says one line."""
        ...


class Model(Protocol):
    """A model of the config, whose calls go through the engine and the cache."""

    @property
    def spec(self) -> ModelSpec:
        """The model spec."""
        ...

    def requests(  # noqa: PLR0913  # all but the prompts are by keyword and have a default
        self,
        prompts: Iterable[str | Sequence[Message]],
        *,
        system: str | None = None,
        samples: Iterable[int] | None = None,
        tools: Sequence[Mapping[str, Any]] = (),
        tool_choice: str | None = None,
        schema: Mapping[str, Any] | None = None,
        wanted: Wanted | None = None,
        **sampling: Any,
    ) -> Iterator[Request]:
        """Returns one request a prompt; `sampling` goes over the defaults of the model spec."""
        ...

    def answer(self, requests: Iterable[Request], *, total: int | None = None) -> Iterator[Response]:
        """Returns one reply a request, in their order, each paid for once.

        Raises:
            ProviderError: After all the other requests were answered and kept, for the first that failed for good.
        """
        ...

    def outcomes(
        self,
        requests: Iterable[Request],
        *,
        total: int | None = None,
        judge: Judge | None = None,
        max_failures: float = 0,
    ) -> Iterator[Response | Failure]:
        """Returns one reply or failure a request, in their order.

        Args:
            requests: What to ask.
            total: How many there are, where they cannot say so themselves.
            judge: Looks at each reply; see `requests.Judge`.
            max_failures: How many rows may fail: a number of rows, or below 1 a share of them.

        Raises:
            ProviderError: More rows failed; after all the other requests were answered and kept.
        """
        ...


@dataclass(frozen=True, slots=True)
class Asked:
    """What a task asks one model: made by one function for the task itself and for its plan.

    Attributes:
        prompts: One a request.
        requests: The requests, each made as it is asked for; they can be read once.
        judge: Looks at each reply.
        max_failures: How many rows may fail: a number of rows, or below 1 a share of them.
    """

    model: Model
    prompts: Sequence[str]
    requests: Iterator[Request]
    judge: Judge | None = None
    max_failures: float = 0

    def outcomes(self) -> Iterator[Response | Failure]:
        """Returns one reply or failure a prompt, in their order."""
        return self.model.outcomes(
            self.requests, total=len(self.prompts), judge=self.judge, max_failures=self.max_failures
        )


@dataclass(slots=True)
class Context:
    """The one argument of a task.

    Attributes:
        params: The rule's parameters, validated, with defaults filled in.
        inputs: The paths of each input role, in order.
        outputs: Where to write the file or folder of each output role.
        scratch: A folder that outlives a killed job: the same fingerprint gets it again.
        model: Returns the model of an alias under `models:`.
        progress: Where to say how far the task is.
        threads: CPU threads that the job may use.
        facts: JSON facts for the record: `rows`, `training`, `source`, …
        settings: The whole Snakemake config, for tasks that describe rather than compute (cards).
        home: The folder of dreamsmk's state, `.dreamsmk/` or `DREAMSMK_HOME`.
    """

    params: Mapping[str, Any]
    inputs: Mapping[str, list[Path]]
    outputs: Mapping[str, Path]
    scratch: Path
    model: Callable[[str], Model]
    progress: Progress
    threads: int = 1
    facts: dict[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    home: Path = Path(".dreamsmk")

    def input(self, role: str = "table") -> Path:
        """Returns the first path of an input role."""
        return self.inputs[role][0]

    def output(self, role: str = "table") -> Path:
        """Returns the path to write of an output role."""
        return self.outputs[role]


Task = Callable[[Context], None]

# Beside a task that asks models, its module has `plan(context)`: what the task would ask, without asking it.
Plan = Callable[[Context], Iterator[Asked]]

# Beside a task, its module may have `rows(params, inputs)`: the rows of each output role from those of each input role,
# None where they cannot be known. Any: JSON.
Rows = Callable[[Mapping[str, Any], Mapping[str, int | None]], dict[str, int | None]]

# Beside a task, its module may have `reads(params, files)`: the columns of each input role that the task reads and no
# parameter marks, such as those that a template names. `files` are the inputs that are files and are there. Any: JSON.
Reads = Callable[[Mapping[str, Any], Mapping[str, Path]], dict[str, list[str]]]
