"""What a completion is worth: to a function of the user's, to a reward model, or to a classifier.

Contract: each gives a finite number for each completion, or none where a function cannot say; whatever else a function
does is an error that names it and the row of the prompts. No tokenizer reads what another one wrote: completions are
texts here.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dreamsmk.errors import SettingsError, TableError, TrainingError, nearest
from dreamsmk.tables import column_names, read_table
from dreamsmk.tasks.functions import Function, failure_of, load_function
from dreamsmk.tasks.training.rows.examples import rows_in_words
from dreamsmk.tasks.training.rows.prompts import PromptParameters, read_prompts

# A user's function is given these; its other arguments are columns.
GIVEN = ("prompts", "completions")


@dataclass(frozen=True, slots=True)
class Prompts:
    """A table of prompts.

    Attributes:
        path: Where it is.
        texts: The prompts, laid out.
        columns: Its further columns that functions ask for, by name.
    """

    path: Path
    texts: Sequence[str]
    columns: dict[str, Sequence[Any]] = field(default_factory=dict)  # Any: cells

    @classmethod
    def read(cls, path: Path, params: PromptParameters) -> Prompts:
        """Returns those of a table."""
        return cls(path, read_prompts(path, params))

    def add_columns(self, names: Iterable[str], reference: str) -> None:
        """Reads further columns, which the function `reference` asks for.

        Raises:
            TableError: The table has no such column.
        """
        there = column_names(self.path)
        for name in names:
            if name not in there:
                raise TableError(
                    f"the reward function asks for {name!r}, and there is no such column",
                    where=f"{reference}, {self.path}",
                    hint=nearest(name, there),
                )
            self.columns.setdefault(name, read_table(self.path, columns=[name])[name].to_list())


# From the prompts, the rows of them that were written on, and what was written.
Score = Callable[[Prompts, Sequence[int], Sequence[str]], list[float | None]]


@dataclass(frozen=True, slots=True)
class Reward:
    """One reward by its name: the name of a function, or the alias of a model."""

    name: str
    score: Score


# Any: JSON.
def reward_names(params: Mapping[str, Any]) -> list[str]:
    """Returns the names of the rewards that parameters ask for.

    Raises:
        SettingsError: There is none, two have one name, or a weight or a label is for nothing.
    """
    models = [params[name] for name in ("reward_model", "task_model") if params[name] is not None]
    names = [*models, *(reference.rpartition(":")[2] for reference in function_references(params))]
    if not names:
        raise SettingsError(
            "nothing says what a completion is worth",
            where="reward_model",
            hint="give reward_model, task_model or reward_function",
        )
    for name in (name for name in names if names.count(name) > 1):
        raise SettingsError(f"two rewards are called {name!r}", where="reward_function", hint="rename one of them")
    for name in params["reward_weights"]:
        if name not in names:
            raise SettingsError(f"there is no reward {name!r}", where="reward_weights", hint=nearest(name, names))
    if (params["task_model"] is None) != (params["label"] is None):
        missing = "label" if params["label"] is None else "task_model"
        raise SettingsError(f"task_model and label go together, and {missing} is missing", where=missing)
    return names


# Any: JSON.
def function_references(params: Mapping[str, Any]) -> list[str]:
    """Returns the user's functions, as `scripts/rewards.py:name`."""
    given = params["reward_function"] or []
    return [given] if isinstance(given, str) else list(given)


def function_reward(reference: str, tables: Sequence[Prompts]) -> Reward:
    """Returns the reward that a user's function gives.

    Args:
        reference: `scripts/rewards.py:name`.
        tables: The prompts that it will be asked about; the columns that it asks for are read.

    Raises:
        SettingsError: There is no such function, or it does not take what it is given.
        TableError: A column that it asks for is not there.
    """
    base = Path.cwd()
    function = load_function(reference, base)
    asked = _columns_asked(function, reference)
    for table in tables:
        table.add_columns(asked, reference)

    def score(table: Prompts, rows: Sequence[int], completions: Sequence[str]) -> list[float | None]:
        given = {name: [table.columns[name][row] for row in rows] for name in asked}
        prompts = [table.texts[row] for row in rows]
        try:
            returned = function(prompts=prompts, completions=list(completions), **given)
        except Exception as exc:  # user code may raise anything; translated here, once
            place, reason = failure_of(exc, base)
            where = f"{place or reference}, one of {table.path}, {rows_in_words(dict.fromkeys(rows))}"
            raise TrainingError(f"the reward function failed: {reason}", where=where) from exc
        return _checked(returned, table, rows, reference)

    return Reward(reference.rpartition(":")[2], score)


def _columns_asked(function: Function, reference: str) -> list[str]:
    parameters = inspect.signature(function).parameters.values()
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    missing = [name for name in GIVEN if name not in names]
    if missing and not any(p.kind is p.VAR_KEYWORD for p in parameters):
        raise SettingsError(
            f"the reward function takes no {' and no '.join(missing)}",
            where=reference,
            hint="write def name(prompts, completions), with the names of further columns after them",
        )
    optional = {p.name for p in parameters if p.default is not p.empty}
    return [name for name in names if name not in GIVEN and name not in optional]


# Any: what a user's function returns.
def _checked(returned: Any, table: Prompts, rows: Sequence[int], reference: str) -> list[float | None]:
    try:
        values = list(returned)
    except TypeError as exc:
        what = f"the reward function returned {returned!r}, no list with a number for each completion"
        raise TrainingError(what, where=reference) from exc
    if len(values) != len(rows):
        raise TrainingError(
            f"the reward function returned {len(values)} rewards for {len(rows)} completions",
            where=f"{reference}, {table.path}, {rows_in_words(dict.fromkeys(rows))}",
        )
    return [
        _number(value, f"{reference}, {table.path}, row {row} (from 0)")
        for value, row in zip(values, rows, strict=True)
    ]


# Any: what a user's function returns.
def _number(value: Any, where: str) -> float | None:
    if value is None:
        return None
    is_number = isinstance(value, (bool, int, float)) or hasattr(value, "__float__")
    if not is_number or not math.isfinite(number := float(value)):
        raise TrainingError(f"the reward function returned {value!r}, no finite number", where=where)
    return number
