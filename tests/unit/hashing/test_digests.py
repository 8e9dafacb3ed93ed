"""Digests of bytes and files depend on the bytes alone."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from dreamsmk.errors import IdentityError
from dreamsmk.hashing import digest_bytes, digest_file


@given(st.binary())
def test_a_digest_names_its_algorithm(content):
    assert digest_bytes(content) == "xxh3:" + xxhash.xxh3_128_hexdigest(content)
    assert digest_bytes(content, "sha256") == "sha256:" + hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("size", [0, 1, 4096, 256 * 1024 - 1, 256 * 1024, 256 * 1024 + 1, 3_000_000])
@pytest.mark.parametrize("algorithm", ["xxh3", "sha256"])
def test_a_file_has_the_digest_of_its_bytes(tmp_path, size, algorithm):
    content = bytes(range(256)) * (size // 256 + 1)
    path = tmp_path / "file"
    path.write_bytes(content[:size])
    assert digest_file(path, algorithm) == digest_bytes(content[:size], algorithm)


@pytest.mark.parametrize("name", ["two\nlines", "naïve ü", "a b'\"*?[x]", os.fsdecode(b"\xff\xfe")])
def test_any_name_may_be_given(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"x")
    assert digest_file(path) == digest_bytes(b"x")
    assert digest_file(str(path)) == digest_bytes(b"x")


def test_a_link_is_followed(tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to("file")
    assert digest_file(tmp_path / "link") == digest_bytes(b"x")


def test_a_missing_file_is_an_error_that_names_it(tmp_path):
    with pytest.raises(IdentityError) as caught:
        digest_file(tmp_path / "gone")
    assert caught.value.where == str(tmp_path / "gone")
    assert isinstance(caught.value.__cause__, FileNotFoundError)


def test_a_folder_has_no_file_digest(tmp_path):
    with pytest.raises(IdentityError):
        digest_file(tmp_path)


def test_a_named_pipe_is_an_error_and_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(IdentityError, match="regular"):
        digest_file(tmp_path / "pipe")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read every file")
def test_a_file_that_may_not_be_read_is_an_error(tmp_path):
    path = tmp_path / "secret"
    path.write_bytes(b"x")
    path.chmod(0)
    with pytest.raises(IdentityError, match="permission"):
        digest_file(path)


def test_an_algorithm_that_is_not_known_is_an_error():
    with pytest.raises(IdentityError, match="md5"):
        digest_bytes(b"", "md5")


def test_a_file_that_grows_meanwhile_never_gets_a_digest_of_half_of_it(tmp_path):
    path = tmp_path / "file"
    block = b"x" * 65536
    path.write_bytes(block * 64)
    stop = threading.Event()

    def grow():
        with path.open("ab", buffering=0) as file:
            while not stop.wait(0.001):
                file.write(block)

    writer = threading.Thread(target=grow)
    writer.start()
    seen = set()
    try:
        for _ in range(10):
            with contextlib.suppress(IdentityError):
                seen.add(digest_file(path))
    finally:
        stop.set()
        writer.join()
    valid = {digest_bytes(block * count) for count in range(64, path.stat().st_size // 65536 + 1)}
    assert seen <= valid
