"""Lets clients run that would load tables over the network when they start."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path


def stay_offline() -> None:
    """Gives LiteLLM its own price table, and tiktoken the token tables that lie in LiteLLM where it is installed."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    found = find_spec("litellm")
    if found is not None and found.origin is not None:
        tables = Path(found.origin).parent / "litellm_core_utils" / "tokenizers"
        os.environ["TIKTOKEN_CACHE_DIR"] = str(tables)
