from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dreamsmk.hashing import DigestMemo, digest_file
from dreamsmk.settings import ModelSpec
from dreamsmk.smk.identify import local_folders, model_identity


@pytest.fixture
def memo(tmp_path: Path) -> Iterator[DigestMemo]:
    with DigestMemo(tmp_path / "digests.db") as opened:
        yield opened


def told(path: Path, memo: DigestMemo, **values) -> str:
    return model_identity(ModelSpec(provider="llamacpp", model=str(path), **values), memo).model


def test_a_model_file_is_told_by_the_digest_of_its_bytes(tmp_path: Path, memo: DigestMemo) -> None:
    first = tmp_path / "first.gguf"
    first.write_bytes(b"GGUF one")
    before = told(first, memo)
    assert before == digest_file(first, "sha256")
    moved = first.rename(tmp_path / "moved.gguf")
    assert told(moved, memo) == before
    assert told(first, memo) == before, "a file that is gone keeps its last digest"
    moved.write_bytes(b"GGUF two")
    assert told(moved, memo) != before


def test_a_folder_of_model_files_is_told_by_all_of_them(tmp_path: Path, memo: DigestMemo) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "a.gguf").write_bytes(b"a")
    before = told(folder, memo, options={"file": "a.gguf"})
    assert before.startswith("tree-sha256:")
    (folder / "b.gguf").write_bytes(b"b")
    assert told(folder, memo, options={"file": "a.gguf"}) != before


def test_where_layers_lie_is_no_part_of_an_identity(tmp_path: Path, memo: DigestMemo) -> None:
    specs = [
        ModelSpec(provider="llamacpp", model=str(tmp_path / "m.gguf"), options={"n_ctx": 9, **options})
        for options in ({}, {"n_gpu_layers": 3, "n_threads": 2})
    ]
    assert model_identity(specs[0], memo) == model_identity(specs[1], memo)
    assert dict(model_identity(specs[1], memo).options) == {"n_ctx": 9}


@pytest.mark.parametrize("provider", ["classifier", "llamacpp", "sentence_transformers", "transformers", "vllm"])
def test_every_local_provider_may_name_a_folder(provider: str) -> None:
    assert local_folders(ModelSpec(provider=provider, model="results/model")) == {"model": Path("results/model")}


@pytest.mark.parametrize("provider", ["openai", "no-such-provider"])
def test_services_and_unknown_providers_name_none(provider: str) -> None:
    assert local_folders(ModelSpec(provider=provider, model="results/model")) == {}
