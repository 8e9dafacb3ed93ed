"""Instructions that become harder or stranger, round by round (Evol-Instruct; Xu et al., "WizardLM", 2023).

Contract: the operation of a round is drawn from the seed, the round and the row's own text, and the requests of a row
depend on nothing else and on its earlier replies: a table in pieces is asked the same as a whole one. An evolution that
failed is written as it came and says why; the next round starts again from the text before it, and where it comes to
the same prompt, asks for another sample. Each row of the input becomes `rounds` rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dreamsmk.errors import SettingsError, nearest
from dreamsmk.requests import Failure, Response
from dreamsmk.tasks.context import Asked, Context
from dreamsmk.tasks.prompting.asking import ask
from dreamsmk.tasks.prompting.generations import generation_columns, read_texts
from dreamsmk.tasks.prompting.inputs import read_carried
from dreamsmk.tasks.recipes.drawing import drawn_item
from dreamsmk.tasks.recipes.elimination import Fault, fault_of
from dreamsmk.tasks.recipes.evolution_prompts import OPERATIONS, comparison_prompt, evolution_prompt, says_same
from dreamsmk.tasks.recipes.made_rows import MadeRows, write_made
from dreamsmk.tasks.recipes.passes import Passes, judge_params

COLUMNS = ("instruction", "round", "operation", "parent")
FIELDS = ("evolved", "eliminated")


@dataclass(frozen=True, slots=True)
class Step:
    """One round of one row."""

    operation: str
    parent: str
    prompt: str
    outcome: Response | Failure
    fault: Fault | None


@dataclass(slots=True)
class Line:
    """What has become of one row so far."""

    text: str
    steps: list[Step] = field(default_factory=list)

    @property
    def parent(self) -> str:
        """What the next round starts from."""
        kept = (
            step.outcome.text for step in reversed(self.steps) if isinstance(step.outcome, Response) and not step.fault
        )
        return next((text.strip() for text in kept), self.text)

    @property
    def chain(self) -> list[str]:
        """All instructions on the way."""
        return [self.text, *(step.parent for step in self.steps), self.parent]


def evolve(context: Context) -> None:
    """Evolves every instruction, so many rounds."""
    params = context.params
    lines = _lines(context)
    passes = Passes(params["max_failures"])
    for number in range(1, params["rounds"] + 1):
        context.progress.note(f"round {number} of {params['rounds']}")
        operations, asked = _round(context, lines, number)
        outcomes = passes.outcomes(asked)
        faults = [fault_of(outcome, line.chain) for outcome, line in zip(outcomes, lines, strict=True)]
        faults = _compared(context, passes, lines, outcomes, faults)
        made = zip(operations, (line.parent for line in lines), asked.prompts, outcomes, faults, strict=True)
        for line, step in zip(lines, made, strict=True):
            line.steps.append(Step(*step))
    _write(context, lines)


def plan(context: Context) -> Iterator[Asked]:
    """Yields what the task would ask: the first round, and for later ones as many calls on the same texts."""
    lines = _lines(context)
    for number in range(1, context.params["rounds"] + 1):
        yield _round(context, lines, number)[1]
        if context.params["judge"] is not None:
            yield _comparison(context, [(line.text, line.text) for line in lines])


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of the table.

    Raises:
        SettingsError: There is no such operation.
    """
    known = [*OPERATIONS, *(name for name in params["methods"] if name not in OPERATIONS)]
    for name in params["operations"]:
        if name not in known:
            raise SettingsError(f"there is no operation {name!r}", where="operations", hint=nearest(name, known))
    return {"table": generation_columns(params, [*params["carry"], *COLUMNS], FIELDS)}


# Any: JSON.
def rows(params: Mapping[str, Any], inputs: Mapping[str, int | None]) -> dict[str, int | None]:
    """Returns the number of rows: so many rounds of each."""
    have = inputs.get("table")
    return {"table": None if have is None else have * params["rounds"]}


def _lines(context: Context) -> list[Line]:
    columns(context.params, {})  # raises for an operation that is not there
    return [Line(text) for text in read_texts(context.input(), context.params["inputs"])]


def _round(context: Context, lines: Sequence[Line], number: int) -> tuple[list[str], Asked]:
    """Returns the operation of each row in a round, and what is asked."""
    params = context.params
    names = params["operations"] or [*OPERATIONS, *(name for name in params["methods"] if name not in OPERATIONS)]
    operations = [drawn_item(names, params["draw_seed"], number, line.text) for line in lines]
    prompts = [
        evolution_prompt(operation, line.parent, params["methods"])
        for operation, line in zip(operations, lines, strict=True)
    ]
    samples = [sum(step.prompt == prompt for step in line.steps) for prompt, line in zip(prompts, lines, strict=True)]
    return operations, ask(
        context.model(params["model"]), {**params, "repairs": 0}, prompts, schema=None, samples=samples
    )


def _compared(
    context: Context,
    passes: Passes,
    lines: Sequence[Line],
    outcomes: Sequence[Response | Failure],
    faults: Sequence[Fault | None],
) -> list[Fault | None]:
    """Returns the faults with those that the judge finds: evolved instructions that bring nothing new."""
    found = list(faults)
    if context.params["judge"] is None:
        return found
    pairs = {
        row: (line.parent, outcome.text.strip())
        for row, (line, outcome) in enumerate(zip(lines, outcomes, strict=True))
        if isinstance(outcome, Response) and faults[row] is None
    }
    verdicts = passes.outcomes(_comparison(context, list(pairs.values())))
    for row, verdict in zip(pairs, verdicts, strict=True):
        if isinstance(verdict, Response) and says_same(verdict.text):
            found[row] = "equal"
    return found


def _comparison(context: Context, pairs: Sequence[tuple[str, str]]) -> Asked:
    prompts = [comparison_prompt(first, second) for first, second in pairs]
    params = judge_params(context.params["max_failures"])
    return ask(context.model(context.params["judge"]), params, prompts, schema=None)


def _write(context: Context, lines: Sequence[Line]) -> None:
    import polars

    steps = [(line, number, step) for line in lines for number, step in enumerate(line.steps, start=1)]
    outcomes = [step.outcome for _, _, step in steps]
    # Any: cells.
    columns_made: dict[str, Sequence[Any]] = {
        "instruction": [line.text for line, _, _ in steps],
        "round": [number for _, number, _ in steps],
        "operation": [step.operation for _, _, step in steps],
        "parent": [step.parent for _, _, step in steps],
        "evolved": [outcome.text.strip() if isinstance(outcome, Response) else None for outcome in outcomes],
        "eliminated": [step.fault for _, _, step in steps],
    }
    names = generation_columns(context.params, [*context.params["carry"], *COLUMNS], FIELDS)
    assert names is not None
    rounds = [row for row, line in enumerate(lines) for _ in line.steps]
    carried = {name: column.gather(rounds) for name, column in read_carried(context).items()}
    prompts = [step.prompt for _, _, step in steps]
    write_made(context, names, [MadeRows(carried | columns_made, {"round": polars.Int64()}, outcomes, prompts)])
    eliminated = Counter(step.fault for _, _, step in steps if step.fault is not None)
    context.facts["eliminated"] = dict(sorted(eliminated.items()))
