"""A Hub that has what the examples of the rules load, small and under the same names."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars

from tests.hub.server import HubServer
from tests.tiny import make_tiny_model

# The rules whose examples need a Hub.
RULES = ("load_hub", "download_model")
_REVIEWS = """---
license: other
dataset_info:
  features:
  - {name: text, dtype: string}
  - name: label
    dtype: {class_label: {names: {'0': neg, '1': pos}}}
configs:
- config_name: plain_text
  data_files:
  - {split: train, path: plain_text/train-*}
  - {split: test, path: plain_text/test-*}
---
"""


@contextmanager
def hub_of_examples(folder: Path) -> Iterator[dict[str, str]]:
    """Yields the environment in which the Hub's clients ask it; `folder` takes their cache."""
    with HubServer() as hub:
        frame = polars.DataFrame({"text": ["Dull.", "I wept."], "label": [0, 1]})
        content = io.BytesIO()
        frame.write_parquet(content)
        files = {f"plain_text/{split}-00000-of-00001.parquet": content.getvalue() for split in ("train", "test")}
        hub.add("dataset", "stanfordnlp/imdb", {"README.md": _REVIEWS, **files})
        model = make_tiny_model(folder / "model")
        published = {path.name: path.read_bytes() for path in model.iterdir()}
        card = "---\nlicense: apache-2.0\n---\n"
        hub.add("model", "HuggingFaceTB/SmolLM2-135M-Instruct", {"README.md": card, **published})
        yield {"HF_ENDPOINT": hub.url, "HF_HOME": str(folder / "hf"), "HF_HUB_DISABLE_TELEMETRY": "1"}
