"""The metrics of two columns of texts, what was written and what is right; a file each beside this one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dreamsmk.tasks.context import Context
from dreamsmk.tasks.evaluation.candidates import Candidate
from dreamsmk.tasks.evaluation.catalogue import of_family
from dreamsmk.tasks.evaluation.cells import answers_of, read_cells, required, texts_of
from dreamsmk.tasks.evaluation.exact_match import count_exact_matches
from dreamsmk.tasks.evaluation.measured import Measured, Measurement, Work, of_sums, spread
from dreamsmk.tasks.evaluation.ngrams import bleu_of, chrf_of, count_ngrams
from dreamsmk.tasks.evaluation.rouge import count_rouge
from dreamsmk.tasks.evaluation.text_pairs import Counted, TextPairs

if TYPE_CHECKING:
    import polars as pl

ROUGE = ("rouge1", "rouge2", "rougeL")


def prepare_texts(context: Context, candidate: Candidate) -> Work:
    """Reads the texts of a candidate, and returns what measures them."""
    metrics = of_family(context.params["metrics"], "texts")
    predictions = required("predictions", candidate.predictions, metrics[0])
    references = required("references", context.params["references"], metrics[0])
    cells = read_cells(context, candidate, [predictions, references], lists_need_texts=True)
    pairs = TextPairs(texts_of(cells, predictions, candidate), answers_of(cells, references, candidate))

    def work() -> Measurement:
        measured: list[Measured] = []
        beside: dict[str, pl.Series] = {}
        for counted in _count(context, metrics, pairs):
            measured.append(of_sums(counted.metrics, cells.covered, counted.statistics, counted.finish))
            for name, values in zip(counted.metrics, counted.by_row.T, strict=True):
                beside[name] = spread(values, cells.covered)
        return Measurement(measured, beside)

    return work


def _count(context: Context, metrics: list[str], pairs: TextPairs) -> list[Counted]:
    params = context.params
    counted = []
    if "exact_match" in metrics:
        counted.append(count_exact_matches(pairs, params["normalize"]))
    if rouge := [name for name in ROUGE if name in metrics]:
        counted.append(count_rouge(pairs, rouge, **params["rouge"]))
    for name, library in (("bleu", bleu_of), ("chrf", chrf_of)):
        if name in metrics:
            metric = library(params[name])
            counted.append(count_ngrams(pairs, name, metric))
            context.facts.setdefault("signatures", {})[name] = metric.signature(pairs)
    return counted
