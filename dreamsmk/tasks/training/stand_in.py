"""Gives the trainers of TRL rows that are encoded already.

Contract: a trainer trains on the token ids that it is given here and on no others. TRL's trainers of preferences know
no such rows: they lay out, tokenize, cut and drop what they are made with. So each is made with one row of plain text,
and what is trained on then takes that row's place, in the columns that its collator is documented with.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import datasets

PAIR = {"prompt": "a", "chosen": " b", "rejected": " c"}
"""The row that a trainer of pairs is made with."""

COMPLETION = {"prompt": "a", "completion": " b", "label": True}
"""The row that a trainer of single completions is made with."""


# Any: arguments of TRL.
def stand_ins(row: Mapping[str, Any], *, validates: bool) -> dict[str, Any]:
    """Returns the datasets that a trainer is to be made with, by the name of the argument."""
    from datasets import Dataset

    one = Dataset.from_list([dict(row)])
    return {"train_dataset": one, "eval_dataset": one if validates else None}


# Any: the trainers of TRL.
def put_rows(trainer: Any, train: datasets.Dataset, validation: datasets.Dataset | None) -> None:
    """Gives a trainer the rows that it is to train and to validate on."""
    trainer.train_dataset, trainer.eval_dataset = train, validation


# Any: the classes of TRL.
def asked_later(trainer_class: type[Any]) -> type[Any]:
    """Returns a class of trainers that do not ask the reference about the rows that they are made with.

    The stand-in's answers are good for nothing, and several processes would share them through a temporary file that
    each has for itself.
    """

    class AskedLater(trainer_class):  # type: ignore[misc]
        def _precompute_ref_logps(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
            return dataset

    return AskedLater


@contextmanager
def without_bars() -> Iterator[None]:
    """Silences the progress bars that TRL and datasets draw when a trainer is made."""
    from datasets import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    had_bars, before = not are_progress_bars_disabled(), os.environ.get("TQDM_DISABLE")
    disable_progress_bars()
    os.environ["TQDM_DISABLE"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["TQDM_DISABLE"]
        else:
            os.environ["TQDM_DISABLE"] = before
        if had_bars:
            enable_progress_bars()
