"""What a classifier is trained on: weights differ in their last digits from one processor to the next."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dreamsmk.hashing import digest_rows
from tests.tiny import make_tiny_model
from tests.unit.tasks.desk import Desk


def _classifier(desk: Desk) -> Iterator[tuple[str, str]]:
    from transformers import AutoTokenizer

    from dreamsmk.settings import validate_params
    from dreamsmk.smk.meta import load_meta
    from dreamsmk.tasks.training.classifier import ClassifierParameters, encode_table
    from dreamsmk.tasks.training.rows.labels import LabelSet, read_labels

    tokenizer = AutoTokenizer.from_pretrained(make_tiny_model(desk.folder / "model", vocabulary=260))
    texts = ["A thing!", "", "Zwei! 🦜", "A thing!"]
    for name, labels in (
        ("texts", ["b", "a", "c", "b"]),
        ("numbers", [10, 9, 9, -1]),
        ("several", [["b"], [], ["a", "b"], ["c"]]),
    ):
        table = desk.table({"text": texts, "label": labels})
        given = {"model": "m", "texts": "text", "labels": "label", "truncate": True}
        params = ClassifierParameters.from_json(validate_params(load_meta("classifier").params, given, where="test"))
        known = LabelSet.of(read_labels(table, "label"))
        encode_table(table, tokenizer, params, known, max_length=6).write_parquet("made.parquet")
        yield name, digest_rows(Path("made.parquet"))


CASES = {"classifier": _classifier}
