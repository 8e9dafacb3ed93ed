from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from dreamsmk.cli.quantities import duration_seconds, shown_size, size_bytes
from dreamsmk.cli.run import main
from tests.unit.store.shelf import Shelf, fingerprint_of


@pytest.fixture
def home(tmp_path: Path) -> Path:
    shelf = Shelf.at(tmp_path / ".dreamsmk")
    shelf.job("prompt", b"x" * 3000, tmp_path / "kept")
    shelf.job("train", b"y" * 5000)
    shelf.memo.close()
    return shelf.home.path


def said(capsys: pytest.CaptureFixture[str], *arguments: object, status: int = 0) -> str:
    assert main(["store", *map(str, arguments)]) == status
    return capsys.readouterr().out


def test_stats_name_tasks_and_parts(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "stats", "--home", home)
    assert "train" in text
    assert "2 entries, 7.8 KiB" in text
    stats = json.loads(said(capsys, "stats", "--home", home, "--json"))
    assert (stats["entries"], stats["size_bytes"]) == (2, 8000)


def test_gc_says_what_would_go_and_then_lets_it_go(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    would = said(capsys, "gc", "--home", home, "--unreachable", "--dry-run")
    assert "would free 4.9 KiB" in would
    assert "1 entries left" in would
    did = json.loads(said(capsys, "gc", "--home", home, "--unreachable", "--json"))
    assert did["freed_bytes"] == 5000
    assert [each["task"] for each in did["collected"] if each["kind"] == "entry"] == ["train"]
    assert "freed 0 B" in said(capsys, "gc", "--home", home, "--unreachable", "--older-than", "30d", "--max-size", "1G")


def test_verify_fails_once_where_something_is_damaged(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "all whole" in said(capsys, "verify", "--home", home)
    (Shelf.at(home).home.blob(fingerprint_of("train")) / "file").write_bytes(b"")
    assert "1 damaged" in said(capsys, "verify", "--home", home, "--dry-run", status=1)
    assert json.loads(said(capsys, "verify", "--home", home, "--json", status=1))["damages"][0]["role"] == "file"
    assert "all whole" in said(capsys, "verify", "--home", home)


def test_a_wrong_size_or_age_is_a_wrong_request(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for wrong in (["--older-than", "30"], ["--max-size", "lots"]):
        with pytest.raises(SystemExit) as ended:
            main(["store", "gc", "--home", str(home), *wrong])
        assert ended.value.code == 2
    assert "write 20G" in capsys.readouterr().err


def test_sizes_and_durations_are_read_as_they_are_meant() -> None:
    assert [size_bytes(text) for text in ("20G", "1.5 MiB", "7", "3kb")] == [20 * 2**30, 3 * 2**19, 7, 3 * 2**10]
    assert [duration_seconds(text) for text in ("30d", "12h", "2w", "1.5m", "9s")] == [2592000, 43200, 1209600, 90, 9]
    for wrong in ("", "-1d", "30", "1y", "d"):
        with pytest.raises(argparse.ArgumentTypeError):
            duration_seconds(wrong)
    assert [shown_size(count) for count in (0, 1023, 1024, 5 * 2**40)] == ["0 B", "1023 B", "1.0 KiB", "5.0 TiB"]
