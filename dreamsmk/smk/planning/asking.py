"""What one job will ask models: counted where all that it reads is settled, else worked out from its rows.

Contract: the requests are those of the task itself, made by the same function (`plan` in the task's module). Where a
table is still to be made the task is planned for one empty row, and that is multiplied by the rows to come.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from dreamsmk.calls import PlannedModel, cost_of
from dreamsmk.errors import TableError
from dreamsmk.requests import Usage
from dreamsmk.settings import column_references, model_aliases
from dreamsmk.smk.binding import Binding
from dreamsmk.smk.checks import cache_mode
from dreamsmk.smk.identify import Identified, spec_of
from dreamsmk.smk.planning.ahead import Ahead
from dreamsmk.smk.planning.counting import CHARACTERS_PER_TOKEN, CallCounter, Counted, Lengths
from dreamsmk.smk.planning.lines import ModelLine
from dreamsmk.tables import write_table
from dreamsmk.tasks import Asked, Context

_PLACEHOLDER = "?"
# The group of parameters that rules have which make calls.
CALLS_GROUP = "calls"


@dataclass(frozen=True, slots=True)
class PlannedJob:
    """A job of ours that will do its work.

    Attributes:
        rule: Its rule in the workflow.
        rows: Rows that its tables will have; None where that is not known.
    """

    rule: str
    binding: Binding
    # Any: JSON.
    params: Mapping[str, Any]
    inputs: Mapping[str, list[Path]]
    identified: Identified
    rows: int | None


class Silent:
    """A `Progress` that says nothing."""

    def update(self, done: int, total: int | None = None, **facts: str | int | float) -> None:
        """Says nothing."""

    def note(self, text: str) -> None:
        """Says nothing."""


def exact_lines(job: PlannedJob, ahead: Ahead, counter: CallCounter) -> Iterator[tuple[ModelLine, float | None]]:
    """Yields what a job asks each model, counted, and how many tokens a reply has; all it reads must be settled."""
    if open_lines := list(_open_lines(job)):
        yield from open_lines
        return
    inputs = {role: [ahead.readable(path) for path in paths] for role, paths in job.inputs.items()}
    calls, mode = job.binding.calls, cache_mode(job.params, job.binding.settings)
    for model, asked in asked_by(job, inputs, ahead.folder):
        counted = counter.count(asked.requests, calls, mode)
        lengths = counter.lengths(model.identity, job.rule, counted.max_tokens, calls)
        tokens = counted.characters / CHARACTERS_PER_TOKEN
        line = _line(model, counted, lengths, cached=counted.requests - counted.to_make, input_tokens=tokens)
        yield line, lengths.output_tokens


def estimated_lines(job: PlannedJob, ahead: Ahead, counter: CallCounter) -> Iterator[tuple[ModelLine, float | None]]:
    """Yields what a job will ask each model, by the rows to come, and how many tokens a reply has."""
    try:
        yield from _estimated(job, ahead, counter)
    except TableError:
        # a template may do with the cells to come what cannot be done with those of a stand-in
        for alias in dict.fromkeys(model_aliases(job.binding.meta.params, job.params).values()):
            model = _planned(job, alias)
            lengths = counter.lengths(model.identity, job.rule, None, job.binding.calls)
            yield _line(model, None, lengths, cached=None, input_tokens=None), lengths.output_tokens


def _estimated(job: PlannedJob, ahead: Ahead, counter: CallCounter) -> Iterator[tuple[ModelLine, float | None]]:
    if open_lines := list(_open_lines(job)):
        yield from open_lines
        return
    inputs, is_scaled = _placeholders(job, ahead)
    texts = [expected.text_tokens for path in _tables(job) if (expected := ahead.expected(path)) is not None]
    text_tokens = (texts[0] if texts else None) if is_scaled else 0.0
    for model, asked in asked_by(job, inputs, ahead.folder):
        # the keys are not final: other texts, or another model
        counted = counter.count(asked.requests, None)
        lengths = counter.lengths(model.identity, job.rule, counted.max_tokens, job.binding.calls)
        each = lengths.input_tokens
        if each is None and text_tokens is not None:
            each = counted.characters / CHARACTERS_PER_TOKEN / max(counted.to_make, 1) + text_tokens
        if is_scaled:
            counted.requests = counted.to_make = counted.requests * (job.rows or 0)
        tokens = None if each is None else each * counted.to_make
        known = None if is_scaled and job.rows is None else counted
        yield _line(model, known, lengths, cached=None, input_tokens=tokens), lengths.output_tokens


def asked_by(job: PlannedJob, inputs: Mapping[str, list[Path]], scratch: Path) -> Iterator[tuple[PlannedModel, Asked]]:
    """Yields what a job asks each of its models, in the order in which it asks them."""
    plan = job.binding.meta.load_plan()
    if plan is None:
        return
    context = Context(
        params=job.params,
        inputs=inputs,
        outputs={},
        scratch=scratch,
        model=lambda alias: _planned(job, alias),
        progress=Silent(),
        settings=job.binding.config,
        home=job.binding.home.path,
    )
    for asked in plan(context):
        assert isinstance(asked.model, PlannedModel)
        yield asked.model, asked


def _planned(job: PlannedJob, alias: str) -> PlannedModel:
    return PlannedModel(alias, spec_of(alias, job.binding.settings), job.identified.identities[alias])


def _open_lines(job: PlannedJob) -> Iterator[tuple[ModelLine, None]]:
    """Yields a line without numbers for each model of a rule that asks, and that has no plan: the user's code asks."""
    meta = job.binding.meta
    if CALLS_GROUP not in meta.include or meta.load_plan() is not None:
        return
    for alias in sorted(job.identified.identities):
        spec = spec_of(alias, job.binding.settings)
        unknown: dict[str, Any] = dict.fromkeys(f.name for f in fields(ModelLine))  # Any: fields of ModelLine
        prices = cost_of(spec, Usage(), calls=1).source
        yield ModelLine(**{**unknown, "alias": alias, "model": spec.model, "prices": prices, "is_open": True}), None


def _line(
    model: PlannedModel, counted: Counted | None, lengths: Lengths, *, cached: int | None, input_tokens: float | None
) -> ModelLine:
    """Returns a line.

    Args:
        model: The model.
        counted: What it is asked; None where nobody can say.
        lengths: How long the calls are.
        cached: Rows that nothing is sent for.
        input_tokens: Tokens of all calls that will be made.
    """
    to_make = counted.to_make if counted is not None else None
    sent = _tokens(to_make, input_tokens)
    written = _tokens(to_make, None if lengths.output_tokens is None else lengths.output_tokens * (to_make or 0))
    cost = cost_of(model.spec, Usage(input_tokens=sent or 0, output_tokens=written or 0), calls=to_make or 1)
    is_known = to_make == 0 or cost.source == "local" or None not in (sent, written)
    return ModelLine(
        alias=model.alias,
        model=model.spec.model,
        requests=counted.requests if counted is not None else None,
        cached=cached,
        to_make=to_make,
        input_tokens=sent,
        output_tokens=written,
        output_basis=lengths.output_basis,
        cost_usd=(0.0 if to_make == 0 else cost.usd) if is_known else None,
        prices=cost.source,
    )


def _tokens(calls: int | None, tokens: float | None) -> int | None:
    """Returns the tokens of some calls; None where either is not known, and 0 of no calls."""
    if calls == 0:
        return 0
    return math.ceil(tokens) if calls is not None and tokens is not None else None


def _tables(job: PlannedJob) -> Iterator[Path]:
    for role, declared in job.binding.meta.inputs.items():
        if declared.kind == "table":
            yield from job.inputs.get(role, [])


def _placeholders(job: PlannedJob, ahead: Ahead) -> tuple[dict[str, list[Path]], bool]:
    """Returns the inputs with stand-ins for those that nobody knows yet, and whether one of these is a table."""
    stand_ins: dict[str, list[Path]] = {}
    roles = job.binding.meta.inputs
    unsettled = {
        roles[role].kind for role, paths in job.inputs.items() for path in paths if _is_open(role, path, job, ahead)
    }
    # what stands in a table may name what is in a folder
    is_scaled = bool(unsettled & {"table", "folder"})
    for role, paths in job.inputs.items():
        stand_ins[role] = []
        for path in paths:
            if is_scaled and role in roles and roles[role].kind == "table":
                stand_ins[role].append(_one_empty_row(job, role, ahead))
            elif _is_open(role, path, job, ahead):
                stand_ins[role].append(_stand_in(roles[role].kind, ahead.folder))
            else:
                stand_ins[role].append(ahead.readable(path))
    return stand_ins, is_scaled


def _is_open(role: str, path: Path, job: PlannedJob, ahead: Ahead) -> bool:
    return role in job.binding.meta.inputs and ahead.is_unsettled(path)


def _stand_in(kind: str, folder: Path) -> Path:
    """Returns a file or folder that may be read in place of one that is not there yet."""
    path = folder / f"any_{kind}"
    if kind == "folder":
        path.mkdir(exist_ok=True)
    else:
        schema = {"type": "object", "properties": {_PLACEHOLDER: {}}}
        path.write_text(json.dumps(schema) if kind == "schema" else _PLACEHOLDER, encoding="utf-8")
    return path


def _one_empty_row(job: PlannedJob, role: str, ahead: Ahead) -> Path:
    import polars

    meta = job.binding.meta
    names = [column for of, column, _ in column_references(meta.params, job.params) if of == role]
    if reads := meta.load_reads():
        kinds = {name: declared.kind for name, declared in meta.inputs.items()}
        files = {name: ahead.readable(paths[0]) for name, paths in job.inputs.items() if kinds.get(name) == "file"}
        names += reads(job.params, {name: path for name, path in files.items() if path.is_file()}).get(role, [])
    path = ahead.folder / f"row_of_{role}.parquet"
    write_table(polars.DataFrame({name: [""] for name in names} or {"text": [""]}), path)
    return path
