"""Models of a Hub become folders of plain files, at a commit that is known before anything is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.hub.conftest import StartWorker
from tests.hub.server import HubServer
from tests.hub.worker import Done, Worker
from tests.tiny import make_tiny_model

CARD = "---\nlicense: other\nlicense_name: tiny-1.0\nbase_model: org/base\n---\n# Tiny\n"
FILES = {
    "README.md": CARD,
    ".gitattributes": "*.bin filter=lfs",
    "config.json": "{}",
    "tokenizer.json": "{}",
    "model.safetensors": b"weights" * 5000,
    "pytorch_model.bin": b"pickled",
    "model.gguf": b"GGUF",
    "onnx/model.onnx": b"onnx",
    "modeling_tiny.py": "print('run')",
}
# What the client writes at once; the rest of a chunk is lost with the connection.
CHUNK_BYTES = 10 * 2**20
TAKEN = ["README.md", "config.json", "model.safetensors", "tokenizer.json"]


def download(worker: Worker, folder: Path, name: str, *, role: str = "model", **params: Any) -> Done:
    return worker.run("download_model", folder, {role: "made"}, name=name, **params)


def files_of(folder: Path) -> list[str]:
    return sorted(
        path.relative_to(folder / "made").as_posix() for path in (folder / "made").rglob("*") if path.is_file()
    )


def test_what_transformers_loads_is_downloaded_as_plain_files(hub: HubServer, worker: Worker, tmp_path: Path) -> None:
    commit = hub.add("model", "org/tiny", FILES)
    source = download(worker, tmp_path, "org/tiny").source
    assert files_of(tmp_path) == TAKEN
    for name in TAKEN:
        path, content = tmp_path / "made" / name, FILES[name]
        assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)
        assert not path.is_symlink()
    assert source == {
        "kind": "model",
        "name": "org/tiny",
        "revision": commit,
        "url": f"{hub.url}/org/tiny/tree/{commit}",
        "license": "tiny-1.0",
        "base_model": "org/base",
        "files": 4,
        "size_bytes": sum(len(FILES[name]) for name in TAKEN),
    }


def test_a_downloaded_model_loads_and_answers_as_the_one_that_was_published(
    hub: HubServer, worker: Worker, tmp_path: Path
) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tiny = make_tiny_model(tmp_path / "tiny")
    hub.add("model", "org/real", {path.name: path.read_bytes() for path in tiny.iterdir()})
    download(worker, tmp_path, "org/real")
    ids = AutoTokenizer.from_pretrained(tmp_path / "made")("the world", return_tensors="pt")["input_ids"]
    logits = [AutoModelForCausalLM.from_pretrained(folder)(ids).logits for folder in (tiny, tmp_path / "made")]
    assert torch.equal(*logits)


def test_pickled_weights_are_refused_unless_they_are_allowed(hub: HubServer, worker: Worker, tmp_path: Path) -> None:
    hub.add("model", "org/old", {"config.json": "{}", "pytorch_model.bin": b"pickled"})
    for params in ({}, {"allow": ["*.bin"]}, {"file": "pytorch_model.bin"}):
        done = download(worker, tmp_path, "org/old", **params)
        assert done.error == "RequestRejected"
        assert "has pickled weights, which may run code when they are loaded: pytorch_model.bin" in done.message
    assert hub.downloads("pytorch_model.bin") == []
    download(worker, tmp_path, "org/old", allow_pickle=True)
    assert files_of(tmp_path) == ["config.json", "pytorch_model.bin"]
    hub.add("model", "org/both", FILES)
    download(worker, tmp_path / "both", "org/both", allow_pickle=True)
    assert files_of(tmp_path / "both") == TAKEN, "where there are safetensors nothing else is needed"


def test_patterns_choose_files(hub: HubServer, worker: Worker, tmp_path: Path) -> None:
    hub.add("model", "org/chosen", FILES)
    for number, (params, taken) in enumerate(
        [
            ({"allow": ["tok*", "onnx/"]}, ["onnx/model.onnx", "tokenizer.json"]),
            (
                {"ignore": ["README.md", "*.safetensors"], "allow": ["*.md", "*.safetensors", "config*"]},
                ["config.json"],
            ),
        ]
    ):
        assert download(worker, tmp_path / str(number), "org/chosen", **params).source["files"] == len(taken)
        assert files_of(tmp_path / str(number)) == taken
    done = download(worker, tmp_path, "org/chosen", allow=["nothing*"])
    assert (done.error, "no file that is wanted" in done.message) == ("RequestRejected", True)


def test_one_file_is_a_file(hub: HubServer, worker: Worker, tmp_path: Path) -> None:
    hub.add("model", "org/gguf", FILES)
    assert download(worker, tmp_path, "org/gguf", role="file", file="model.gguf").source["files"] == 1
    assert (tmp_path / "made").read_bytes() == b"GGUF"
    download(worker, tmp_path / "folder", "org/gguf", file="model.gguf")
    assert files_of(tmp_path / "folder") == ["model.gguf"]
    for params, said in (
        ({"file": "model.guff"}, "has no file 'model.guff'\nat: params.file\nhint: did you mean 'model.gguf'"),
        ({"file": "model.gguf", "allow": ["*"]}, "one file needs no patterns"),
        ({}, "the output is a folder, or with file=… one file"),
    ):
        done = download(worker, tmp_path, "org/gguf", role="file", **params)
        assert said in done.message


def test_a_revision_is_a_commit_or_a_tag(hub: HubServer, worker: Worker, tmp_path: Path) -> None:
    first = hub.add("model", "org/moving", {"config.json": "1", "model.safetensors": b"1"}, tag="v1")
    hub.add("model", "org/moving", {"config.json": "2", "model.safetensors": b"2"})
    for revision in ("v1", first):
        assert download(worker, tmp_path, "org/moving", revision=revision).source["revision"] == first
        assert (tmp_path / "made/config.json").read_text() == "1"
    done = download(worker, tmp_path, "org/moving", revision="v2")
    assert (done.error, "no revision 'v2'" in done.message) == ("RequestRejected", True)


def test_a_gated_model_says_what_to_do(hub: HubServer, worker: Worker, tmp_path: Path) -> None:
    hub.add("model", "org/gated", FILES)
    hub.repositories["model", "org/gated"].access = "gated"
    done = download(worker, tmp_path, "org/gated")
    assert (done.error, done.message.splitlines()[-1]) == (
        "MissingCredentials",
        "hint: ask for access on its page, then set HF_TOKEN",
    )


def test_a_connection_that_drops_goes_on_where_it_was(hub: HubServer, worker: Worker, tmp_path: Path) -> None:
    weights = bytes(range(256)) * 4096 * 25
    hub.add("model", "org/dropped", FILES | {"model.safetensors": weights})
    hub.cut(".safetensors", after_bytes=11 * 2**20, times=2)
    download(worker, tmp_path, "org/dropped")
    assert (tmp_path / "made/model.safetensors").read_bytes() == weights
    assert hub.downloads(".safetensors") == [0, CHUNK_BYTES, 2 * CHUNK_BYTES]


@pytest.mark.slow
def test_a_download_that_failed_keeps_its_whole_files(hub: HubServer, worker: Worker, tmp_path: Path) -> None:
    hub.add("model", "org/failed", FILES)
    hub.cut(".safetensors", after_bytes=0, times=99)
    done = download(worker, tmp_path, "org/failed")
    assert done.error == "ServiceUnavailable"
    assert "what was downloaded is kept" in done.message
    hub.cuts.clear()
    hub.requests.clear()
    assert download(worker, tmp_path, "org/failed").source["files"] == 4
    assert hub.downloads("config.json") == []
    assert hub.downloads(".safetensors") == [0]


def test_offline_all_is_read_from_the_cache(hub: HubServer, start_worker: StartWorker, tmp_path: Path) -> None:
    hub.add("model", "org/cached", FILES)
    home = tmp_path / "hf"
    online = download(start_worker(home), tmp_path / "online", "org/cached").source
    hub.requests.clear()
    offline = start_worker(home, HF_HUB_OFFLINE="1")
    assert download(offline, tmp_path / "offline", "org/cached").source == online
    assert files_of(tmp_path / "offline") == TAKEN
    done = download(offline, tmp_path, "org/other")
    assert (done.error, "the cache has no model 'org/other'" in done.message) == ("ServiceUnavailable", True)
    assert hub.requests == []
