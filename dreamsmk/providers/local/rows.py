"""One request while it is being answered: its prompt, the tokens so far, and whether it needs more of them.

Contract: a row is complete in itself. It can be begun again from nothing (after memory ran out), in any batch and on
any device, and ends as the same reply.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dreamsmk.providers.local.endings import StopWatch
from dreamsmk.providers.local.grammar import Follower
from dreamsmk.providers.local.sampling import request_seed
from dreamsmk.requests import Request


@dataclass(slots=True, eq=False)
class Row:
    """One request while it is being answered.

    Attributes:
        index: Its place among the requests.
        request: The request.
        prompt: The tokens of its prompt.
        limit: The most new tokens.
        eos_ids: The tokens that end a reply.
        watch: Finds stop texts.
        follower: Holds the reply to the request's schema, where it has one.
        new: The new tokens so far.
        logprobs: One object a new token, where the request wants them.
        is_done: Whether it needs no more tokens.
        started: When its tokens began to come, by the monotonic clock.
    """

    index: int
    request: Request
    prompt: list[int]
    limit: int
    eos_ids: tuple[int, ...]
    watch: StopWatch
    follower: Follower | None = None
    new: list[int] = field(default_factory=list)
    # Any: JSON.
    logprobs: list[Mapping[str, Any]] = field(default_factory=list)
    is_done: bool = False
    started: float = 0.0
    seed: int = 0

    def begin(self) -> None:
        """Forgets all tokens: the row is about to be answered, for the first time or anew."""
        self.new = []
        self.logprobs = []
        self.is_done = False
        self.started = time.monotonic()
        self.seed = request_seed(self.request)
        if self.follower is not None:
            self.follower.begin()

    def take(self, token: int) -> None:
        """Takes the next token, and sees whether it was the last one."""
        self.new.append(token)
        if token in self.eos_ids or len(self.new) >= self.limit or self.watch.sees(self.new):
            self.is_done = True
        # an end token is followed as well: only where the text may end here is it a good one
        if self.follower is not None and not self.follower.take(token):
            self.is_done = True

    @property
    def length(self) -> int:
        """Tokens of the prompt and the reply so far."""
        return len(self.prompt) + len(self.new)
