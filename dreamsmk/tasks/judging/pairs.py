"""Which of two texts is better: what both rules that judge pairs do.

Contract: a model may prefer what it is shown first (position bias; Zheng et al., "Judging LLM-as-a-Judge with MT-Bench
and Chatbot Arena", 2023). Which text of a row is shown first is a fair coin that the seed and the texts of the row
decide alone, so that a row keeps its order wherever it stands. Verdicts are told in terms of the columns: `a` is the
text of the column `a`, wherever it was shown. With both orders, a text wins where it wins in both; where the orders
disagree the verdict is a tie, and `is_agreed` is false. What cannot be read is null, and counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dreamsmk.errors import SettingsError
from dreamsmk.hashing import canonical_bytes, digest_bytes
from dreamsmk.requests import Response
from dreamsmk.tasks.context import Asked, Context
from dreamsmk.tasks.judging.beside import Verdicts, beside_columns, write_beside
from dreamsmk.tasks.judging.forms import Form
from dreamsmk.tasks.judging.verdicts import Choice
from dreamsmk.tasks.prompting.generations import read_texts
from dreamsmk.tasks.prompting.instruction import given_instruction

A, B, TIE = "a", "b", "tie"
JUDGEMENT, IS_SWAPPED, IS_AGREED = "judgement", "is_swapped", "is_agreed"
_OTHER = {A: B, B: A}


@dataclass(frozen=True, slots=True)
class Pairs:
    """What is judged.

    Attributes:
        a: One text a row.
        b: The other text of each row.
        prompts: What both answer, where they are answers.
        is_swapped: Whether the text of `b` is shown first, row by row.
    """

    a: Sequence[str]
    b: Sequence[str]
    prompts: Sequence[str] | None
    is_swapped: Sequence[bool]

    @classmethod
    def of(cls, context: Context) -> Pairs:
        """Reads the pairs of a job.

        Raises:
            TableError: A column is missing, or a row has no text.
        """
        params, table = context.params, context.input()
        a, b = read_texts(table, params["a"]), read_texts(table, params["b"])
        prompts = read_texts(table, params["prompts"]) if params.get("prompts") is not None else None
        beside = prompts or [""] * len(a)
        seed = params["order_seed"]
        swapped = [
            params["randomize_order"] and _coin([seed, prompt, one, other])
            for prompt, one, other in zip(beside, a, b, strict=True)
        ]
        return cls(a, b, prompts, swapped)


def judge_pairs(context: Context) -> None:
    """Writes the table with the judgements."""
    import polars as pl

    asked, form, pairs = ask_pairs(context)
    is_both = context.params["both_orders"]
    counts = {A: 0, B: 0, TIE: 0, "none": 0, "first": 0}

    # Any: cells.
    def read(row: int, replies: Sequence[Response]) -> Mapping[str, Any]:
        is_swapped = pairs.is_swapped[row]
        told = [form.verdict(reply) for reply in replies]
        counts["first"] += sum(verdict == A for verdict in told)
        found = [_OTHER.get(verdict, verdict) if is_swapped ^ (n == 1) else verdict for n, verdict in enumerate(told)]
        judgement, is_agreed = _together(found)
        counts[judgement or "none"] += 1
        return {JUDGEMENT: judgement, IS_AGREED: is_agreed, IS_SWAPPED: is_swapped}

    second = {IS_AGREED: pl.Boolean()} if is_both else {IS_SWAPPED: pl.Boolean()}
    verdicts = Verdicts({JUDGEMENT: pl.String(), **second}, read, 2 if is_both else 1)
    written, failed = write_beside(context, asked, verdicts, context.output())
    form.tell(context)
    context.facts |= {"rows": written, "failed_rows": failed, "judgements": counts}


def ask_pairs(context: Context) -> tuple[Asked, Form, Pairs]:
    """Returns what a model is asked about the pairs of a job."""
    params, pairs = context.params, Pairs.of(context)
    instruction = given_instruction(context) or default_instruction(params)
    reader = reader_of(params)
    form = Form.of(params, reader, {"enum": [words[0] for words in reader.words.values()]})
    prompts = []
    for row, is_swapped in enumerate(pairs.is_swapped):
        prompt = None if pairs.prompts is None else pairs.prompts[row]
        for swaps in (is_swapped, not is_swapped) if params["both_orders"] else (is_swapped,):
            shown = (pairs.b[row], pairs.a[row]) if swaps else (pairs.a[row], pairs.b[row])
            prompts.append(_prompt(prompt, shown, instruction, params))
    return form.ask(context.model(params["model"]), params, prompts), form, pairs


def plan(context: Context) -> Iterator[Asked]:
    """Yields what the task would ask."""
    yield ask_pairs(context)[0]


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of the table: those of the input, the judgement, and what is kept of the calls."""
    reader_of(params)
    added = [JUDGEMENT, IS_AGREED if params["both_orders"] else IS_SWAPPED]
    return {"table": beside_columns(params, inputs.get("table"), added)}


# Any: JSON.
def default_instruction(params: Mapping[str, Any]) -> str:
    """Returns what is asked where nobody says it."""
    words = [words[0] for words in reader_of(params).words.values()]
    kind = "response to the prompt" if "prompts" in params else "input"
    ways = f"{', '.join(words[:-1])} or {words[-1]}"
    return f"Which {kind} is better? Answer with {ways}, and nothing else."


# Any: JSON.
def reader_of(params: Mapping[str, Any]) -> Choice:
    """Returns what reads the verdicts.

    Raises:
        SettingsError: The labels cannot be told apart.
    """
    names = {A: _name(params["a_label"]), B: _name(params["b_label"])}
    words = names | ({} if params["tie"] is None else {TIE: params["tie"].strip()})
    folded = [word.casefold() for word in words.values()]
    if not all(folded) or len(set(folded)) < len(folded):
        raise SettingsError("the labels cannot be told apart", where="params.a_label", hint="they stand in the verdict")
    # of "Input A" and "Input B", the letters are enough where they stand alone
    (*first, last), (*other, end) = names[A].split(), names[B].split()
    short = {A: [last], B: [end]} if first == other and last.casefold() != end.casefold() else {}
    return Choice({value: [word] for value, word in words.items()}, short)


# Any: JSON.
def _prompt(prompt: str | None, shown: tuple[str, str], instruction: str, params: Mapping[str, Any]) -> str:
    parts = [] if prompt is None else [(params["prompt_label"], prompt)]
    parts += [(params["a_label"], shown[0]), (params["b_label"], shown[1]), (params["instruction_label"], instruction)]
    separator: str = params["separator"]
    return separator.join(f"{label} {text}" if label else text for label, text in parts)


def _name(label: str) -> str:
    """Returns what a verdict calls a label: without its colon."""
    return label.strip().removesuffix(":").strip()


def _coin(values: Sequence[str | int]) -> bool:
    return int(digest_bytes(canonical_bytes(list(values)), "sha256")[-1], 16) % 2 == 1


def _together(verdicts: Sequence[str | None]) -> tuple[str | None, bool | None]:
    """Returns the one verdict of all orders, and whether they agree; neither where one cannot be read."""
    if None in verdicts:
        return None, None
    is_agreed = len(set(verdicts)) == 1
    return (verdicts[0] if is_agreed else TIE), is_agreed
