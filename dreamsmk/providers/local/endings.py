"""Where a reply ends: at an end-of-sequence token, at a stop text, at its limit of tokens, or where it is complete.

Contract: a reply's end is found from its own tokens alone, after the fact. `StopWatch` only tells, while tokens come,
that a row needs no more of them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dreamsmk.providers.replies import cut_at_stop

Decode = Callable[[Sequence[int]], str]


@dataclass(frozen=True, slots=True)
class Ending:
    """A reply as it stands after its end was found.

    Attributes:
        text: The reply.
        token_count: All tokens that were generated for it, those of the end itself as well.
        text_count: The first tokens that the text is made of.
        finish_reason: `stop` or `length`.
    """

    text: str
    token_count: int
    text_count: int
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
    if cut_at_stop(text, stop) is not None:
        counts = range(len(written) + 1)
        count = bisect_left(counts, True, key=lambda n: cut_at_stop(decode(written[:n]), stop) is not None)
        # the first token that completes a stop text ends the reply, whatever would have followed it
        cut = cut_at_stop(decode(written[:count]), stop) or ""
        of_text = bisect_left(counts, True, key=lambda n: len(decode(written[:n])) >= len(cut))
        return Ending(cut, count, of_text, "stop")
    if end is not None:
        return Ending(text, end + 1, end, "stop")
    return Ending(text, len(tokens), len(tokens), "length")


class StopWatch:
    """Tells when the tokens of one row hold a stop text.

    Args:
        stop: The stop texts.
        decode: Gives the text of tokens.
    """

    def __init__(self, stop: Sequence[str], decode: Decode) -> None:
        self._stop = tuple(stop)
        self._decode = decode
        # every token but special ones writes one byte at least, so that this many end in any stop text
        self._tail = max((len(word.encode()) for word in stop), default=0) + 4

    def sees(self, tokens: Sequence[int]) -> bool:
        """Whether the new tokens of the row hold a stop text; to be asked after each of them."""
        if not self._stop or cut_at_stop(self._decode(tokens[-self._tail :]), self._stop) is None:
            return False
        # a tail can decode to another text than it has within the whole
        return cut_at_stop(self._decode(tokens), self._stop) is not None
