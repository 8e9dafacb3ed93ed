"""Whether a text is the right answer, or one of several.

Contract: without a normalisation every letter counts. All four together are those of SQuAD (Rajpurkar et al., 2016),
which however knows ASCII punctuation alone.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection

from dreamsmk.tasks.evaluation.text_pairs import Counted, TextPairs, averaged

_ARTICLES = re.compile(r"\b(a|an|the)\b", re.IGNORECASE)


def count_exact_matches(pairs: TextPairs, kinds: Collection[str]) -> Counted:
    """Returns the share of texts that are a right answer.

    Args:
        pairs: The texts.
        kinds: What does not count; see `normal`.
    """
    scores = [
        [float(normal(text, kinds) in {normal(answer, kinds) for answer in answers})]
        for text, answers in zip(pairs.predictions, pairs.references, strict=True)
    ]
    return averaged(["exact_match"], scores)


def normal(text: str, kinds: Collection[str]) -> str:
    """Returns a text without what does not count: case, punctuation, English articles, white space; in this order."""
    for kind, change in _CHANGES.items():
        if kind in kinds:
            text = change(text)
    return text


def _without_punctuation(text: str) -> str:
    # the ASCII signs that Unicode calls symbols ($ + < = > ^ ` | ~) are punctuation to SQuAD
    return "".join(c for c in text if not (unicodedata.category(c).startswith("P") or c in "$+<=>^`|~"))


_CHANGES: dict[str, Callable[[str], str]] = {
    "case": str.casefold,
    "punctuation": _without_punctuation,
    "articles": lambda text: _ARTICLES.sub(" ", text),
    "whitespace": lambda text: " ".join(text.split()),
}
