"""What a model answers to each row after the documents that are nearest to it (`RAGPrompt` in DataDreamer, ACL 2024).

Contract: one call a row, rows in the order of the input. The documents are rows of the very table that was indexed; a
row's call depends on its text, on what is found for it and on the parameters alone. The method is that of Lewis et al.,
"Retrieval-Augmented Generation for Knowledge-Intensive NLP Tasks", 2020.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dreamsmk.tasks.context import Asked, Context
from dreamsmk.tasks.prompting.generations import read_texts
from dreamsmk.tasks.prompting.instruction import given_instruction
from dreamsmk.tasks.prompting.layout import labelled
from dreamsmk.tasks.retrieval.shown import PromptParts, plan_shown, shown_columns, write_shown
from dreamsmk.tasks.unchanged import rows

__all__ = ["columns", "plan", "rag_prompt", "rows"]

CORPUS = "corpus"


def rag_prompt(context: Context) -> None:
    """Looks each row up, and asks a model once for each with the documents that were found."""
    column = context.params["documents"]
    write_shown(context, CORPUS, lambda: _parts(context, read_texts(context.input(CORPUS), column)))


def plan(context: Context) -> Iterator[Asked]:
    """Yields what the task would ask; see `plan_shown`."""
    yield from plan_shown(context, _parts(context, []))


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of the table."""
    return shown_columns(params, inputs)


def _parts(context: Context, documents: Sequence[str]) -> PromptParts:
    """Returns the parts of the prompts.

    The layout is the instruction, then `{document_label} {document}` of each, a blank line (a separator more), and
    `{input_label} {text}`, each after a separator.
    """
    params, separator = context.params, context.params["separator"]
    instruction = given_instruction(context)
    head = "" if instruction is None else f"{instruction}{separator}"

    def tail(text: str, has_documents: bool) -> str:
        return f"{separator if has_documents or head else ''}{labelled(params['input_label'], text)}"

    pieces = [f"{labelled(params['document_label'], document)}{separator}" for document in documents]
    return PromptParts(head, pieces, tail)
