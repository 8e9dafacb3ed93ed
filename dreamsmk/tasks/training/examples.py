"""Rows of a table as token ids and labels.

Contract: only the tokens of the output have labels; those of the prompt, with all that the chat template puts around
it, are `IGNORED`. Nothing is cut or left out in silence: a row that does not fit is an error that names it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import SettingsError, TableError, TrainingError
from dreamsmk.tasks.prompting.generations import read_texts

if TYPE_CHECKING:
    import datasets
    import polars

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
    """

    tokenizer: Any  # transformers publishes no types
    is_chat: bool = True
    system_prompt: str | None = None

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
        if self.is_chat:
            starts, wholes = self._chats(prompts, outputs)
        else:
            starts = self.tokenizer(list(prompts))["input_ids"]
            ends = self.tokenizer(list(outputs), add_special_tokens=False)["input_ids"]
            wholes = [s + e + [self.tokenizer.eos_token_id] for s, e in zip(starts, ends, strict=True)]
        for start, whole in zip(starts, wholes, strict=True):
            yield whole, _common_length(start, whole)

    def _chats(self, prompts: Sequence[str], outputs: Sequence[str]) -> tuple[list[list[int]], list[list[int]]]:
        from jinja2 import TemplateError

        system = [] if self.system_prompt is None else [{"role": "system", "content": self.system_prompt}]
        asked = [[*system, {"role": "user", "content": prompt}] for prompt in prompts]
        told = [[*chat, {"role": "assistant", "content": output}] for chat, output in zip(asked, outputs, strict=True)]
        render = self.tokenizer.apply_chat_template
        try:
            starts = render(asked, tokenize=True, return_dict=True, add_generation_prompt=True)["input_ids"]
            wholes = render(told, tokenize=True, return_dict=True)["input_ids"]
        except TemplateError as exc:
            raise TrainingError(f"the chat template refuses the messages: {exc}") from exc
        return starts, wholes


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
    import polars as pl

    too_long: list[int] = []
    unlearnable: list[int] = []
    chunks: list[pl.DataFrame] = []
    schema = {"input_ids": pl.List(pl.Int64), "labels": pl.List(pl.Int64)}
    for begin in range(0, len(prompts), _CHUNK_ROWS):
        part = slice(begin, begin + _CHUNK_ROWS)
        ids_of_rows, labels_of_rows = [], []
        for row, (ids, prompt_length) in enumerate(encoder.encode(prompts[part], outputs[part]), begin):
            if len(ids) > max_length:
                too_long.append(row)
            if prompt_length >= min(len(ids), max_length):
                unlearnable.append(row)
            kept = ids[:max_length]
            ids_of_rows.append(kept)
            labels_of_rows.append([IGNORED] * min(prompt_length, len(kept)) + kept[prompt_length:])
        chunks.append(pl.DataFrame({"input_ids": ids_of_rows, "labels": labels_of_rows}, schema=schema))
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


def _common_length(start: Sequence[int], whole: Sequence[int]) -> int:
    # where a template renders a prompt otherwise once it was answered, the output begins where the two part
    for index, (a, b) in enumerate(zip(start, whole, strict=False)):
        if a != b:
            return index
    return min(len(start), len(whole))
