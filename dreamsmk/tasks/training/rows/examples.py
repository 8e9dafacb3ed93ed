"""Rows of a table as token ids and labels.

Contract: only the tokens of the output have labels; those of the prompt, with all that the chat template puts around
it, are `IGNORED`. Nothing is cut or left out in silence: a row that does not fit is an error that names it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from dreamsmk.errors import SettingsError, TableError, TrainingError
from dreamsmk.providers.local.prompts import FIXED_DAY
from dreamsmk.tasks.prompting.generations import read_texts

if TYPE_CHECKING:
    import datasets
    import polars

    from dreamsmk.tasks.training.frame.base_model import BaseModel

IGNORED = -100
"""The label of a token that is not trained on."""

_CHUNK_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Encoder:
    """Turns a prompt and its output into token ids, the way the model will be prompted.

    Attributes:
        tokenizer: A tokenizer of transformers.
        is_chat: Whether prompts go through the tokenizer's chat template, as the messages of a user.
        system_prompt: What the system message says, where there is one.
        template_values: Further values for the chat template, as the model is given them when it is asked.
    """

    tokenizer: Any  # transformers publishes no types
    is_chat: bool = True
    system_prompt: str | None = None
    template_values: Mapping[str, Any] = field(default_factory=dict)  # Any: JSON

    @classmethod
    def of(cls, base: BaseModel, tokenizer: Any, system_prompt: str | None) -> Self:
        """Returns that of a model, which lays prompts out as the model is asked."""
        return cls(tokenizer, base.is_chat, system_prompt, base.template_values)

    def __post_init__(self) -> None:
        if self.is_chat and not self.tokenizer.chat_template:
            raise TrainingError(
                "the tokenizer of the model has no chat template",
                hint="give the model a `chat_template:`, or `options: {chat: false}` if it is a base model",
            )
        if not self.is_chat and self.system_prompt is not None:
            raise SettingsError("a model with `options: {chat: false}` takes no system_prompt", where="system_prompt")

    def encode(self, prompts: Sequence[str], outputs: Sequence[str]) -> Iterator[tuple[list[int], int]]:
        """Yields for each row the ids of prompt and output together, and how many of them are the prompt's."""
        starts = self.prompts(prompts)
        if self.is_chat:
            asked = zip(self._asked(prompts), outputs, strict=True)
            told = [[*chat, {"role": "assistant", "content": output}] for chat, output in asked]
            wholes = self.render(told)["input_ids"]
        else:
            ends = self.tokenizer(list(outputs), add_special_tokens=False)["input_ids"]
            wholes = [s + e + [self.tokenizer.eos_token_id] for s, e in zip(starts, ends, strict=True)]
        for start, whole in zip(starts, wholes, strict=True):
            yield whole, common_length(start, whole)

    def prompts(self, prompts: Sequence[str]) -> list[list[int]]:
        """Returns the ids of prompts alone, as they are before an output."""
        if not self.is_chat:
            bare: list[list[int]] = self.tokenizer(list(prompts))["input_ids"]
            return bare
        asked: list[list[int]] = self.render(self._asked(prompts), add_generation_prompt=True)["input_ids"]
        return asked

    def _asked(self, prompts: Sequence[str]) -> list[list[dict[str, str]]]:
        system = [] if self.system_prompt is None else [{"role": "system", "content": self.system_prompt}]
        return [[*system, {"role": "user", "content": prompt}] for prompt in prompts]

    # Any: what apply_chat_template takes and returns.
    def render(self, chats: Sequence[Sequence[Mapping[str, str]]], **arguments: Any) -> Any:
        """Returns chats as the template lays them out: token ids by name, or texts with `tokenize=False`.

        Raises:
            TrainingError: The template refuses the messages.
        """
        from jinja2 import TemplateError

        given = {**self.template_values, "tokenize": True, "return_dict": True, **arguments}
        template = self.tokenizer.get_chat_template()
        if "strftime_now" in template:
            # the day that the model will be told when it is asked, too
            given["chat_template"] = FIXED_DAY + template
        try:
            return self.tokenizer.apply_chat_template(chats, **given)
        except TemplateError as exc:
            raise TrainingError(f"the chat template refuses the messages: {exc}") from exc


def read_pairs(path: Path, inputs: str, outputs: str) -> tuple[list[str], list[str]]:
    """Returns the texts of the two columns of a table.

    Raises:
        TableError: If the table is empty, or a column is missing, holds no texts, or has a cell without a value.
    """
    prompts, answers = read_texts(path, inputs), read_texts(path, outputs)
    if not prompts:
        raise TableError("the table has no rows to train on", where=str(path))
    return prompts, answers


def encode_pairs(
    prompts: Sequence[str], outputs: Sequence[str], encoder: Encoder, *, max_length: int, truncate: bool, where: str
) -> polars.DataFrame:
    """Returns a table with the columns `input_ids` and `labels`, a row for each pair.

    Args:
        prompts: What the model is asked.
        outputs: What it has to answer.
        encoder: Turns them into token ids.
        max_length: The most tokens that a row may have.
        truncate: Whether the end of a longer row is cut off, rather than being an error.
        where: What to call the table in errors.

    Raises:
        TrainingError: If rows are too long, or so long that no token of their output is left.
    """

    def labelled() -> Iterator[tuple[list[int], list[int]]]:
        for begin in range(0, len(prompts), _CHUNK_ROWS):
            part = slice(begin, begin + _CHUNK_ROWS)
            for ids, prompt_length in encoder.encode(prompts[part], outputs[part]):
                yield ids, [IGNORED] * prompt_length + ids[prompt_length:]

    return labelled_table(labelled(), max_length=max_length, truncate=truncate, where=where)


def labelled_table(
    rows: Iterable[tuple[list[int], list[int]]], *, max_length: int, truncate: bool, where: str
) -> polars.DataFrame:
    """Returns a table with the columns `input_ids` and `labels`.

    Args:
        rows: The ids of each row, and as many labels.
        max_length: The most tokens that a row may have.
        truncate: Whether the end of a longer row is cut off, rather than being an error.
        where: What to call the table in errors.

    Raises:
        TrainingError: If rows are too long, or so long that no token with a label is left.
    """
    import polars as pl

    too_long: list[int] = []
    unlearnable: list[int] = []
    schema = {"input_ids": pl.List(pl.Int64), "labels": pl.List(pl.Int64)}
    chunks: list[pl.DataFrame] = [pl.DataFrame(schema=schema)]
    numbered = enumerate(rows)
    while part := list(islice(numbered, _CHUNK_ROWS)):
        too_long += [row for row, (ids, _) in part if len(ids) > max_length]
        cut = [(ids[:max_length], labels[:max_length]) for _, (ids, labels) in part]
        # the first token has nothing before it that it could be told from
        unlearnable += [
            row for (row, _), (_, labels) in zip(part, cut, strict=True) if all(n == IGNORED for n in labels[1:])
        ]
        columns = {"input_ids": [ids for ids, _ in cut], "labels": [labels for _, labels in cut]}
        chunks.append(pl.DataFrame(columns, schema=schema))
    _check_lengths([] if truncate else too_long, unlearnable, max_length, where)
    return pl.concat(chunks)


def _check_lengths(too_long: list[int], unlearnable: list[int], max_length: int, where: str) -> None:
    if too_long:
        raise TrainingError(
            f"{len(too_long)} rows have more than {max_length} tokens",
            where=f"{where}, {rows_in_words(too_long)}",
            hint="raise max_length, shorten these rows, or set `truncate: true` to cut their ends off",
        )
    if unlearnable:
        raise TrainingError(
            f"{len(unlearnable)} rows have no token of their output within {max_length} tokens",
            where=f"{where}, {rows_in_words(unlearnable)}",
            hint="raise max_length or leave these rows out",
        )


def dataset_of(frame: polars.DataFrame) -> datasets.Dataset:
    """Returns a table as trainers read it; in memory, so that no cache file is left behind."""
    from datasets import Dataset

    return Dataset.from_dict(frame.to_dict(as_series=False))


def rows_in_words(rows: Iterable[int]) -> str:
    """Returns `rows 3, 8, 12, 13, 20 and 4 more (from 0)`."""
    listed = list(rows)
    shown = ", ".join(str(row) for row in listed[:5])
    more = f" and {len(listed) - 5} more" if len(listed) > 5 else ""
    return f"{'row' if len(listed) == 1 else 'rows'} {shown}{more} (from 0)"


def common_length(start: Sequence[int], whole: Sequence[int]) -> int:
    """Returns how many tokens two sequences have in common from their beginning."""
    # where a template renders a prompt otherwise once it was answered, the output begins where the two part
    for index, (a, b) in enumerate(zip(start, whole, strict=False)):
        if a != b:
            return index
    return min(len(start), len(whole))
