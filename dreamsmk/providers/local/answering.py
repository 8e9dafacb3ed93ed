"""One copy of a local model: takes requests, and answers them in batches of like length.

Contract: every request gets its reply, or the reason why it has none; one that cannot be answered holds up no other.
Nothing heavy is loaded before the first request that can be asked, and before all schemas are known to compile.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from dreamsmk.errors import RequestRejected
from dreamsmk.hashing import canonical_bytes
from dreamsmk.providers.identity import chat_template_text
from dreamsmk.providers.local.batching import BatchLimits, by_length, in_batches
from dreamsmk.providers.local.decoding import Decoder
from dreamsmk.providers.local.grammar import Follower, GrammarTokens, grammar_of
from dreamsmk.providers.local.loading import LoadedModel, load_model
from dreamsmk.providers.local.prompts import prompt_tokens
from dreamsmk.providers.local.replying import make_reply, make_row
from dreamsmk.providers.local.rows import Row
from dreamsmk.providers.local.sampling import sampling_group
from dreamsmk.requests import Request, Response
from dreamsmk.settings import ModelSpec

Answer = tuple[int, Response | RequestRejected]


class Answering(Protocol):
    """Whatever answers requests: one copy of a model, or several."""

    def answer(self, requests: Sequence[Request]) -> Iterator[Answer]:
        """Yields the index of each request with its reply, or with the reason why it has none."""

    def close(self) -> None:
        """Frees the memory."""


def is_chat(spec: ModelSpec) -> bool:
    """Whether messages go through the chat template: not for `api: completions`, nor for `options: {chat: false}`."""
    return spec.api != "completions" and bool(spec.options.get("chat", True))


class LocalModel:
    """One copy of a local model in this process.

    Args:
        spec: The model spec; `devices` is not looked at.
    """

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        self._limits = BatchLimits(spec.batch_size)
        self._loaded: LoadedModel | None = None
        self._tokens: GrammarTokens | None = None
        self._grammars: dict[bytes, str | RequestRejected] = {}

    def answer(self, requests: Sequence[Request]) -> Iterator[Answer]:
        """Yields the index of each request with its reply, or with the reason why it has none.

        Raises:
            RequestRejected: The model itself cannot be loaded.
            SettingsError: The device cannot run the quantization.
        """
        grammars: dict[int, str | None] = {}
        for index, request in enumerate(requests):
            grammar = self._grammar(request.schema)
            if isinstance(grammar, RequestRejected):
                yield index, grammar
            else:
                grammars[index] = grammar
        if grammars:
            yield from self._answers(requests, grammars)

    def close(self) -> None:
        """Frees the model's memory."""
        if self._loaded is not None:
            self._loaded = self._tokens = None
            _free_memory()

    def _answers(self, requests: Sequence[Request], grammars: Mapping[int, str | None]) -> Iterator[Answer]:
        if self._loaded is None:
            self._loaded = load_model(self._spec)
        loaded = self._loaded
        rows: dict[int, Row] = {}
        for index, grammar in grammars.items():
            try:
                follower = None if grammar is None else self._follower(loaded, grammar)
                rows[index] = make_row(index, requests[index], self._prompt(loaded, requests[index]), loaded, follower)
            except RequestRejected as error:
                yield index, error
        groups = by_length(
            list(rows), lambda i: len(rows[i].prompt), lambda i: sampling_group(rows[i].request.sampling)
        )
        for group in groups:
            decoder = Decoder(loaded, sampling_group(rows[group[0]].request.sampling))
            members = [rows.pop(index) for index in group]
            for row, rejected in in_batches(members, self._limits, decoder, _prompt_length, free=_free_memory):
                yield row.index, rejected or make_reply(row, loaded)

    def _prompt(self, loaded: LoadedModel, request: Request) -> list[int]:
        return prompt_tokens(
            request,
            loaded.tokenizer,
            is_chat=is_chat(self._spec),
            chat_template=chat_template_text(self._spec.chat_template),
            template_values=self._spec.options.get("chat_template_kwargs", {}),
        )

    # Any: JSON.
    def _grammar(self, schema: Mapping[str, Any] | None) -> str | RequestRejected | None:
        """Returns the grammar of a schema; each schema is compiled once."""
        if schema is None:
            return None
        key = canonical_bytes(dict(schema))
        if key not in self._grammars:
            try:
                self._grammars[key] = grammar_of(schema)
            except RequestRejected as error:
                self._grammars[key] = error
        return self._grammars[key]

    def _follower(self, loaded: LoadedModel, grammar: str) -> Follower:
        if self._tokens is None:
            self._tokens = GrammarTokens(loaded.tokenizer, loaded.eos_ids, loaded.width)
        return Follower(self._tokens, grammar)


def _prompt_length(row: Row) -> int:
    return len(row.prompt)


def _free_memory() -> None:
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
