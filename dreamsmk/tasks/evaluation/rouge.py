"""ROUGE (Lin, 2004) through rouge_score: the F-measure, of several right answers the best, and the mean over rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from dreamsmk.tasks.evaluation.text_pairs import Counted, TextPairs, averaged

# letters and digits of any script; `\w` without the underscore
_WORD = re.compile(r"[^\W_]+")


def count_rouge(
    pairs: TextPairs, metrics: Sequence[str], *, stemmer: bool, words: Literal["ascii", "unicode"]
) -> Counted:
    """Returns ROUGE scores.

    Args:
        pairs: The texts.
        metrics: Which: rouge1, rouge2, rougeL.
        stemmer: Whether words of English count by their stems.
        words: What a word is: rouge_score takes runs of a-z and 0-9 for one, which leaves nothing of other scripts.
    """
    from rouge_score.rouge_scorer import RougeScorer

    tokenizer = None if words == "ascii" else _Words(stemmer)
    scorer = RougeScorer(list(metrics), use_stemmer=stemmer, tokenizer=tokenizer)
    scores = []
    for text, answers in zip(pairs.predictions, pairs.references, strict=True):
        found = scorer.score_multi(answers, text)
        scores.append([found[name].fmeasure for name in metrics])
    return averaged(metrics, scores)


class _Words:
    """A tokenizer for rouge_score that knows the letters of all scripts."""

    def __init__(self, stemmer: bool) -> None:
        from nltk.stem.porter import PorterStemmer

        self._stem = PorterStemmer().stem if stemmer else None

    def tokenize(self, text: str) -> list[str]:
        words = _WORD.findall(text.lower())
        # short words keep their endings, as in rouge_score
        return [self._stem(word) if self._stem and len(word) > 3 else word for word in words]
