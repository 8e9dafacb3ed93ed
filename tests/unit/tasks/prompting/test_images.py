"""Images beside texts: files in a folder that is an input."""

from __future__ import annotations

import base64
import dataclasses
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dreamsmk.errors import ProviderError, SettingsError, TableError
from tests.unit.tasks.desk import Desk
from tests.wire import WireServer

PNG = b"\x89PNG\r\n\x1a\n" + b"pixels"
GIF = b"GIF89a" + b"pixels"


@pytest.fixture
def folder(desk: Desk) -> Path:
    """A folder with two images and a text."""
    folder = desk.folder / "images"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.png").write_bytes(PNG)
    (folder / "deep/b.gif").write_bytes(GIF)
    (folder / "c.txt").write_text("no image")
    return folder


def process(desk: Desk, folder: Path | None, shown: Any, **params: Any) -> pl.DataFrame:
    texts = [f"row {number}" for number in range(len(shown))]
    inputs = {"table": desk.table({"text": texts, "shown": shown})} | ({} if folder is None else {"images": folder})
    given = {"model": "teacher", "inputs": "text", "instruction": "Say what it shows.", "images": "shown", **params}
    return desk.run("process_with_prompt", inputs, **given)["table"]


def test_each_row_shows_its_own_images_and_none_where_its_cell_is_empty(
    desk: Desk, wire: WireServer, folder: Path
) -> None:
    table = process(desk, folder, [["a.png", "deep/b.gif"], [], None], keep=["prompts"])
    assert table["prompts"][0] == "Input: row 0\n\nInstruction: Say what it shows."
    bodies = {
        number: json.dumps(call.body)
        for call in wire.requests
        for number in (0, 1, 2)
        if f"row {number}" in str(call.body)
    }
    for content in (PNG, GIF):
        assert base64.b64encode(content).decode() in bodies[0]
    assert "base64" not in bodies[1] + bodies[2]


def test_a_cell_may_be_one_path(desk: Desk, wire: WireServer, folder: Path) -> None:
    process(desk, folder, ["a.png", "", None])
    assert sum("base64" in json.dumps(call.body) for call in wire.requests) == 1


def test_an_image_counts_by_its_content_and_not_by_its_place(desk: Desk, wire: WireServer, folder: Path) -> None:
    process(desk, folder, ["a.png"])
    (folder / "a.png").rename(folder / "renamed.png")
    process(desk, folder, ["renamed.png"])
    assert wire.count == 1
    (folder / "renamed.png").write_bytes(PNG + b" more")
    process(desk, folder, ["renamed.png"])
    assert wire.count == 2


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("b.png", "cannot be read: No such file or directory: {folder}/b.png"),
        ("c.txt", "no PNG, JPEG, GIF or WebP image: {folder}/c.txt"),
        ("../table.parquet", "is not inside the folder"),
        ("/etc/passwd", "is not inside the folder"),
    ],
)
def test_an_image_that_cannot_be_shown_is_named_with_its_row_before_a_call_is_made(
    desk: Desk, wire: WireServer, folder: Path, name: str, said: str
) -> None:
    with pytest.raises(TableError) as caught:
        process(desk, folder, [["a.png"], ["a.png", name]])
    assert said.format(folder=folder) in caught.value.what
    assert caught.value.where.endswith("table.parquet, column 'shown', row 1 (from 0)")
    assert len(str(caught.value).splitlines()) <= 3
    assert wire.count == 0


def test_the_column_and_the_folder_come_together(desk: Desk, folder: Path) -> None:
    with pytest.raises(SettingsError, match="a column of images, and no folder"):
        process(desk, None, ["a.png"])
    with pytest.raises(SettingsError, match="a folder of images, and no column"):
        process(desk, folder, ["a.png"], images=None)
    with pytest.raises(TableError, match="is of type Int64"):
        process(desk, folder, [1])


def test_a_model_that_takes_no_images_says_so(desk: Desk, wire: WireServer, folder: Path) -> None:
    desk.specs["teacher"] = dataclasses.replace(desk.specs["teacher"], api="completions")
    with pytest.raises(ProviderError, match="takes no images"):
        process(desk, folder, ["a.png"])
