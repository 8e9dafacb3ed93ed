from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import polars
import pytest

from dreamsmk.errors import StoreError
from dreamsmk.hashing import digest_file
from dreamsmk.store import ActionStore
from tests.unit.store.shelf import LARGE, Shelf, fingerprint_of, large_content, tree_of

F = fingerprint_of("job")
MODEL = {"weights": b"w" * 100, "tokenizer/vocab": b"v", "größe 論\nx": b"u"}


def test_what_is_kept_is_found_and_put_back(shelf: Shelf, tmp_path: Path) -> None:
    shelf.keep(F, {"file": b"content", "model": MODEL})
    found = shelf.store.find(F)
    assert found is not None
    targets = {"file": tmp_path / "a b/論\n.txt", "model": tmp_path / "results/model"}
    shelf.store.put_back(found, targets)
    assert targets["file"].read_bytes() == b"content"
    assert tree_of(targets["model"]) == dict(sorted(MODEL.items()))
    assert shelf.store.in_place(found, targets)
    assert [p.name for p in targets["file"].parent.iterdir()] == ["論\n.txt"]


def test_a_table_is_known_by_its_rows_and_guarded_by_its_bytes(shelf: Shelf, tmp_path: Path) -> None:
    frame = polars.DataFrame({"a": [1, 2]})
    digests = []
    for name, compression in (("x", "zstd"), ("y", "uncompressed")):
        made = shelf.make(fingerprint_of(name), {"table": b""})
        frame.write_parquet(made["table"], compression=compression)
        digests.append(shelf.store.keep(fingerprint_of(name), made, {"table": "table"}).outputs["table"])
    assert digests[0].digest == digests[1].digest
    assert digests[0].content != digests[1].content
    action = shelf.store.find(fingerprint_of("x"))
    assert action is not None
    shelf.store.put_back(action, {"table": tmp_path / "t.parquet"})
    assert shelf.memo.known(tmp_path / "t.parquet") == digests[0].digest


def test_what_was_taken_is_not_found_before_it_is_entered(shelf: Shelf) -> None:
    action = shelf.store.take(F, shelf.make(F, {"file": b"x"}), {"file": "file"})
    assert shelf.store.find(F) is None
    shelf.store.enter(action)
    assert shelf.store.find(F) == action


def test_keeping_again_replaces_the_whole_entry(shelf: Shelf) -> None:
    shelf.keep(F, {"old": b"old", "model": MODEL})
    kept = shelf.keep(F, {"model": {"new": b"new"}})
    assert shelf.store.find(F) == kept
    assert tree_of(shelf.home.blob(F)) == {"model/new": b"new"}


@pytest.mark.parametrize("damage", ["bytes", "gone", "shorter", "file for folder", "added", "same size, old times"])
def test_a_damaged_output_is_dropped_and_never_handed_out(shelf: Shelf, tmp_path: Path, damage: str) -> None:
    action = shelf.keep(F, {"file": b"content", "model": MODEL})
    blob = shelf.home.blob(F)
    if damage == "bytes":
        (blob / "file").write_bytes(b"CONTENT")
    elif damage == "gone":
        shutil.rmtree(blob)
    elif damage == "shorter":
        os.truncate(blob / "model/weights", 5)
    elif damage == "file for folder":
        shutil.rmtree(blob / "model")
        (blob / "model").write_bytes(b"")
    elif damage == "added":
        (blob / "model/more").write_bytes(b"")
    else:
        before = (blob / "file").stat()
        time.sleep(0.06)  # longer than the tick of the file system's clock
        (blob / "file").write_bytes(b"CONTENT")
        os.utime(blob / "file", ns=(before.st_atime_ns, before.st_mtime_ns))
    targets = {"file": tmp_path / "file", "model": tmp_path / "model"}
    with pytest.raises(StoreError, match="gone or damaged"):
        shelf.store.put_back(action, targets)
    assert shelf.store.find(F) is None
    assert not shelf.home.action(F).exists()
    shelf.keep(F, {"file": b"content", "model": MODEL})
    assert shelf.store.find(F) == action


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b'{"version": 1}', b'{"version": 1, "outputs": {"a": 1}}']
)
def test_what_is_no_entry_is_a_miss(shelf: Shelf, content: bytes) -> None:
    shelf.keep(F, {"file": b"x"})
    shelf.home.action(F).write_bytes(content)
    assert shelf.store.find(F) is None


def test_an_entry_of_a_newer_version_is_an_error_and_stays(shelf: Shelf) -> None:
    shelf.keep(F, {"file": b"x"})
    shelf.home.action(F).write_text(json.dumps({"version": 2, "something": "else"}))
    with pytest.raises(StoreError, match="version 2"):
        shelf.store.find(F)
    assert shelf.home.action(F).exists()


def test_a_role_that_was_not_stored_is_an_error(shelf: Shelf, tmp_path: Path) -> None:
    action = shelf.keep(F, {"file": b"x"})
    with pytest.raises(StoreError, match="no 'log'"):
        shelf.store.put_back(action, {"log": tmp_path / "log"})
    assert not shelf.store.in_place(action, {"log": tmp_path / "log"})


def test_finding_marks_the_entry_as_used_whatever_the_clock_said_before(shelf: Shelf) -> None:
    shelf.keep(F, {"file": b"x"})
    for moment in (1_000_000_000, time.time() + 10**6):
        os.utime(shelf.home.action(F), (moment, moment))
        assert shelf.store.find(F) is not None
        assert abs(shelf.home.action(F).stat().st_mtime - time.time()) < 60


@pytest.mark.parametrize("keeps_times", [False, True])
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_linked_target_that_is_edited_in_place_never_poisons_the_store(
    shelf: Shelf, tmp_path: Path, kind: str, keeps_times: bool
) -> None:
    """The edit has the same size, and may set back the modification time."""
    content = large_content(1)
    shelf.keep(F, {"out": content if kind == "file" else {"weights": content, "small": b"s"}})
    target = tmp_path / "target"
    edited = target if kind == "file" else target / "weights"
    action = shelf.store.find(F)
    assert action is not None
    shelf.store.put_back(action, {"out": target})
    assert edited.stat().st_nlink == 2, "the file system cannot share extents, so the file is linked"
    assert shelf.store.find(F) == action
    before = edited.stat()
    with open(edited, "r+b") as file:
        file.write(b"EDITED")
    if keeps_times:
        time.sleep(0.06)
        os.utime(edited, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(StoreError, match="damaged"):
        shelf.store.put_back(action, {"out": tmp_path / "other"})
    assert not (tmp_path / "other").exists()
    assert shelf.store.find(F) is None
    assert edited.read_bytes().startswith(b"EDITED"), "the user's file stays as it is"


def test_two_targets_never_share_an_inode(shelf: Shelf, tmp_path: Path) -> None:
    action = shelf.keep(F, {"out": large_content(2)})
    targets = [tmp_path / str(i) for i in range(3)]
    for target in targets:
        shelf.store.put_back(action, {"out": target})
    assert len({target.stat().st_ino for target in targets}) == 3
    os.utime(targets[0])  # as Snakemake does
    assert shelf.store.find(F) == action
    assert len({digest_file(target) for target in targets}) == 1


def test_a_target_that_was_protected_passes_its_permissions_to_no_other(shelf: Shelf, tmp_path: Path) -> None:
    action = shelf.keep(F, {"out": large_content(2)})
    first, second = tmp_path / "first", tmp_path / "second"
    shelf.store.put_back(action, {"out": first})
    first.chmod(0o444)  # as Snakemake does with what is `protected()`
    first.unlink()
    shelf.store.put_back(action, {"out": second})
    assert second.stat().st_mode & 0o200
    assert shelf.store.find(F) == action


def test_a_small_target_never_shares_an_inode_with_the_store(shelf: Shelf, tmp_path: Path) -> None:
    action = shelf.keep(F, {"file": b"x"})
    shelf.store.put_back(action, {"file": tmp_path / "x"})
    (tmp_path / "x").write_bytes(b"y")
    assert shelf.store.find(F) == action


def test_an_output_made_of_links_stands_for_itself(shelf: Shelf, tmp_path: Path) -> None:
    """As a folder of the Hugging Face cache is: what they lead to may change or go."""
    outside = tmp_path / "outside"
    (outside / "sub").mkdir(parents=True)
    (outside / "weights").write_bytes(large_content(3))
    (outside / "sub/config").write_bytes(b"c")
    made = shelf.make(F, {"model": {"readme": b"r"}})
    (made["model"] / "weights").symlink_to(outside / "weights")
    (made["model"] / "sub").symlink_to(outside / "sub")
    (made["model"] / "inner").symlink_to("readme")
    made["whole"] = made["model"].with_name("whole")
    made["whole"].symlink_to(outside)
    action = shelf.store.keep(F, made, {"model": "folder", "whole": "folder"})
    shutil.rmtree(outside)
    assert shelf.store.find(F) == action
    shelf.store.put_back(action, {"model": tmp_path / "model", "whole": tmp_path / "whole"})
    assert set(tree_of(tmp_path / "model")) == {"readme", "weights", "sub/config", "inner"}
    assert set(tree_of(tmp_path / "whole")) == {"weights", "sub/config"}
    assert not any(path.is_symlink() for path in shelf.home.blob(F).rglob("*"))


def test_an_output_that_links_to_nothing_is_an_error(shelf: Shelf) -> None:
    made = shelf.make(F, {"model": {"readme": b"r"}})
    (made["model"] / "gone").symlink_to("nowhere")
    with pytest.raises(StoreError):
        shelf.store.keep(F, made, {"model": "folder"})
    assert shelf.store.find(F) is None


def test_read_only_outputs_are_kept_and_put_back_again_and_again(shelf: Shelf, tmp_path: Path) -> None:
    for _ in range(2):
        made = shelf.make(F, {"file": b"x", "large": large_content(4), "model": MODEL})
        for path in (*made.values(), *made["model"].rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        action = shelf.store.keep(F, made, {"file": "file", "large": "file", "model": "folder"})
        for _ in range(2):
            shelf.store.put_back(action, {role: tmp_path / "out" / role for role in made})
            assert shelf.store.find(F) == action
    assert (tmp_path / "out/large").stat().st_size >= LARGE


@pytest.mark.parametrize("where", ["home", "scratch", "blobs"])
def test_parts_may_lie_on_another_file_system(tmp_path: Path, other_file_system: Path, where: str) -> None:
    """No hard link reaches across, and no rename."""
    home = other_file_system / "home" if where == "home" else tmp_path / "home"
    if where != "home":
        home.mkdir()
        (other_file_system / where).mkdir()
        (home / where).symlink_to(other_file_system / where)
    shelf = Shelf.at(home)
    content = large_content(5)
    for _ in range(2):
        action = shelf.keep(F, {"file": content, "model": MODEL})
        targets = {"file": tmp_path / "out/file", "model": tmp_path / "out/model"}
        shelf.store.put_back(action, targets)
        assert shelf.store.find(F) == action
        assert targets["file"].read_bytes() == content
        assert tree_of(targets["model"]) == dict(sorted(MODEL.items()))
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["file", "model"]
    assert not any(shelf.home.scratch(F).glob("outputs/*"))
    shelf.memo.close()


def test_a_project_that_was_moved_keeps_its_store(shelf: Shelf, tmp_path: Path) -> None:
    action = shelf.keep(F, {"file": b"x"})
    shelf.memo.close()
    os.rename(tmp_path / "project", tmp_path / "moved")
    moved = Shelf.at(tmp_path / "moved/.dreamsmk")
    assert ActionStore(moved.home, moved.memo).find(F) == action
    moved.memo.close()
