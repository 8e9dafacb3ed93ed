from __future__ import annotations

import json
from pathlib import Path

import pytest

from dreamsmk.errors import SettingsError
from dreamsmk.hashing import DigestMemo, digest_file
from dreamsmk.providers.openai import OpenAIProvider
from dreamsmk.providers.tuned import tuned_path, with_tuned_name
from dreamsmk.settings import ModelSpec
from dreamsmk.smk.identify import local_folders, model_identity
from tests.wire import WireServer
from tests.wire.asking import KEY, ask, make_request


def spec_of(path: Path, **values: str) -> ModelSpec:
    return ModelSpec(provider="openai", model=str(path), **values)


def write(path: Path, name: object = "ft:gpt-test:me::1") -> Path:
    path.write_text(json.dumps({"model": name, "job": "ftjob-1"}))
    return path


def test_requests_go_to_the_model_that_the_file_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with WireServer() as server:
        spec = spec_of(write(tmp_path / "student.json"), base_url=server.openai_url)
        ask(OpenAIProvider(spec), make_request(spec))
        assert server.last.body["model"] == "ft:gpt-test:me::1"


def test_the_model_is_told_by_what_stands_in_the_file(tmp_path: Path) -> None:
    with DigestMemo(tmp_path / "digests.db") as memo:
        first = write(tmp_path / "first.json")
        before = model_identity(spec_of(first), memo).model
        assert before == digest_file(first, "sha256")
        moved = first.rename(tmp_path / "moved.json")
        assert model_identity(spec_of(moved), memo).model == before
        assert model_identity(spec_of(first), memo).model == before, "a file that is gone keeps its last digest"
        write(moved, "ft:gpt-test:me::2")
        assert model_identity(spec_of(moved), memo).model != before


def test_a_rule_that_asks_the_model_reads_its_file(tmp_path: Path) -> None:
    assert local_folders(spec_of(tmp_path / "not-yet.json")) == {"model": tmp_path / "not-yet.json"}


@pytest.mark.parametrize(
    "spec", [ModelSpec(provider="openai", model="gpt"), ModelSpec(provider="azure", model="a.json")]
)
def test_any_other_name_is_the_services_own(spec: ModelSpec) -> None:
    assert tuned_path(spec) is None
    assert with_tuned_name(spec) is spec


@pytest.mark.parametrize("text", [None, "{", "[]", '{"model": null}', '{"model": ""}'])
def test_a_file_that_names_no_model_is_an_error_that_names_the_file(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "student.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SettingsError, match=r"student\.json"):
        OpenAIProvider(spec_of(path))
