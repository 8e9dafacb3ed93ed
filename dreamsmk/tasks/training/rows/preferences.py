"""Rows of preferences, as `dpo`, `kto` and `orpo` train on them.

Contract: a completion is trained on behind exactly the tokens that the provider would prompt the model with, laid out
by `Encoder`; the completions of a row share them. Nothing is cut or left out in silence: a row without a completion,
with two that are the same, or with too many tokens is an error that names it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from dreamsmk.errors import TableError, TrainingError
from dreamsmk.tasks.prompting.generations import read_texts
from dreamsmk.tasks.training.rows.examples import Encoder, rows_in_words
from dreamsmk.tasks.training.rows.prompts import PromptParameters, read_prompts

if TYPE_CHECKING:
    import polars

_CHUNK_ROWS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferenceParameters(PromptParameters):
    """What the rules share; `rules/_params/preferences.yaml` says what each means."""

    beta: float
    disable_dropout: bool
    max_length: int
    truncate: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PairParameters(PreferenceParameters):
    """What the rules share that learn from pairs."""

    NOT_TOLD: ClassVar[frozenset[str]] = PreferenceParameters.NOT_TOLD | {"chosen", "rejected"}

    chosen: str
    rejected: str


# Any: transformers publishes no types.
def most_tokens(config: Any, params: PreferenceParameters) -> int:
    """Returns how many tokens prompt and completion may have together: no more than the model reads."""
    positions: int | None = getattr(config.get_text_config(), "max_position_embeddings", None)
    return min(params.max_length, positions or params.max_length)


def read_completions(path: Path, column: str) -> list[str]:
    """Returns a column of completions.

    Raises:
        TableError: There is no such column, it holds no texts, or a cell is null or has nothing in it.
    """
    texts = read_texts(path, column)
    empty = [row for row, text in enumerate(texts) if not text.strip()]
    if empty:
        raise TableError(
            f"the column {column!r} has {len(empty)} completions without a word",
            where=f"{path}, {rows_in_words(empty)}",
            hint="leave these rows out, by the rule filter",
        )
    return texts


def read_pairs(path: Path, chosen: str, rejected: str) -> tuple[list[str], list[str]]:
    """Returns the better and the worse completions of a table.

    Raises:
        TableError: As `read_completions`, or the two of a row are the same.
    """
    better, worse = read_completions(path, chosen), read_completions(path, rejected)
    same = [row for row, (one, other) in enumerate(zip(better, worse, strict=True)) if one == other]
    if same:
        raise TableError(
            f"{len(same)} rows have the same text in {chosen!r} and in {rejected!r}",
            where=f"{path}, {rows_in_words(same)}",
            hint="leave these rows out, by the rule filter: nothing is preferred in them",
        )
    return better, worse


def encode_pair_table(path: Path, encoder: Encoder, params: PairParameters, max_length: int) -> polars.DataFrame:
    """Returns the rows of a table as they are trained on: `prompt_ids`, `chosen_ids` and `rejected_ids`."""
    prompts = read_prompts(path, params)
    chosen, rejected = read_pairs(path, params.chosen, params.rejected)
    completions = {"chosen": chosen, "rejected": rejected}
    return encode_completions(
        prompts, completions, encoder, max_length=max_length, truncate=params.truncate, where=str(path)
    )


def encode_completions(  # all but the first three are by keyword
    prompts: Sequence[str],
    completions: Mapping[str, Sequence[str]],
    encoder: Encoder,
    *,
    max_length: int,
    truncate: bool,
    where: str,
) -> polars.DataFrame:
    """Returns a table of token ids: `prompt_ids`, and `NAME_ids` for each name of completions.

    Args:
        prompts: What the model is asked.
        completions: One text a row, or several under names of their own.
        encoder: Turns them into token ids.
        max_length: The most tokens that a prompt and one of its completions may have together.
        truncate: Whether the end of a longer completion is cut off, rather than being an error.
        where: What to call the table in errors.

    Raises:
        TrainingError: If rows are too long, have no token of a completion left, or the same in all of them.
    """
    import polars as pl

    faults = _Faults()
    names = ["prompt_ids", *(f"{name}_ids" for name in completions)]
    schema = dict.fromkeys(names, pl.List(pl.Int64))
    chunks = [pl.DataFrame(schema=schema)]
    for begin in range(0, len(prompts), _CHUNK_ROWS):
        part = slice(begin, begin + _CHUNK_ROWS)
        encoded = [encoder.encode(prompts[part], texts[part]) for texts in completions.values()]
        columns: list[list[list[int]]] = [[] for _ in names]
        for row, wholes in enumerate(zip(*encoded, strict=True), begin):
            # where completions change how the template lays the prompt out, they begin where the first of them parts
            start = min(length for _, length in wholes)
            parts = [wholes[0][0][:start], *(ids[start:max_length] for ids, _ in wholes)]
            if any(len(ids) > max_length for ids, _ in wholes):
                faults.too_long.append(row)
            faults.look_at(row, parts)
            for column, ids in zip(columns, parts, strict=True):
                column.append(ids)
        chunks.append(pl.DataFrame(dict(zip(names, columns, strict=True)), schema=schema))
    faults.check(max_length, truncate=truncate, where=where)
    return pl.concat(chunks)


class _Faults:
    """Rows that cannot be trained on."""

    def __init__(self) -> None:
        self.too_long: list[int] = []
        self.without: list[int] = []
        self.same: list[int] = []

    def look_at(self, row: int, parts: Sequence[Sequence[int]]) -> None:
        prompt, *completions = parts
        # the first token has nothing before it that it could be told from
        if any(len(ids) <= (0 if prompt else 1) for ids in completions):
            self.without.append(row)
        elif len(completions) > 1 and all(ids == completions[0] for ids in completions[1:]):
            self.same.append(row)

    def check(self, max_length: int, *, truncate: bool, where: str) -> None:
        if self.too_long and not truncate:
            raise TrainingError(
                f"{len(self.too_long)} rows have more than {max_length} tokens",
                where=f"{where}, {rows_in_words(self.too_long)}",
                hint="raise max_length, shorten these rows, or set `truncate: true` to cut their ends off",
            )
        for rows, what in (
            (self.without, f"have no token of a completion within {max_length} tokens"),
            (self.same, f"have completions of the same {max_length} tokens or fewer"),
        ):
            if rows:
                raise TrainingError(
                    f"{len(rows)} rows {what}",
                    where=f"{where}, {rows_in_words(rows)}",
                    hint="raise max_length or leave these rows out",
                )
