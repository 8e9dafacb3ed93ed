"""What `evaluate` makes of a small fixed input, as digests.

Scores are rounded to nine digits, since sums may differ in their last one from one processor to the next; of perplexity
it is the tokens that are kept, since what a model makes of them differs too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from dreamsmk.hashing import digest_rows
from dreamsmk.settings import ModelSpec, validate_params
from dreamsmk.smk.meta import load_meta
from dreamsmk.tasks.context import Context
from dreamsmk.tasks.evaluation.candidates import candidates_of
from dreamsmk.tasks.evaluation.cells import read_cells
from dreamsmk.tasks.evaluation.perplexity import encode_rows
from dreamsmk.tasks.training.frame.base_model import BaseModel
from tests.tiny import make_tiny_model
from tests.unit.tasks.desk import Desk, Notes

ROWS = {
    "said": ["The Rhine.", "42", "", "Ünïted, 日本 one", "no idea at all, really", "a b c d e"],
    "other": ["rhine", "41", "x", "United Japan", "no idea", "a b d c e"],
    "true": [["Rhine", "the Rhine"], ["42"], ["Elbe"], ["Ünïted 日本"], ["not that I know"], ["a b c d e", "e"]],
    "label": [0, 1, 2, 1, 0, 2],
    "guess": ["0", "1", "1", "one", "0", "2"],
    "tags": [["x"], [], ["x", "y"], ["y"], ["z"], ["x"]],
    "found": [["x"], ["y"], ["y", "x"], [], ["z"], ["z"]],
    "kind": ["p", "q", "p", "q", "p", "q"],
    "judgement": ["a", "b", "tie", None, "a", "a"],
}
TEXTS = ["exact_match", "rouge1", "rouge2", "rougeL", "bleu", "chrf"]
AVERAGES = [f"{kind}_{average}" for kind in ("precision", "recall", "f1") for average in ("macro", "micro", "weighted")]
OF_LABELS = ["accuracy", *AVERAGES]
SQUAD = ["case", "punctuation", "articles", "whitespace"]
COMPARED = {"predictions": {"new": "said", "old": "other"}, "names": ["old", "new"], "references": "true"}
SURE = {"confidence": True, "resamples": 100, "seed": 5}
GIVEN: dict[str, dict[str, Any]] = {
    "texts": {"metrics": TEXTS, "predictions": "said", "references": "true"},
    "texts, all": {
        "metrics": TEXTS,
        **COMPARED,
        "by": ["kind"],
        "normalize": SQUAD,
        "rouge": {"stemmer": True, "words": "unicode"},
        "bleu": {"tokenize": "char", "lowercase": True},
        "chrf": {"word_order": 2, "lowercase": True},
        **SURE,
    },
    "labels": {"metrics": OF_LABELS, "predictions": "guess", "references": "label", **SURE},
    "lists of labels": {"metrics": OF_LABELS, "predictions": "found", "references": "tags", "by": ["kind"]},
    "given labels": {"metrics": ["f1_macro"], "predictions": "guess", "references": "label", "labels": [0, 1]},
    "win rate": {"metrics": ["win_rate"], "by": ["kind"]},
}  # fmt: skip


def _evaluate(desk: Desk) -> Iterator[tuple[str, str]]:
    table = {"table": desk.table(ROWS)}
    for name, given in GIVEN.items():
        made = desk.run("evaluate", table, ("scores", "rows"), **given)
        for role, frame in made.items():
            yield f"{name}: {role}", _digest(desk, frame)
    for name in ("labels", "lists of labels"):
        made = desk.run("evaluate", table, ("scores", "confusion"), **GIVEN[name])
        yield f"{name}: confusion", _digest(desk, made["confusion"])
    # without merges, which another version of the library may learn otherwise
    model = str(make_tiny_model(desk.folder / "model", vocabulary=260))
    for name, options, given in (
        ("texts", {}, {"texts": "said", "max_length": 8, "truncate": True}),
        ("pairs", {}, {"inputs": "said", "outputs": "other", "instruction": "Do it.", "system_prompt": "Briefly."}),
        ("no chat", {"options": {"chat": False}}, {"inputs": "said", "outputs": "other"}),
    ):
        spec = ModelSpec(provider="transformers", model=model, **options)
        yield f"tokens of {name}", _digest(desk, _encoded(table["table"], spec, given))


def _encoded(table: Path, spec: ModelSpec, given: dict[str, Any]) -> pl.DataFrame:
    """The tokens whose perplexity is asked for."""
    raw = {"metrics": ["perplexity"], "model": "student", **given}
    params = validate_params(load_meta("evaluate").params, raw, where="golden")
    context = Context(
        params=params,
        inputs={"table": [table]},
        outputs={},
        scratch=Path(),
        model=lambda alias: None,  # type: ignore[arg-type,return-value]  # nobody is asked
        progress=Notes(),
    )
    (candidate,) = candidates_of(params, [table])
    columns = [given[name] for name in ("texts", "inputs", "outputs") if name in given]
    rows = encode_rows(context, candidate, BaseModel("student", spec), read_cells(context, candidate, columns), columns)
    return pl.DataFrame({"ids": [row.ids for row in rows], "labels": [row.labels for row in rows]})


def _digest(desk: Desk, frame: pl.DataFrame) -> str:
    path = desk.folder / "rounded.parquet"
    frame.with_columns(pl.col(pl.Float64).round_sig_figs(9)).write_parquet(path)
    return digest_rows(path)


CASES: dict[str, Callable[[Desk], Iterator[tuple[str, str]]]] = {"evaluate": _evaluate}
