"""A stranger's bundle can neither run anything nor write where it likes."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from pathlib import Path

import pytest

from dreamsmk.bundles import add_bundle, open_bundle, write_bundle
from dreamsmk.bundles.manifest import DATA_FILES, MANIFEST
from dreamsmk.errors import DreamsmkError, StoreError
from dreamsmk.hashing import digest_file
from tests.unit.bundles.conftest import make_request, make_response


@pytest.fixture
def folder(there, tmp_path) -> Path:
    with there.cache() as cache:
        write_bundle(tmp_path / "bundle", there.home, cache)
    return tmp_path / "bundle"


def seal(folder: Path, **values) -> None:
    """Writes a manifest that fits the files as they are now."""
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"] = {name: digest_file(folder / name, "sha256") for name in DATA_FILES}
    (folder / MANIFEST).write_text(json.dumps(manifest | values))


def added(here, path: Path):
    with open_bundle(path) as bundle, here.cache() as cache:
        return add_bundle(bundle, here.home, cache)


def change_record(folder: Path, **values) -> None:
    path = folder / "records.jsonl"
    path.write_text(json.dumps(json.loads(path.read_text()) | values) + "\n")
    seal(folder)


def files_of(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*")}


@pytest.mark.parametrize("name", DATA_FILES)
def test_a_file_that_was_changed_is_found(folder, here, name):
    (folder / name).write_bytes((folder / name).read_bytes() + b" ")
    with pytest.raises(StoreError, match="not what the bundle's manifest says"):
        added(here, folder)


@pytest.mark.parametrize("fingerprint", ["../../../../tmp/x", "xxh3:../../x", "xxh3:" + "a" * 31, 3, None])
def test_a_fingerprint_that_would_be_a_path_is_refused(folder, here, fingerprint):
    change_record(folder, fingerprint=fingerprint)
    before = files_of(here.home.path.parent)
    with pytest.raises(StoreError, match="no record"):
        added(here, folder)
    assert files_of(here.home.path.parent) - before <= {Path(".dreamsmk/calls.db"), Path(".dreamsmk/calls.db-wal")}


@pytest.mark.parametrize("digest", ["../../../../x", "rows-xxh3:../../../x", None])
def test_a_digest_that_would_be_a_path_is_refused(folder, here, digest):
    change_record(folder, outputs={"table": {"path": "t", "digest": digest}})
    with pytest.raises(StoreError, match="no record"):
        added(here, folder)
    assert list(here.home.fingerprints("records")) == []


def test_a_zip_file_cannot_write_outside(folder, here, tmp_path):
    evil = tmp_path / "evil.zip"
    with zipfile.ZipFile(evil, "w") as archive:
        for name in (MANIFEST, *DATA_FILES):
            archive.write(folder / name, name)
        archive.writestr("../../../escaped.txt", "x")
        archive.writestr("/tmp/dreamsmk-escaped.txt", "x")
    assert added(here, evil).calls == 2
    assert not list(tmp_path.rglob("*escaped*"))
    assert not Path("/tmp/dreamsmk-escaped.txt").exists()


def test_a_link_to_a_file_of_this_machine_is_not_followed(folder, here, tmp_path):
    private = tmp_path / "private.jsonl"
    shutil.move(folder / "records.jsonl", private)
    os.symlink(private, folder / "records.jsonl")
    with pytest.raises(StoreError, match="has no file"):
        added(here, folder)


def test_a_call_under_a_wrong_key_is_refused(folder, here):
    import polars

    frame = polars.read_parquet(folder / "calls.parquet")
    frame = frame.with_columns(request=polars.col("request").str.replace("0.5", "0.6", literal=True))
    frame.write_parquet(folder / "calls.parquet")
    seal(folder)
    with pytest.raises(DreamsmkError, match="key"):
        added(here, folder)
    with here.cache() as cache:
        assert list(cache.rows()) == []


@pytest.mark.parametrize("response", ["", "[]", '{"text": 3}', "null", "[" * 100_000])
def test_a_reply_that_is_none_is_refused_before_anything_is_written(folder, here, response):
    import polars

    frame = polars.read_parquet(folder / "calls.parquet").with_columns(response=polars.lit(response))
    frame.write_parquet(folder / "calls.parquet")
    seal(folder)
    with pytest.raises(StoreError, match="reply of a call"):
        added(here, folder)
    with here.cache() as cache:
        assert list(cache.rows()) == []


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff\xfe", b'{"bundle_version": 1, "files": {"../x": "y"}}'])
def test_what_is_no_manifest_is_no_bundle(folder, here, content):
    (folder / MANIFEST).write_bytes(content)
    with pytest.raises(StoreError, match="no bundle"):
        added(here, folder)


def test_a_newer_bundle_says_so(folder, here):
    seal(folder, bundle_version=99)
    with pytest.raises(StoreError, match="version 99"):
        added(here, folder)


@pytest.mark.parametrize("make", [lambda path: path.write_text("no zip"), lambda path: path.mkdir(), lambda path: None])
def test_what_is_no_bundle_is_named(tmp_path, make):
    make(tmp_path / "thing")
    with pytest.raises(StoreError, match="bundle"), open_bundle(tmp_path / "thing"):
        pass


def test_a_wrong_key_behind_many_good_ones_leaves_nothing(there, here, tmp_path):
    import polars

    with there.cache() as cache:
        for number in range(2500):
            request = make_request(f"prompt {number}")
            cache.put(request.key(), request, make_response(), rule="ask")
        write_bundle(tmp_path / "bundle", there.home, cache)
    path = tmp_path / "bundle" / "calls.parquet"
    frame = polars.read_parquet(path).with_row_index("row")
    is_last = polars.col("row") == frame.height - 1
    wrong = polars.when(is_last).then(polars.lit("sha256:" + "0" * 64)).otherwise("key")
    frame.with_columns(key=wrong).drop("row").write_parquet(path)
    seal(tmp_path / "bundle")
    with pytest.raises(DreamsmkError, match="key"):
        added(here, tmp_path / "bundle")
    with here.cache() as cache:
        assert list(cache.rows()) == []
