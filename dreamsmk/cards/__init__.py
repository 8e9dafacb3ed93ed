"""Records to cards: how data or a model was made, traced to its sources, for people and machines.

Each name is loaded when it is asked for: a run with nothing to do needs none of them.
"""

from importlib import import_module
from typing import TYPE_CHECKING

# not lazily: the function has the name of its module
from dreamsmk.cards.trace import Edge, Record, RecordSource, Source, Step, Target, Trace, trace

if TYPE_CHECKING:
    from dreamsmk.cards.card import CARD_VERSION, build_card
    from dreamsmk.cards.comparison import Comparison, Leaf, Level, Side, compare, leaf_lines, weakest
    from dreamsmk.cards.description import NOT_RECORDED, NOT_STATED, Description, View
    from dreamsmk.cards.difference import (
        ABSENT,
        Difference,
        difference_lines,
        differences,
        preimage_differences,
        text_diff,
    )
    from dreamsmk.cards.explain import explain_json, explain_text
    from dreamsmk.cards.markdown import card_markdown
    from dreamsmk.cards.outlook import (
        CodeChange,
        InputChange,
        Outlook,
        State,
        Verdict,
        headline,
        outlook_json,
        outlook_text,
    )
    from dreamsmk.cards.rows import RowChanges, row_changes
    from dreamsmk.cards.samples import Sample, read_sample
    from dreamsmk.cards.schema import card_schema, check_card
    from dreamsmk.cards.scores import Scores, read_scores
    from dreamsmk.cards.statement import Statement
    from dreamsmk.cards.target_folders import view_of_targets

_MODULES = {
    "CARD_VERSION": "dreamsmk.cards.card",
    "build_card": "dreamsmk.cards.card",
    "Comparison": "dreamsmk.cards.comparison",
    "Leaf": "dreamsmk.cards.comparison",
    "Level": "dreamsmk.cards.comparison",
    "Side": "dreamsmk.cards.comparison",
    "compare": "dreamsmk.cards.comparison",
    "leaf_lines": "dreamsmk.cards.comparison",
    "weakest": "dreamsmk.cards.comparison",
    "NOT_RECORDED": "dreamsmk.cards.description",
    "NOT_STATED": "dreamsmk.cards.description",
    "Description": "dreamsmk.cards.description",
    "View": "dreamsmk.cards.description",
    "ABSENT": "dreamsmk.cards.difference",
    "Difference": "dreamsmk.cards.difference",
    "difference_lines": "dreamsmk.cards.difference",
    "differences": "dreamsmk.cards.difference",
    "preimage_differences": "dreamsmk.cards.difference",
    "text_diff": "dreamsmk.cards.difference",
    "explain_json": "dreamsmk.cards.explain",
    "explain_text": "dreamsmk.cards.explain",
    "card_markdown": "dreamsmk.cards.markdown",
    "CodeChange": "dreamsmk.cards.outlook",
    "InputChange": "dreamsmk.cards.outlook",
    "Outlook": "dreamsmk.cards.outlook",
    "State": "dreamsmk.cards.outlook",
    "Verdict": "dreamsmk.cards.outlook",
    "headline": "dreamsmk.cards.outlook",
    "outlook_json": "dreamsmk.cards.outlook",
    "outlook_text": "dreamsmk.cards.outlook",
    "RowChanges": "dreamsmk.cards.rows",
    "row_changes": "dreamsmk.cards.rows",
    "Sample": "dreamsmk.cards.samples",
    "read_sample": "dreamsmk.cards.samples",
    "card_schema": "dreamsmk.cards.schema",
    "check_card": "dreamsmk.cards.schema",
    "Scores": "dreamsmk.cards.scores",
    "read_scores": "dreamsmk.cards.scores",
    "Statement": "dreamsmk.cards.statement",
    "view_of_targets": "dreamsmk.cards.target_folders",
}

__all__ = [
    "ABSENT",
    "CARD_VERSION",
    "NOT_RECORDED",
    "NOT_STATED",
    "CodeChange",
    "Comparison",
    "Description",
    "Difference",
    "Edge",
    "InputChange",
    "Leaf",
    "Level",
    "Outlook",
    "Record",
    "RecordSource",
    "RowChanges",
    "Sample",
    "Scores",
    "Side",
    "Source",
    "State",
    "Statement",
    "Step",
    "Target",
    "Trace",
    "Verdict",
    "View",
    "build_card",
    "card_markdown",
    "card_schema",
    "check_card",
    "compare",
    "difference_lines",
    "differences",
    "explain_json",
    "explain_text",
    "headline",
    "leaf_lines",
    "outlook_json",
    "outlook_text",
    "preimage_differences",
    "read_sample",
    "read_scores",
    "row_changes",
    "text_diff",
    "trace",
    "view_of_targets",
    "weakest",
]


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
