"""Records to cards: how data or a model was made, traced to its sources, for people and machines."""

from dreamsmk.cards.card import CARD_VERSION, build_card
from dreamsmk.cards.description import NOT_RECORDED, NOT_STATED, Description, View
from dreamsmk.cards.explain import explain_json, explain_text
from dreamsmk.cards.markdown import card_markdown
from dreamsmk.cards.samples import Sample, read_sample
from dreamsmk.cards.schema import card_schema, check_card
from dreamsmk.cards.statement import Statement
from dreamsmk.cards.trace import Edge, Record, RecordSource, Source, Step, Target, Trace, trace

__all__ = [
    "CARD_VERSION",
    "NOT_RECORDED",
    "NOT_STATED",
    "Description",
    "Edge",
    "Record",
    "RecordSource",
    "Sample",
    "Source",
    "Statement",
    "Step",
    "Target",
    "Trace",
    "View",
    "build_card",
    "card_markdown",
    "card_schema",
    "check_card",
    "explain_json",
    "explain_text",
    "read_sample",
    "trace",
]
