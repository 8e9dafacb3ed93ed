from __future__ import annotations

import dataclasses

import pytest

from dreamsmk.errors import MissingExtra, SettingsError
from dreamsmk.providers import PROVIDERS, provider_class
from dreamsmk.providers.base import check_options, check_packages
from dreamsmk.requests import Sampling
from dreamsmk.settings import ModelSpec, spec_fields


def test_a_missing_package_names_the_extra_that_brings_it() -> None:
    with pytest.raises(MissingExtra, match=r"pip install 'dreamsmk\[anthropic\]'"):
        check_packages(["json", "no_such_package"], "anthropic")


def test_an_unknown_option_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(SettingsError, match="did you mean 'chat'"):
        check_options(ModelSpec(provider="echo", model="m", options={"chta": 1}), ["chat", "other"])


@pytest.mark.parametrize("name", sorted(PROVIDERS))
def test_capabilities_speak_of_fields_that_a_spec_has(name: str) -> None:
    capabilities = provider_class(name).capabilities
    assert capabilities.fields <= {field.name for field in spec_fields("identity")}
    assert capabilities.sampling <= {field.name for field in dataclasses.fields(Sampling)}
