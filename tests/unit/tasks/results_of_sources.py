"""What the rules that bring in and hand out files make of small fixed inputs; see `results.py`."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from dreamsmk.hashing import digest_file, digest_rows
from tests.unit.tasks.desk import Desk
from tests.unit.tasks.sources.place import Place

_ROWS = pl.DataFrame(
    {
        "q": ['a, "b"\nü', "", "日本 🦜"],
        "a": ["x", "y", "z"],
        "n": [1, None, -3],
        "f": [0.1, 1e300, None],
        "l": [["s", None], [], None],
    }
)


def _load_files(desk: Desk) -> Iterator[tuple[str, str]]:
    place = Place(desk.folder)
    first = place.file("raw/a.csv", "n,t,d\n1,007,2026-01-02\n,,\n")
    other = place.file("raw/b/c.csv", 'n,t,d\n1.5,"x\ny",\n')
    lines = place.file("lines.jsonl.gz", gzip.compress(b'{"n": 1, "s": {"x": 1}}\n{"n": null, "s": {"x": 0.5}}\n'))
    text = place.file("text.txt", "ü\n\nx".encode("latin-1"))
    folder: dict[str, Any] = {"filename_column": "file", "types": {"d": "Date"}}
    for name, paths, params in (
        ("files", [first, other], {}),
        ("a folder", [desk.folder / "raw"], {"glob": "**/*.csv", **folder}),
        ("some columns", [other, first], {"columns": ["t", "n"], "infer_types": False}),
        ("lines", [lines], {}),
        ("text", [text], {"encoding": "latin-1"}),
        ("documents", [text], {"encoding": "latin-1", "whole_files": True}),
    ):
        yield name, _digest(place, "load_files", {"files": paths}, params)


def _load_disk(desk: Desk) -> Iterator[tuple[str, str]]:
    import datasets

    features = datasets.Features({"t": datasets.Value("string"), "l": datasets.ClassLabel(names=["no", "yes"])})
    rows = datasets.Dataset.from_dict({"t": ["a", None, "ü"], "l": [1, -1, 0]}, features=features)
    datasets.DatasetDict({"train": rows, "test": rows.select([2])}).save_to_disk(desk.folder / "saved")
    place = Place(desk.folder)
    for name, params in (("names", {"split": "train"}), ("numbers", {"split": "test", "labels": "numbers"})):
        yield name, _digest(place, "load_disk", {"folder": [desk.folder / "saved"]}, params)


def _export(desk: Desk) -> Iterator[tuple[str, str]]:
    place = Place(desk.folder)
    _ROWS.write_parquet(desk.folder / "table.parquet")
    chat: dict[str, Any] = {"prompt": "q", "system_prompt": "Be kind."}
    for name, format_name, params in (
        ("csv", "csv", {"columns": ["q", "n", "f"]}),
        ("tsv", "tsv", {"columns": ["q", "n", "f"]}),
        ("json", "json", {}),
        ("lines", "jsonl", {}),
        ("messages", "jsonl", {"layout": "messages", "completion": "a", "keep": ["n"], **chat}),
        ("preferences", "jsonl", {"layout": "messages", "chosen": "a", "rejected": "q", **chat}),
        ("sharegpt", "jsonl", {"layout": "sharegpt", "chosen": "a", "rejected": "q", **chat}),
    ):
        target = f"made.{format_name}"
        place.run("export", {"table": [Path("table.parquet")]}, {"file": target}, format=format_name, **params)
        yield name, digest_file(desk.folder / target)
    # the bytes of these depend on the library that writes them, and their rows do not
    place.run("export", {"table": [Path("table.parquet")]}, {"file": "made.parquet"}, format="parquet")
    yield "parquet", digest_rows(desk.folder / "made.parquet")
    place.run("export", {"table": [Path("table.parquet")]}, {"folder": "folder"}, format="datasets")
    yield "datasets", _digest(place, "load_disk", {"folder": [desk.folder / "folder"]}, {})


SOURCES: dict[str, Callable[[Desk], Iterator[tuple[str, str]]]] = {
    "export": _export,
    "load_disk": _load_disk,
    "load_files": _load_files,
}
NEED_A_HUB = {
    "download_model": "it makes nothing without a Hub; tests/hub compares what it makes with what the Hub has",
    "load_hub": "it makes nothing without a Hub; tests/hub compares what it makes with what the Hub has",
}


def _digest(place: Place, rule: str, inputs: dict[str, list[Path]], params: dict[str, Any]) -> str:
    place.table(rule, inputs, **params)
    return digest_rows(place.folder / "made.parquet")
