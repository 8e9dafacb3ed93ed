"""Digests do not change from one release to the next.

A digest that changes makes every user rebuild and pay again: to change one here, raise the version of its form and
write a line under "Cache compatibility" in the changelog.
"""

from __future__ import annotations

import datetime as dt
import decimal
import json
from pathlib import Path

import polars as pl
import pytest

from dreamsmk.hashing import canonical_bytes, digest_bytes, digest_file, digest_rows, digest_tree

GOLDEN = json.loads(Path(__file__).with_name("golden.json").read_text(encoding="utf-8"))

VALUE = {
    "v": 1,
    "model": {"provider": "echo", "model": "m"},
    "messages": [{"role": "user", "content": "Grüße \U0001f600\n\t\u2028\x7f"}],
    "sampling": {"temperature": 0.7, "top_p": 1.0, "seed": 2**53 - 1, "stop": []},
    "\ue000": None,
    "\U0001f600": [True, False, -0.0, 1e21, 1e-7],
}

TABLE = {
    "text": ["a", None, "", "ü\n"],
    "n": [1, None, -3, 4],
    "score": [0.5, None, float("nan"), -0.0],
    "flag": [True, None, False, True],
    "raw": [b"\x00\xff", None, b"", b"x"],
    "day": [dt.date(2024, 2, 29), None, dt.date(1969, 12, 31), dt.date(1, 1, 1)],
    "at": [dt.datetime(2024, 2, 29, 12, 30, 1, 5), None, dt.datetime(1970, 1, 1), dt.datetime(1969, 1, 1)],
    "price": [decimal.Decimal("1.50"), None, decimal.Decimal("-2.25"), decimal.Decimal("0.00")],
    "parts": [[{"role": "user", "text": "x"}], None, [], [None, {"role": None, "text": ""}]],
    "nothing": [None, None, None, None],
}


def made(name, tmp_path):
    if name.startswith("canonical"):
        return digest_bytes(canonical_bytes(VALUE), name.rpartition(" ")[2])
    if name.startswith("file"):
        (tmp_path / "file").write_bytes(bytes(range(256)) * 3000)
        return digest_file(tmp_path / "file", name.rpartition(" ")[2])
    if name.startswith("tree"):
        (tmp_path / "b").mkdir()
        (tmp_path / "b" / "é").write_bytes(b"x")
        (tmp_path / "a").write_bytes(b"")
        return digest_tree(tmp_path, name.rpartition(" ")[2])
    frame = pl.DataFrame(TABLE, schema_overrides={"price": pl.Decimal(10, 2)})
    frame = frame.head(0) if name.startswith("no rows") else frame
    frame.write_parquet(tmp_path / "t.parquet")
    return digest_rows(tmp_path / "t.parquet", name.rpartition(" ")[2])


@pytest.mark.parametrize("name", GOLDEN)
def test_a_digest_is_what_it_always_was(name, tmp_path):
    assert made(name, tmp_path) == GOLDEN[name]
