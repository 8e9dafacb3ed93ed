"""Where a reply ends: at an end-of-sequence token, at a stop text, or at its limit of tokens.

Contract: a reply's end is found from its own tokens alone, after the fact. `RowLimits` only keeps `generate` from
going on for longer than some row still needs.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dreamsmk.providers.replies import cut_at_stop

if TYPE_CHECKING:
    import torch

Decode = Callable[[Sequence[int]], str]


@dataclass(frozen=True, slots=True)
class Ending:
    """A reply as it stands after its end was found; `token_count` counts the tokens of the end itself as well."""

    text: str
    token_count: int
    finish_reason: str


def find_ending(
    tokens: Sequence[int], decode: Decode, *, limit: int, eos_ids: Sequence[int], stop: Sequence[str]
) -> Ending:
    """Returns the reply that stands at the beginning of the new tokens of a row.

    Args:
        tokens: The new tokens of the row, and what follows them after its end.
        decode: Gives the text of tokens, special ones left out.
        limit: The most new tokens of the row.
        eos_ids: The tokens that end a reply.
        stop: The texts that end a reply; the first one found cuts it exactly before itself.
    """
    tokens = list(tokens[:limit])
    end = next((place for place, token in enumerate(tokens) if token in eos_ids), None)
    written = tokens if end is None else tokens[:end]
    text = decode(written)
    cut = cut_at_stop(text, stop)
    if cut is not None:
        count = bisect_left(
            range(len(written)), True, key=lambda n: cut_at_stop(decode(written[: n + 1]), stop) is not None
        )
        return Ending(cut, count + 1, "stop")
    if end is not None:
        return Ending(text, end + 1, "stop")
    return Ending(text, len(tokens), "length")


class RowLimits:
    """Tells `generate` which rows are done: those at their limit of tokens, and those that hold a stop text.

    Args:
        limits: The most new tokens of each row.
        stops: The stop texts of each row.
        decode: Gives the text of tokens.
        prompt_width: Tokens of each padded prompt.
    """

    def __init__(
        self, limits: Sequence[int], stops: Sequence[Sequence[str]], decode: Decode, prompt_width: int
    ) -> None:
        self._limits = tuple(limits)
        self._stops = tuple(tuple(stop) for stop in stops)
        self._decode = decode
        self._prompt_width = prompt_width
        # every token but special ones writes one byte at least, so that this many end in any stop text
        self._tails = tuple(max((len(word.encode()) for word in stop), default=0) + 4 for stop in self._stops)
        self._done = [False] * len(self._limits)

    # Any: whatever else transformers hands over.
    def __call__(self, input_ids: torch.Tensor, scores: object, **_: Any) -> torch.Tensor:
        """Returns which rows are done, as booleans of the shape (rows,)."""
        import torch

        step = input_ids.shape[1] - self._prompt_width
        for row, limit in enumerate(self._limits):
            if not self._done[row]:
                self._done[row] = step >= limit or self._has_stop(input_ids, row)
        return torch.tensor(self._done, dtype=torch.bool, device=input_ids.device)

    def _has_stop(self, input_ids: torch.Tensor, row: int) -> bool:
        stop = self._stops[row]
        if not stop:
            return False
        new = input_ids[row, self._prompt_width :]
        if cut_at_stop(self._decode(new[-self._tails[row] :].tolist()), stop) is None:
            return False
        # a tail can decode to another text than it has within the whole
        return cut_at_stop(self._decode(new.tolist()), stop) is not None
