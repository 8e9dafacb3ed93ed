"""Records to cards: how data or a model was made, traced to its sources, for people and machines."""

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
from dreamsmk.cards.statement import Statement
from dreamsmk.cards.trace import Edge, Record, RecordSource, Source, Step, Target, Trace, trace

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
    "row_changes",
    "text_diff",
    "trace",
    "weakest",
]
