"""How many tokens a call will take, guessed before it is sent.

Contract: a token is taken for four characters. The length of a reply is the limit of new tokens where a guess must not
be too low (budgets), and the mean of what replies really took where it must be right in the mean (rates). What is
guessed for the very first calls alone, without a limit, stands here.
"""

from __future__ import annotations

from collections.abc import Sequence

from dreamsmk.hashing import canonical_bytes
from dreamsmk.requests import Request, Response

CHARACTERS_PER_TOKEN = 4
TOKENS_PER_MESSAGE = 4
TOKENS_PER_IMAGE = 1000
FIRST_OUTPUT_TOKENS = 1000


class Estimates:
    """Guesses for the calls of one model.

    Args:
        default_max_tokens: The limit of new tokens that is sent where a request has none.
    """

    def __init__(self, default_max_tokens: int | None = None) -> None:
        self._default_max_tokens = default_max_tokens
        self._replies = 0
        self._output_tokens = 0

    def note(self, response: Response) -> None:
        """Learns from a reply."""
        self._replies += 1
        self._output_tokens += response.usage.output_tokens

    def most(self, requests: Sequence[Request]) -> tuple[int, int]:
        """Returns tokens in and out that calls will hardly pass."""
        return sum(map(input_tokens, requests)), sum(self._longest(request) for request in requests)

    def mean(self, requests: Sequence[Request]) -> int:
        """Returns the tokens, in and out, that calls will take in the mean."""
        return sum(input_tokens(request) + self._likely(request) for request in requests)

    def _longest(self, request: Request) -> int:
        if request.wanted is not None:
            return 0
        return request.sampling.max_tokens or self._default_max_tokens or self._mean() or FIRST_OUTPUT_TOKENS

    def _likely(self, request: Request) -> int:
        if request.wanted is not None:
            return 0
        limit = request.sampling.max_tokens or self._default_max_tokens
        mean = self._mean() if self._replies else limit or FIRST_OUTPUT_TOKENS
        return mean if limit is None else min(mean, limit)

    def _mean(self) -> int:
        return round(self._output_tokens / self._replies) if self._replies else 0


def input_tokens(request: Request) -> int:
    """Returns about how many tokens a request has."""
    characters = sum(len(message.content) for message in request.messages)
    images = sum(len(message.images) for message in request.messages)
    if request.tools or request.schema:
        characters += len(canonical_bytes({"tools": list(request.tools), "schema": request.schema or {}}))
    tokens = -(-characters // CHARACTERS_PER_TOKEN)
    return tokens + TOKENS_PER_MESSAGE * len(request.messages) + TOKENS_PER_IMAGE * images
