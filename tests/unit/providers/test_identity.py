from __future__ import annotations

from pathlib import Path

import pytest

from dreamsmk.errors import SettingsError
from dreamsmk.providers import is_local_path, resolve_identity
from dreamsmk.settings import ModelSpec


def digest(folder: Path) -> str:
    return f"tree-sha256:{folder.name}"


def test_model_and_adapter_folders_are_told_by_their_digest(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    spec = ModelSpec(provider="transformers", model=str(tmp_path / "base"), adapter=str(tmp_path / "adapter"))
    identity = resolve_identity(spec, digest)
    assert (identity.model, identity.adapter) == ("tree-sha256:base", "tree-sha256:adapter")


def test_a_folder_named_without_a_slash_at_its_start_is_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results" / "model").mkdir(parents=True)
    spec = ModelSpec(provider="transformers", model="results/model")
    assert resolve_identity(spec, digest).model == "tree-sha256:model"


def test_an_id_on_the_hub_stays_as_it_is() -> None:
    assert not is_local_path("org/name")
    assert resolve_identity(ModelSpec(provider="transformers", model="org/name"), digest).model == "org/name"


def test_a_model_id_of_a_service_is_never_a_folder() -> None:
    spec = ModelSpec(provider="openai", model="/models/llama", base_url="http://127.0.0.1:8000/v1")
    assert resolve_identity(spec, digest).model == "/models/llama"


@pytest.mark.parametrize(
    ("base_url", "told"),
    [
        (None, None),
        ("https://api.openai.com/v1", None),
        ("https://API.openai.com/v1/", None),
        ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1"),
        ("HTTP://LocalHost:8000/V1//", "http://localhost:8000/V1"),
    ],
)
def test_an_endpoint_has_one_spelling_and_the_default_one_none(base_url: str | None, told: str | None) -> None:
    assert resolve_identity(ModelSpec(provider="openai", model="m", base_url=base_url), digest).base_url == told


def test_a_chat_template_in_a_file_is_told_by_its_text(tmp_path: Path) -> None:
    template = tmp_path / "chat.jinja"
    template.write_text("{{ messages }}")
    spec = ModelSpec(provider="transformers", model="m", chat_template=str(template))
    assert resolve_identity(spec, digest).chat_template == "{{ messages }}"


def test_a_chat_template_that_is_neither_text_nor_file_is_an_error() -> None:
    with pytest.raises(SettingsError, match="neither Jinja nor a file"):
        resolve_identity(ModelSpec(provider="transformers", model="m", chat_template="chat.jinja"), digest)
