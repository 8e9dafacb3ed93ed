"""The task `card`: targets in, a JSON card and the same card as Markdown out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamsmk.cards.ancestry import config_models
from dreamsmk.cards.card import build_card
from dreamsmk.cards.description import View
from dreamsmk.cards.markdown import card_markdown
from dreamsmk.cards.model_entry import model_target
from dreamsmk.cards.samples import Sample, read_sample
from dreamsmk.cards.schema import check_card
from dreamsmk.cards.scores import Scores, is_scores, read_scores
from dreamsmk.cards.statement import Statement
from dreamsmk.cards.target_folders import view_of_targets
from dreamsmk.cards.trace import RecordSource, trace
from dreamsmk.store import open_records

if TYPE_CHECKING:
    from dreamsmk.tasks.context import Context


def card(context: Context) -> None:
    """Writes the card of the `target` inputs.

    Raises:
        CardError: No record says how a target was made, or the card is not valid against its schema.
        TableError: The table of a sample or of scores cannot be read.
    """
    write_card(context, open_records(context.home))


def write_card(context: Context, records: RecordSource) -> None:
    """Writes the card, with the records from anywhere."""
    targets = context.inputs["target"]
    traced = trace(targets, records)
    statement = Statement.of(context.params)
    view = view_of_targets(traced, targets, models=config_models(context.settings), described=statement.sources)
    roots = (str(Path.cwd()), str(context.home.absolute()), str(Path.home()))
    samples, scores = _samples(context, targets, records), _scores(context, view, statement, records)
    made = build_card(view, statement, samples, scores=scores, private_roots=roots)
    check_card(made)
    context.output("json").write_text(json.dumps(made, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    context.output("markdown").write_text(card_markdown(made), encoding="utf-8")
    context.facts["workflow_fingerprint"] = made["workflow_fingerprint"]


# Any: JSON values of every type.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of each output role: files have none."""
    return {"json": None, "markdown": None}


def _samples(context: Context, targets: Sequence[Path], records: RecordSource) -> list[Sample]:
    """Returns the rows to show: those of the `sample` inputs, else those of the targets that are tables."""
    rows, cell_characters = int(context.params.get("sample_rows", 3)), int(context.params.get("sample_characters", 400))
    if rows == 0:
        return []
    paths = context.inputs.get("sample") or [path for path in targets if path.suffix == ".parquet"]
    return [
        read_sample(path, rows=rows, cell_characters=cell_characters, record=records.producer(path)) for path in paths
    ]


def _scores(context: Context, view: View, statement: Statement, records: RecordSource) -> list[Scores]:
    """Returns the tables of scores: the `scores` inputs, and those targets that the rule evaluate made."""
    model = model_target(view.trace)
    pairs = zip(context.inputs["target"], view.trace.targets, strict=True)
    measured = [path for path, target in pairs if is_scores(view.trace, target)]
    return [
        read_scores(path, records, model=model.fingerprint if model else None, own_name=statement.scored_as)
        for path in [*context.inputs.get("scores", ()), *measured]
    ]
