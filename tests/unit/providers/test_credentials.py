from __future__ import annotations

import pytest

from dreamsmk.errors import MissingCredentials, SettingsError
from dreamsmk.providers import provider_class
from dreamsmk.providers.credentials import PLACEHOLDER_KEY, read_api_key
from dreamsmk.settings import ModelSpec


@pytest.mark.parametrize(("provider", "name"), [("openai", "OPENAI_API_KEY"), ("anthropic", "ANTHROPIC_API_KEY")])
def test_a_missing_key_is_found_before_any_call(no_keys: None, provider: str, name: str) -> None:
    with pytest.raises(MissingCredentials, match=name):
        provider_class(provider).check(ModelSpec(provider=provider, model="m"))


def test_a_server_of_ones_own_needs_no_key(no_keys: None) -> None:
    spec = ModelSpec(provider="openai", model="m", base_url="http://127.0.0.1:8000/v1")
    provider_class("openai").check(spec)
    assert read_api_key(spec, "OPENAI_API_KEY", is_optional=True) == PLACEHOLDER_KEY


def test_a_variable_that_the_spec_names_must_be_set_even_for_a_server_of_ones_own(no_keys: None) -> None:
    spec = ModelSpec(provider="openai", model="m", base_url="http://127.0.0.1:8000/v1", api_key_env="MY_SERVER_KEY")
    with pytest.raises(MissingCredentials, match="MY_SERVER_KEY"):
        provider_class("openai").check(spec)


@pytest.mark.parametrize("base_url", ["localhost:8000/v1", "ftp://host/v1", "http://"])
def test_an_endpoint_that_is_no_url_is_refused(keys: str, base_url: str) -> None:
    with pytest.raises(SettingsError, match="no http"):
        provider_class("openai").check(ModelSpec(provider="openai", model="m", base_url=base_url))


def test_a_password_in_the_endpoint_is_refused_and_not_shown(keys: str) -> None:
    with pytest.raises(SettingsError) as caught:
        provider_class("openai").check(ModelSpec(provider="openai", model="m", base_url="http://me:s3cret@host/v1"))
    assert "s3cret" not in str(caught.value)
