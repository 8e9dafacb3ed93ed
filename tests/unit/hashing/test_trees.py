"""The digest of a folder: names, sizes and contents, never times."""

from __future__ import annotations

import hashlib
import os
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamsmk.errors import IdentityError
from dreamsmk.hashing import digest_tree


def make(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


FILES = {"config.json": b"{}", "a/weights.bin": b"\0" * 1000, "a/b/c.txt": b"", "a.txt": b"x"}


def test_the_digest_follows_its_published_definition(tmp_path):
    make(tmp_path, FILES)
    lines = b"".join(
        b"%b\0%d\0sha256:%b\n" % (name.encode(), len(content), hashlib.sha256(content).hexdigest().encode())
        for name, content in sorted(FILES.items(), key=lambda item: item[0].encode())
    )
    assert digest_tree(tmp_path, "sha256") == "tree-sha256:" + hashlib.sha256(b"dreamsmk-tree-1\0" + lines).hexdigest()


def test_times_places_and_modes_do_not_count(tmp_path):
    one, two = make(tmp_path / "one", FILES), make(tmp_path / "two" / "deep", dict(reversed(FILES.items())))
    os.utime(two / "a.txt", (1, 1))
    (two / "config.json").chmod(0o600)
    assert digest_tree(one) == digest_tree(two)


def test_empty_folders_and_snakemakes_time_stamp_do_not_count(tmp_path):
    one, two = make(tmp_path / "one", FILES), make(tmp_path / "two", FILES)
    (two / "empty" / "emptier").mkdir(parents=True)
    (two / ".snakemake_timestamp").touch()
    assert digest_tree(one) == digest_tree(two)
    (two / "a" / ".snakemake_timestamp").touch()
    assert digest_tree(one) != digest_tree(two)


@pytest.mark.parametrize(
    "change",
    [
        {"a.txt": b"y"},
        {"a.txt": b""},
        {"new": b""},
        {"a/b/c.txt": b"x", "a.txt": b""},
    ],
)
def test_every_content_and_name_counts(tmp_path, change):
    one, two = make(tmp_path / "one", FILES), make(tmp_path / "two", {**FILES, **change})
    assert digest_tree(one) != digest_tree(two)


def test_a_renamed_file_counts(tmp_path):
    make(tmp_path, FILES)
    before = digest_tree(tmp_path)
    (tmp_path / "a.txt").rename(tmp_path / "b.txt")
    assert digest_tree(tmp_path) != before


NAMES = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="/\0"), min_size=1, max_size=20).filter(
    lambda name: name not in (".", "..", ".snakemake_timestamp") and name == unicodedata.normalize("NFC", name)
)


@settings(max_examples=50)
@given(st.dictionaries(NAMES, st.binary(max_size=20)), st.dictionaries(NAMES, st.binary(max_size=20)))
def test_two_folders_have_one_digest_exactly_when_their_files_are_the_same(tmp_path_factory, first, second):
    one, two = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("two")
    make(one, first)
    make(two, second)
    assert (digest_tree(one) == digest_tree(two)) == (first == second)


def test_the_unicode_form_of_a_name_does_not_count(tmp_path):
    one = make(tmp_path / "one", {"caf\u00e9": b"x"})
    two = make(tmp_path / "two", {"cafe\u0301": b"x"})
    assert digest_tree(one) == digest_tree(two)


def test_two_names_that_differ_in_their_unicode_form_alone_are_an_error(tmp_path):
    make(tmp_path, {"caf\u00e9": b"x", "cafe\u0301": b"y"})
    if len(list(tmp_path.iterdir())) == 1:
        pytest.skip("this file system has one form of each name")
    with pytest.raises(IdentityError, match="Unicode"):
        digest_tree(tmp_path)


def test_a_name_that_is_not_unicode_has_a_digest_of_its_own(tmp_path):
    one = make(tmp_path / "one", {os.fsdecode(b"\xff"): b"x"})
    two = make(tmp_path / "two", {os.fsdecode(b"\xfe"): b"x"})
    assert digest_tree(one) != digest_tree(two)


def test_links_to_files_and_folders_are_followed(tmp_path):
    real = make(tmp_path / "real", FILES)
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "a").symlink_to(real / "a")
    (linked / "config.json").symlink_to(real / "config.json")
    (linked / "a.txt").symlink_to(real / "a.txt")
    assert digest_tree(linked) == digest_tree(real)


@pytest.mark.timeout(20)
def test_a_link_that_leads_back_is_an_error(tmp_path):
    make(tmp_path, {"a/x": b"", "b/y": b""})
    (tmp_path / "a" / "b").symlink_to(tmp_path / "b")
    (tmp_path / "b" / "a").symlink_to(tmp_path / "a")
    with pytest.raises(IdentityError, match="leads back"):
        digest_tree(tmp_path)


def test_a_link_to_nowhere_is_an_error(tmp_path):
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(IdentityError, match="no such file") as caught:
        digest_tree(tmp_path)
    assert caught.value.where.endswith("link")


def test_a_named_pipe_is_an_error(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(IdentityError, match="regular"):
        digest_tree(tmp_path)


def test_a_file_and_a_missing_folder_are_errors(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "gone"):
        with pytest.raises(IdentityError):
            digest_tree(path)


def test_big_files_side_by_side_give_what_they_give_alone(tmp_path):
    block = b"\1" * (9 * 1024 * 1024)
    one = make(tmp_path / "one", {"a": block, "b": block + b"b", "c": b"small"})
    digests = {name: hashlib.sha256((one / name).read_bytes()).hexdigest().encode() for name in ("a", "b", "c")}
    lines = b"".join(b"%b\0%d\0sha256:%b\n" % (n.encode(), (one / n).stat().st_size, digests[n]) for n in "abc")
    assert digest_tree(one, "sha256") == "tree-sha256:" + hashlib.sha256(b"dreamsmk-tree-1\0" + lines).hexdigest()
