from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dreamsmk.errors import StoreError
from dreamsmk.store.files import beside, is_leftover, remove, replace, sync_content, write_bytes, write_json

ROOT = Path(__file__).parents[3]
NAMES = ["plain", "with space", "größe-論文-🦜", "two\nlines", os.fsdecode(b"not-utf8-\xff"), "x" * 255, "論" * 85]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_can_be_written_and_leaves_nothing_beside_it(tmp_path: Path, name: str) -> None:
    write_bytes(tmp_path / name, b"old")
    write_bytes(tmp_path / name, b"new", is_durable=False)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"new"]


@pytest.mark.parametrize("name", NAMES)
def test_a_leftover_is_known_by_the_path_it_was_for(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    assert is_leftover(beside(path).name, path)
    assert is_leftover(beside(path).name)
    assert not is_leftover(beside(tmp_path / "other").name, path)
    assert not is_leftover(name, path)


def test_a_leftover_of_a_longer_name_is_not_taken_for_ours(tmp_path: Path) -> None:
    assert not is_leftover(beside(tmp_path / "a.b").name, tmp_path / "a")


def test_a_path_that_is_not_utf8_can_be_written_as_json(tmp_path: Path) -> None:
    value = {"path": os.fsdecode(b"caf\xe9"), "b": ["é", 1]}
    write_json(tmp_path / "record.json", value)
    assert json.loads((tmp_path / "record.json").read_bytes()) == value


def test_a_failed_write_is_our_error_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError, match="cannot write"):
        write_bytes(tmp_path / "folder", b"")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_folder_in_the_way_is_replaced_and_comes_back_if_that_fails(tmp_path: Path) -> None:
    target, source = tmp_path / "target", tmp_path / "source"
    target.mkdir()
    (target / "old").write_text("old")
    with pytest.raises(FileNotFoundError):
        replace(source, target)
    assert (target / "old").read_text() == "old"
    source.write_text("new")
    replace(source, target)
    assert [path.name for path in tmp_path.iterdir()] == ["target"]
    assert target.read_text() == "new"


def test_a_link_in_the_way_is_replaced_and_what_it_leads_to_is_left(tmp_path: Path) -> None:
    for name in ("kept", "source"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    (tmp_path / "target").symlink_to("kept")
    replace(tmp_path / "source", tmp_path / "target")
    assert (tmp_path / "kept/file").read_text() == "kept"
    assert (tmp_path / "target/file").read_text() == "source"


def test_many_and_few_files_are_synced(tmp_path: Path) -> None:
    for count in (3, 100):
        folder = tmp_path / str(count)
        folder.mkdir()
        for index in range(count):
            (folder / str(index)).write_text("x")
        sync_content(folder)


def test_a_read_only_folder_is_removed_by_its_owner(tmp_path: Path) -> None:
    """As another user than root, whom no mode stops."""
    folder = tmp_path / "model"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "weights").write_text("w")
    (folder / "inner" / "weights").chmod(0o444)
    (folder / "inner").chmod(0o555)
    folder.chmod(0o555)
    if os.geteuid() != 0:
        remove(folder)
    else:
        nobody = 65534
        for path in (tmp_path, folder, folder / "inner", folder / "inner" / "weights"):
            os.chown(path, nobody, nobody)
        for above in tmp_path.parents[:3]:
            above.chmod(0o755)
        code = "import os, sys, pathlib, dreamsmk.store as s; os.setuid(65534); s.remove(pathlib.Path(sys.argv[1]))"
        subprocess.run([sys.executable, "-c", code, str(folder)], check=True, cwd=ROOT)
    assert not folder.exists()
