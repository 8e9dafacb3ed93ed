"""Tokens are counted as the model itself counts them, without its weights."""

from __future__ import annotations

from pathlib import Path

import pytest

from dreamsmk.errors import RequestRejected
from dreamsmk.providers import open_provider
from dreamsmk.providers.base import LocalProvider
from dreamsmk.requests import Message, ModelIdentity, Request, Sampling
from dreamsmk.settings import ModelSpec
from tests.tiny import make_tiny_model, make_tiny_t5


@pytest.mark.parametrize("api", ["chat", "completions"])
def test_the_numbers_are_those_that_the_model_reports(tmp_path: Path, api: str) -> None:
    spec = ModelSpec(provider="transformers", model=str(make_tiny_model(tmp_path / "model", context=99)), api=api)
    provider = open_provider(spec)
    assert isinstance(provider, LocalProvider)
    measure = provider.measure(spec)
    assert measure is not None
    assert (measure.context_length, measure.is_reply_inside) == (99, True)
    messages = (Message("system", "Be brief."), Message("user", "Zähl bis drei: 日本"))
    request = Request(ModelIdentity("transformers", "m"), messages, Sampling(max_tokens=1))
    ((_, reply),) = provider.generate([request])
    provider.close()
    assert measure.prompt_tokens(messages) == reply.usage.input_tokens
    assert measure.text_tokens("") == 0


def test_the_reply_of_a_sequence_to_sequence_model_takes_no_room_of_the_prompt(tmp_path: Path) -> None:
    spec = ModelSpec(provider="transformers", model=str(make_tiny_t5(tmp_path / "t5")))
    provider = open_provider(spec)
    measure = provider.measure(spec)
    assert measure is not None
    assert not measure.is_reply_inside


def test_a_folder_without_a_model_is_an_error(tmp_path: Path) -> None:
    spec = ModelSpec(provider="transformers", model=str(tmp_path))
    with pytest.raises(RequestRejected, match="cannot be loaded"):
        open_provider(spec).measure(spec)


def test_of_others_nothing_is_told() -> None:
    spec = ModelSpec(provider="echo", model="echo")
    assert open_provider(spec).measure(spec) is None
