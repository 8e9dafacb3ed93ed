"""The guide to models says what the providers really take."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from dreamsmk.providers import provider_class
from dreamsmk.settings import ModelSpec

GUIDE = (Path(__file__).parents[2] / "docs/guides/models.md").read_text(encoding="utf-8")
SERVICES, _, LOCAL = GUIDE.partition("## Local models")
BLOCKS = re.findall(r"```yaml\n(.*?)```", SERVICES, re.DOTALL)
MODELS = [entry for block in BLOCKS for entry in yaml.safe_load(block)["models"].values()]
KEYS = (
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "AZURE_OPENAI_API_KEY",
    "TOGETHER_API_KEY",
    "MISTRAL_API_KEY",
    "HF_TOKEN",
)


@pytest.mark.parametrize("entry", MODELS, ids=lambda entry: f"{entry['provider']}-{entry['model']}")
def test_every_model_of_the_guide_passes_its_check(entry: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in KEYS:
        monkeypatch.setenv(name, "sk-test-0123456789")
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in entry.items()}
    spec = ModelSpec(**values)
    provider_class(spec.provider).check(spec)


@pytest.mark.parametrize("name", ["anthropic", "azure", "litellm", "openai"])
def test_the_table_says_what_a_service_takes(name: str) -> None:
    found = provider_class(name).capabilities
    sampling = [*sorted(found.sampling - {"extra"}), "extra"]
    has = [found.has_tools, found.has_schema, found.has_images, found.has_batch]
    cells = [f"`{name}`", ", ".join(sampling), ", ".join(sorted(found.wanted)), *("yes" if it else "no" for it in has)]
    assert f"| {' | '.join(cells)} |" in SERVICES
