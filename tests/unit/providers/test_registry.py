from __future__ import annotations

import subprocess
import sys

import pytest

from dreamsmk.errors import SettingsError
from dreamsmk.providers import PROVIDERS, open_provider, provider_class
from dreamsmk.settings import ModelSpec


def test_an_unknown_provider_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(SettingsError, match="did you mean 'openai'"):
        provider_class("opnai")


def test_every_registered_provider_has_its_class() -> None:
    for name in PROVIDERS:
        assert open_provider(ModelSpec(provider=name, model="m")).spec.model == "m"


def test_opening_a_provider_loads_no_heavy_library() -> None:
    heavy = ["torch", "transformers", "peft", "openai", "anthropic", "httpx2", "polars", "huggingface_hub", "jinja2"]
    code = (
        "import sys; from dreamsmk.providers import PROVIDERS, open_provider; from dreamsmk.settings import ModelSpec\n"
        "for name in PROVIDERS: open_provider(ModelSpec(provider=name, model='m'))\n"
        f"print([m for m in {heavy!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
