"""BLEU (Papineni et al., 2002) and chrF (Popović, 2015) through sacrebleu (Post, 2018).

Contract: both are of the corpus: what is counted in the rows is summed, and the score worked out once. They are what
sacrebleu's `corpus_score` gives, on its scale from 0 to 100; `signature` says with which options. Of a row by itself
BLEU is sentence BLEU with effective order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dreamsmk.tasks.evaluation.text_pairs import Counted, TextPairs


@dataclass(frozen=True, slots=True)
class NgramMetric:
    """A metric of sacrebleu.

    Attributes:
        corpus: Scores all rows together.
        sentence: Scores a row by itself.
    """

    # Any: `BLEU` and `CHRF`, whose statistics are not in the types that they share.
    corpus: Any
    sentence: Any

    def signature(self, pairs: TextPairs) -> str:
        """Returns sacrebleu's own words on how these texts are scored."""
        counts = {len(answers) for answers in pairs.references}
        # -1 stands for a number that varies; sacrebleu sets it from the texts that it saw last
        self.corpus.num_refs = counts.pop() if len(counts) == 1 else -1
        return str(self.corpus.get_signature().format())


# Any: JSON.
def bleu_of(options: Mapping[str, Any]) -> NgramMetric:
    """Returns BLEU with the options of the rule."""
    from sacrebleu.metrics.bleu import BLEU

    # force: it warns of texts that look tokenized, on a stream of its own
    return NgramMetric(BLEU(force=True, **options), BLEU(force=True, effective_order=True, **options))


# Any: JSON.
def chrf_of(options: Mapping[str, Any]) -> NgramMetric:
    """Returns chrF with the options of the rule."""
    from sacrebleu.metrics.chrf import CHRF

    return NgramMetric(CHRF(**options), CHRF(**options))


def count_ngrams(pairs: TextPairs, name: str, metric: NgramMetric) -> Counted:
    """Returns the score of a metric of sacrebleu."""
    import numpy as np

    # What sacrebleu resamples for its own intervals: it has no public name (2.6). Row by row, since the number of
    # right answers may vary.
    statistics = [
        metric.corpus._extract_corpus_statistics([text], [[answer] for answer in answers])[0]
        for text, answers in zip(pairs.predictions, pairs.references, strict=True)
    ]
    by_row = [[metric.sentence._compute_score_from_stats(list(numbers)).score] for numbers in statistics]
    return Counted(
        [name],
        np.array(statistics, dtype=np.float64).reshape(len(statistics), -1 if statistics else 1),
        lambda sums, rows: [metric.corpus._compute_score_from_stats([int(number) for number in sums]).score],
        np.array(by_row, dtype=np.float64).reshape(len(by_row), 1),
    )
