"""How likely a local model finds tokens after those before them.

Contract: every row gets the sum of the negative log-likelihoods of its labelled tokens, in nats, and their number. The
likelihoods are 32-bit floats, their sums 64-bit. Rows go through the model from the longest to the shortest, in batches
that are halved where memory runs out.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import TrainingError
from dreamsmk.providers.local.batching import BatchLimits, in_batches
from dreamsmk.settings import ModelSpec
from dreamsmk.tasks.context import Progress
from dreamsmk.tasks.training.rows.examples import IGNORED

if TYPE_CHECKING:
    import torch

    from dreamsmk.providers.local.loading import LoadedModel
    from dreamsmk.tasks.evaluation.measured import Sums

# Tokens at once, padding included: their logits over a vocabulary of 150,000 take 2.4 GB.
_TOKENS_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of a row.

    Attributes:
        ids: All of them.
        labels: The same, or `IGNORED` for one that does not count.
    """

    ids: Sequence[int]
    labels: Sequence[int]

    @property
    def counted(self) -> int:
        """Tokens that count: the first is likely after nothing."""
        return sum(label != IGNORED for label in self.labels[1:])


def log_likelihoods(spec: ModelSpec, rows: Sequence[Tokens], progress: Progress) -> Sums:
    """Returns the sum of the negative log-likelihoods of each row, and how many tokens it is over: of shape (rows, 2).

    Args:
        spec: The model, with its adapter.
        rows: The rows.
        progress: Is told of rows that are done.

    Raises:
        TrainingError: A row alone does not fit into memory.
        RequestRejected: The model cannot be loaded.
    """
    import numpy as np

    from dreamsmk.providers.local.loading import load_model
    from dreamsmk.providers.local.quiet import quietly

    sums = np.zeros((len(rows), 2))
    sums[:, 1] = [row.counted for row in rows]
    waiting = sorted(np.flatnonzero(sums[:, 1]).tolist(), key=lambda row: len(rows[row].ids), reverse=True)
    if not waiting:
        return sums
    with quietly():
        batch = _Batch(load_model(spec), rows, sums)
        limits = _Limits(spec.batch_size)
        for done, (row, rejected) in enumerate(in_batches(waiting, limits, batch, lambda row: len(rows[row].ids)), 1):
            if rejected is not None:
                raise TrainingError(
                    f"a row of {len(rows[row].ids)} tokens does not fit into memory alone",
                    where=f"row {row} (from 0)",
                    hint="lower max_length, with `truncate: true`",
                ) from rejected
            progress.update(done, len(waiting))
    return sums


class _Limits(BatchLimits):
    """Limits by what logits take too: these are a number for every token and every entry of the vocabulary."""

    def rows_at(self, length: int) -> int:
        return max(1, min(super().rows_at(length), _TOKENS_AT_ONCE // length))


class _Batch:
    """Rows that go through a model at once; see `batching.Batch`. Rows are known by their number."""

    def __init__(self, loaded: LoadedModel, rows: Sequence[Tokens], sums: Sums) -> None:
        self._loaded = loaded
        self._tokens = rows
        self._sums = sums
        self._waiting: list[int] = []
        model = loaded.model.get_base_model() if hasattr(loaded.model, "peft_config") else loaded.model
        # with tokens that an adapter puts before the others, places are not what they are here
        takes = "logits_to_keep" in inspect.signature(type(model).forward).parameters
        self._keeps_few = takes and not loaded.has_virtual_tokens

    @property
    def rows(self) -> Sequence[int]:
        return self._waiting

    @property
    def is_open(self) -> bool:
        return not self._waiting

    def admit(self, rows: Sequence[int]) -> None:
        self._waiting = list(rows)

    def advance(self) -> list[int]:
        import torch

        with torch.inference_mode():
            found = self._sums_of([self._tokens[row] for row in self._waiting])
        self._sums[self._waiting, 0] = found
        return self.clear()[1]

    def clear(self) -> tuple[list[int], list[int]]:
        waiting, self._waiting = self._waiting, []
        return [], waiting

    def _sums_of(self, rows: Sequence[Tokens]) -> list[float]:
        import torch
        from torch.nn.functional import cross_entropy

        device = self._loaded.model.device
        ids = _padded([row.ids for row in rows], self._loaded.pad_id).to(device)
        mask = _padded([[1] * len(row.ids) for row in rows], 0).to(device)
        # what a model says at a place is about the token after it
        labels = _padded([row.labels for row in rows], IGNORED).to(device)[:, 1:]
        places = (labels != IGNORED).any(dim=0).nonzero().flatten()
        # Any: arguments of every type.
        keep: dict[str, Any] = {"logits_to_keep": places} if self._keeps_few else {}
        logits = self._loaded.model(input_ids=ids, attention_mask=mask, use_cache=False, **keep).logits
        if not self._keeps_few:
            logits = logits[:, -ids.shape[1] :][:, places]
        labels = labels[:, places]
        counted = labels != IGNORED
        # on the CPU: not every device has 64-bit floats
        nll = torch.zeros(labels.shape, dtype=torch.float64)
        nll[counted.cpu()] = cross_entropy(logits[counted].float(), labels[counted], reduction="none").cpu().double()
        sums: list[float] = nll.sum(dim=1).tolist()
        return sums


def _padded(rows: Sequence[Sequence[int]], value: int) -> torch.Tensor:
    import torch

    longest = max(len(row) for row in rows)
    return torch.tensor([[*row, *[value] * (longest - len(row))] for row in rows])
