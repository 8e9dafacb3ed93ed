"""What embedding models are trained on: weights differ in their last digits from one processor to the next."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamsmk.hashing import digest_rows
from tests.unit.tasks.desk import Desk

if TYPE_CHECKING:
    import polars


def _digest(frame: polars.DataFrame) -> str:
    frame.write_parquet("made.parquet")
    return digest_rows(Path("made.parquet"))


# Any: JSON values of every type.
def _given(rule: str, params: dict[str, Any]) -> dict[str, Any]:
    from dreamsmk.settings import validate_params
    from dreamsmk.smk.meta import load_meta

    return validate_params(load_meta(rule).params, {"model": "m", **params}, where="test")


def _embedding_model(desk: Desk) -> Iterator[tuple[str, str]]:
    from dreamsmk.tasks.training.embedding_model import read_table_rows

    table = desk.table(
        {
            "a": ["A thing!", "", "Zwei! 🦜"],
            "p": ["a", "b", "c"],
            "n": ["x", "y", "z"],
            "many": [["x", "y"], ["y", "z"], ["z", ""]],
            "s": [0.1, -1.0, 1.0],
            "ranks": [3, 1, 2],
        }
    )
    for name, params in (
        ("pairs", {"anchors": "a", "positives": "p"}),
        ("triplets", {"anchors": "a", "positives": "p", "negatives": "n"}),
        ("several negatives", {"anchors": "a", "positives": "p", "negatives": "many"}),
        ("scores", {"first": "a", "second": "p", "scores": "s"}),
        ("ranks", {"first": "a", "second": "p", "scores": "ranks", "loss": "cosent"}),
    ):
        yield name, _digest(read_table_rows(table, _given("embedding_model", params)))


def _setfit(desk: Desk) -> Iterator[tuple[str, str]]:
    from dreamsmk.tasks.training.rows.labels import LabelSet, read_labels
    from dreamsmk.tasks.training.setfit import SetFitParameters, pairs_of, read_rows

    texts = ["A thing!", "", "Zwei! 🦜", "A thing!"]
    for name, labels, params in (
        ("texts", ["b", "a", "c", "b"], {}),
        ("numbers", [10, 9, 9, -1], {"sampling_strategy": "unique", "seed": 7}),
        ("undersampled", [1, 1, 1, 0], {"sampling_strategy": "undersampling"}),
        ("several", [["b"], [], ["a", "b"], ["c"]], {"num_iterations": 3}),
    ):
        table = desk.table({"text": texts, "label": labels})
        given = SetFitParameters.from_json(_given("setfit", {"texts": "text", "labels": "label", **params}))
        known = LabelSet.of(read_labels(table, "label"))
        yield name, _digest(pairs_of(read_rows(table, given, known), known, given))


CASES = {"embedding_model": _embedding_model, "setfit": _setfit}
