"""The memo gives the digest of the content that is there, and reads each content once."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import polars as pl
import pytest

from dreamsmk.errors import IdentityError, TableError
from dreamsmk.hashing import DigestMemo, digest_bytes, digest_file, digest_rows, digest_tree

# Longer than a tick of the file system's clock, so that what was written before is settled.
TICK_SECONDS = 0.06


@pytest.fixture
def memo(tmp_path):
    with DigestMemo(tmp_path / ".dreamsmk" / "digests.db") as memo:
        yield memo


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file.txt"
    path.write_bytes(b"one")
    time.sleep(TICK_SECONDS)
    return path


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "table.parquet"
    pl.DataFrame({"a": [1, 2]}).write_parquet(path)
    time.sleep(TICK_SECONDS)
    return path


@pytest.fixture
def tree(tmp_path):
    path = tmp_path / "tree"
    for number in range(5):
        (path / str(number % 2)).mkdir(parents=True, exist_ok=True)
        (path / str(number % 2) / f"{number}.bin").write_bytes(b"x" * number)
    time.sleep(TICK_SECONDS)
    return path


def test_auto_is_tree_for_folders_rows_for_parquet_and_bytes_for_the_rest(memo, file, table, tree):
    assert memo.of(file) == digest_file(file)
    assert memo.of(table) == digest_rows(table)
    assert memo.of(tree) == digest_tree(tree)
    assert memo.of(table, "bytes") == digest_file(table)
    assert memo.of(tree, algorithm="sha256") == digest_tree(tree, "sha256")
    assert memo.of(str(file), "bytes", "sha256") == digest_file(file, "sha256")


@pytest.mark.parametrize("fixture", ["file", "table", "tree"])
def test_what_was_read_once_is_known_without_reading(memo, fixture, request):
    path = request.getfixturevalue(fixture)
    assert memo.known(path) is None
    digest = memo.of(path)
    assert memo.known(path) == memo.of(path) == memo.last(path) == digest
    assert memo.known(path, algorithm="sha256") is None


def test_a_known_file_is_not_opened(tmp_path, memo, file):
    digest = memo.of(file)
    script = (
        "import sys\n"
        "from dreamsmk.hashing import DigestMemo\n"
        "opened = []\n"
        "sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == 'open' else None)\n"
        "with DigestMemo(sys.argv[1]) as memo:\n"
        "    print(memo.of(sys.argv[2]))\n"
        "assert sys.argv[2] not in opened, opened\n"
        "heavy = {'polars', 'numpy', 'pyarrow', 'torch', 'rfc8785', 'asyncio'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    argv = [sys.executable, "-c", script, tmp_path / ".dreamsmk" / "digests.db", file]
    run = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[3])
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == digest


def test_a_written_file_is_read_again(memo, file):
    memo.of(file)
    file.write_bytes(b"two")
    assert memo.known(file) is None
    assert memo.of(file) == digest_bytes(b"two")


def test_new_content_with_the_old_time_and_size_is_seen(memo, file):
    memo.of(file)
    before = file.stat()
    file.write_bytes(b"two")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    assert memo.of(file) == digest_bytes(b"two")


def test_a_file_put_in_the_place_of_another_is_seen(memo, file, tmp_path):
    memo.of(file)
    other = tmp_path / "other"
    other.write_bytes(b"two")
    os.utime(other, ns=(0, file.stat().st_mtime_ns))
    other.rename(file)
    assert memo.of(file) == digest_bytes(b"two")


def test_a_file_written_again_in_the_same_tick_is_never_mistaken(memo, tmp_path):
    path = tmp_path / "racy"
    for number in range(300):
        content = b"%06d" % number
        path.write_bytes(content)
        assert memo.of(path) == digest_bytes(content)


def test_a_file_read_in_the_tick_that_it_was_written_in_is_read_once_more(memo, tmp_path):
    path = tmp_path / "racy"
    path.write_bytes(b"one")
    digest = memo.of(path)
    assert memo.known(path) is None
    assert memo.last(path) == digest
    time.sleep(TICK_SECONDS)
    assert memo.of(path) == digest
    assert memo.known(path) == digest


@pytest.mark.parametrize("seconds", [0, 10**9, 4 * 10**9])
def test_times_that_lie_in_the_past_or_the_future_do_no_harm(memo, file, seconds):
    os.utime(file, (seconds, seconds))
    time.sleep(TICK_SECONDS)
    assert memo.of(file) == digest_bytes(b"one")
    assert memo.known(file) == digest_bytes(b"one")
    file.write_bytes(b"two")
    os.utime(file, (seconds, seconds))
    assert memo.of(file) == digest_bytes(b"two")


@pytest.mark.parametrize("fixture", ["file", "table", "tree"])
def test_the_last_digest_outlives_the_file(memo, fixture, request):
    path = request.getfixturevalue(fixture)
    assert memo.last(path) is None
    digest = memo.of(path)
    subprocess.run(["rm", "-r", path], check=True)
    assert memo.last(path) == digest
    assert memo.known(path) is None
    with pytest.raises(IdentityError):
        memo.of(path)


def test_a_missing_path_and_a_wrong_kind_are_errors(memo, file, tree, tmp_path):
    for path, kind in [(tmp_path / "gone", "auto"), (file, "tree"), (tree, "bytes"), (tree, "rows")]:
        with pytest.raises(IdentityError) as caught:
            memo.of(path, kind)
        assert caught.value.where == str(path)
        assert memo.known(path, kind) is None
    with pytest.raises(TableError):
        memo.of(file, "rows")


@pytest.mark.parametrize("change", ["write", "add", "remove", "rename"])
def test_a_change_anywhere_in_a_folder_is_seen(memo, tree, change):
    before = memo.of(tree)
    target = tree / "1" / "3.bin"
    if change == "write":
        target.write_bytes(b"yyy")
    elif change == "add":
        (tree / "1" / "new").touch()
    elif change == "remove":
        target.unlink()
    else:
        target.rename(tree / "0" / "3.bin")
    assert memo.known(tree) is None
    assert memo.of(tree) == digest_tree(tree) != before


def test_of_a_changed_folder_only_the_changed_files_are_read(memo, tree):
    memo.of(tree)
    (tree / "1" / "3.bin").write_bytes(b"yyy")
    unchanged = tree / "0" / "4.bin"
    assert memo.known(unchanged) == digest_file(unchanged)
    opened = []
    watching = threading.local()
    watching.on = True
    sys.addaudithook(
        lambda event, args: (
            opened.append(Path(str(args[0])).name) if event == "open" and getattr(watching, "on", False) else None
        )
    )
    memo.of(tree)
    watching.on = False
    assert [name for name in opened if name.endswith(".bin")] == ["3.bin"]


@pytest.mark.parametrize("fixture", ["file", "table", "tree"])
def test_a_touch_that_is_carried_keeps_the_digest(memo, fixture, request):
    path = request.getfixturevalue(fixture)
    digest, other = memo.of(path), memo.of(path, algorithm="sha256")
    with memo.carried(path):
        os.utime(path)
        if path.is_dir():
            (path / ".snakemake_timestamp").touch()
            os.utime(path / "0" / "0.bin")
    assert memo.known(path) == digest
    assert memo.known(path, algorithm="sha256") == other


def test_a_touch_that_is_not_carried_reads_the_file_again(memo, file):
    digest = memo.of(file)
    os.utime(file)
    assert memo.known(file) is None
    assert memo.of(file) == digest


def test_nothing_is_carried_over_a_write_or_a_removal(memo, file, tmp_path):
    memo.of(file)
    with memo.carried(file):
        file.write_bytes(b"longer")
    assert memo.known(file) is None
    memo.of(file)
    with memo.carried(file):
        file.unlink()
    assert memo.last(file) == digest_bytes(b"longer")
    with memo.carried(tmp_path / "gone"):
        pass


def test_an_old_digest_is_not_carried_to_new_content(memo, file):
    memo.of(file)
    file.write_bytes(b"two")
    with memo.carried(file):
        os.utime(file)
    assert memo.known(file) is None


def test_digests_that_a_writer_notes_are_known_at_once(memo, tmp_path):
    path = tmp_path / "table.parquet"
    pl.DataFrame({"a": [1]}).write_parquet(path)
    noted = {"digest": digest_rows(path), "bytes": digest_file(path), "sha256": digest_file(path, "sha256")}
    memo.note(path, noted)
    assert memo.known(path) == noted["digest"]
    assert memo.known(path, "bytes") == noted["bytes"]
    assert memo.known(path, "bytes", "sha256") == noted["sha256"]


def test_a_folder_that_is_noted_is_known(memo, tree):
    memo.note(tree, {"tree": "tree-xxh3:" + "0" * 32})
    assert memo.known(tree) == "tree-xxh3:" + "0" * 32
    (tree / "new").touch()
    assert memo.of(tree) == digest_tree(tree)


@pytest.mark.parametrize("digest", ["xxh3:abc", "md5:" + "0" * 32, "tree-xxh3:" + "0" * 32, ""])
def test_what_is_no_digest_of_a_file_cannot_be_noted(memo, file, digest):
    with pytest.raises(IdentityError):
        memo.note(file, {"bytes": digest})


@pytest.mark.parametrize("name", ["two\nlines", "naïve ü", "a'b\"%_", os.fsdecode(b"\xff\xfe")])
def test_any_name_may_be_given(memo, tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"x")
    time.sleep(TICK_SECONDS)
    assert memo.of(path) == memo.known(path) == digest_bytes(b"x")
    folder = tmp_path / f"d{name}"
    folder.mkdir()
    path.rename(folder / name)
    assert memo.of(folder) == digest_tree(folder)


def test_relative_and_absolute_paths_are_one(memo, file, monkeypatch):
    memo.of(file)
    monkeypatch.chdir(file.parent)
    assert memo.known(file.name) == memo.known(f"./{file.name}") == digest_bytes(b"one")


def test_a_project_that_was_moved_keeps_its_memo(tmp_path):
    old = tmp_path / "old"
    (old / "tree").mkdir(parents=True)
    for name in ("file", "gone", "tree/inner"):
        (old / name).write_bytes(b"x")
    time.sleep(TICK_SECONDS)
    with DigestMemo(old / ".dreamsmk" / "digests.db") as memo:
        for name in ("file", "gone", "tree"):
            memo.of(old / name)
    (old / "gone").unlink()
    old.rename(tmp_path / "new")
    with DigestMemo(tmp_path / "new" / ".dreamsmk" / "digests.db") as memo:
        assert memo.last(tmp_path / "new" / "gone") == digest_bytes(b"x")
        assert memo.known(tmp_path / "new" / "tree") == digest_tree(tmp_path / "new" / "tree")


def test_twenty_thousand_files_are_known_in_well_under_a_second(memo, tmp_path):
    folder = tmp_path / "many"
    for part in range(20):
        (folder / str(part)).mkdir(parents=True)
        for number in range(1000):
            (folder / str(part) / str(number)).touch()
    time.sleep(TICK_SECONDS)
    digest = memo.of(folder)
    start = time.perf_counter()
    assert memo.known(folder) == digest
    assert time.perf_counter() - start < 1.0
