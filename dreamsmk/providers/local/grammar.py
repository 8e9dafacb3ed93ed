"""Holds replies to a JSON Schema while they are written: at each step only tokens are left that can still lead to it.

Contract: a reply that ends by itself is JSON and valid against the request's schema. A schema that cannot be held in
full is refused before the model is asked; no keyword is ever passed over in silence.

The library is llguidance: it works on the bytes of tokens, so that byte-level and SentencePiece vocabularies are all
the same to it, and it refuses keywords that it does not implement. Between two tokens of JSON it allows a space, or a
line break and a bounded indentation: a model that may write white space without end sometimes does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import RequestRejected
from dreamsmk.providers.http_status import one_line

if TYPE_CHECKING:
    import numpy as np
    import torch
    from llguidance import LLMatcher
    from llguidance._lib import JsonCompileOptions
    from numpy.typing import NDArray

# What SentencePiece writes for a space.
SPACE_MARK = "\u2581"
WHITE_SPACE = r"(\n {0,16}| )?"
PACKAGE = "llguidance"


# Any: JSON.
def grammar_of(schema: Mapping[str, Any]) -> str:
    """Returns llguidance's grammar of a JSON Schema.

    Raises:
        RequestRejected: The schema is wrong, or uses what cannot be held while a reply is written.
    """
    from llguidance import LLMatcher

    options: JsonCompileOptions = {"whitespace_pattern": WHITE_SPACE}
    try:
        grammar = LLMatcher.grammar_from_json_schema(json.dumps(schema), overrides=options)
        is_wrong, words = LLMatcher.validate_grammar_with_warnings(grammar)
    except ValueError as error:
        raise _refused(str(error)) from error
    if is_wrong:
        raise _refused(" ".join(words))
    return grammar


class GrammarTokens:
    """The vocabulary of a model as llguidance needs it.

    Args:
        tokenizer: The model's tokenizer.
        eos_ids: The tokens that end a reply.
        width: Entries of the model's logits.
    """

    # Any: a tokenizer of transformers.
    def __init__(self, tokenizer: Any, eos_ids: Sequence[int], width: int) -> None:
        import llguidance.hf
        from llguidance import LLTokenizer, TokenizerWrapper

        count = max(width, len(tokenizer))
        try:
            if _is_metaspace(tokenizer):
                pieces = TokenizerWrapper(_Pieces(tokenizer, eos_ids))
                self.tokenizer = LLTokenizer(pieces, n_vocab=count, eos_token=list(eos_ids))
            else:
                self.tokenizer = llguidance.hf.from_tokenizer(tokenizer, n_vocab=count, eos_token=list(eos_ids))
        except ValueError as error:
            raise RequestRejected(
                f"replies of this model cannot be held to a schema: {one_line(str(error))}",
                hint="leave the schema out, or take a model with a fast tokenizer",
            ) from error

        self._matchers: dict[str, LLMatcher] = {}

    def matcher(self, grammar: str) -> LLMatcher:
        """Returns a matcher at the beginning of a grammar; each grammar is built once."""
        from llguidance import LLMatcher

        if grammar not in self._matchers:
            self._matchers[grammar] = LLMatcher(self.tokenizer, grammar, log_level=0)
        return self._matchers[grammar].deep_copy()


class Follower:
    """Follows one reply along its grammar, from `begin` on.

    Args:
        tokens: The model's vocabulary.
        grammar: What `grammar_of` gave.
    """

    def __init__(self, tokens: GrammarTokens, grammar: str) -> None:
        self._tokens = tokens
        self._grammar = grammar
        self._matcher: LLMatcher | None = None
        self.is_over = False

    def begin(self) -> None:
        """Goes to the beginning of a reply."""
        self._matcher = self._tokens.matcher(self._grammar)
        self.is_over = False

    def take(self, token: int) -> bool:
        """Follows the next token; returns whether more may come.

        Where none may and nothing went wrong, the text is whole: `is_over`.
        """
        assert self._matcher is not None
        self._matcher.consume_token(token)
        has_more = not self._matcher.is_stopped()
        self.is_over = not has_more and not self._matcher.is_error()
        return has_more

    def fill(self, mask: NDArray[np.int32], row: int) -> None:
        """Writes one bit a token, whether it may come next, into a row of a mask of the shape (rows, width / 32)."""
        import llguidance.numpy

        assert self._matcher is not None
        llguidance.numpy.fill_next_token_bitmask(self._matcher, mask, row)

    def fault(self) -> RequestRejected | None:
        """Returns why the reply could not be followed to here, where it could not."""
        if self._matcher is None or not self._matcher.is_error():
            return None
        words = one_line(self._matcher.get_error())
        return RequestRejected(f"a reply could not be held to its schema: {words}", hint="give a simpler schema")

    @property
    def mask_width(self) -> int:
        """Tokens of the vocabulary, those that the model has no logits for included."""
        return self._tokens.tokenizer.vocab_size


def mask_logits(scores: torch.Tensor, followers: Sequence[Follower | None]) -> torch.Tensor:
    """Returns logits, of the shape (rows, vocabulary), with minus infinity for tokens that may not come next."""
    import llguidance.numpy
    import torch

    width = next((follower.mask_width for follower in followers if follower is not None), 0)
    if not width:
        return scores
    mask = llguidance.numpy.allocate_token_bitmask(len(followers), width)
    for row, follower in enumerate(followers):
        if follower is not None:
            follower.fill(mask, row)
    words = torch.from_numpy(mask).to(scores.device)
    bits = (words[:, :, None] >> torch.arange(32, dtype=torch.int32, device=scores.device)) & 1
    allowed = bits.reshape(len(followers), -1)[:, : scores.shape[1]].bool()
    # logits beyond the vocabulary stand for no token; rows without a schema keep them
    beyond = scores.shape[1] - allowed.shape[1]
    if beyond > 0:
        is_free = torch.tensor([follower is None for follower in followers], device=scores.device)
        allowed = torch.cat([allowed, is_free[:, None].expand(-1, beyond)], dim=1)
    return scores.masked_fill(~allowed, float("-inf"))


class _Pieces:
    """A vocabulary of SentencePiece pieces without bytes (T5), which llguidance does not read by itself.

    Its attributes and their names are those that `TokenizerWrapper` asks for.
    """

    # Any: a tokenizer of transformers.
    def __init__(self, tokenizer: Any, eos_ids: Sequence[int]) -> None:
        pieces = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
        self.tokens = [piece.replace(SPACE_MARK, " ").encode() for piece in pieces]
        self.special_token_ids = list(tokenizer.all_special_ids)
        self.bos_token_id = tokenizer.bos_token_id
        self.eos_token_id = eos_ids[0]
        special = set(self.special_token_ids)
        self._ids = {piece: i for i, piece in reversed(list(enumerate(self.tokens))) if piece and i not in special}
        self._longest = max(map(len, self._ids))

    def __call__(self, text: bytes) -> list[int]:
        """Returns the tokens of a text that must come next.

        Each is the longest that fits: the tokenizer itself would put a space first, as at the beginning of a text.
        """
        ids: list[int] = []
        start = 0
        while start < len(text):
            ends = range(min(len(text), start + self._longest), start, -1)
            end = next((end for end in ends if text[start:end] in self._ids), None)
            if end is None:
                break  # no token writes this
            ids.append(self._ids[text[start:end]])
            start = end
        return ids


# Any: a tokenizer of transformers.
def _is_metaspace(tokenizer: Any) -> bool:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    return backend is not None and type(backend.decoder).__name__ == "Metaspace"


def _refused(words: str) -> RequestRejected:
    return RequestRejected(
        f"a local model cannot be held to this schema: {one_line(words)}",
        hint="leave out what is named, or check it after the reply",
    )
