"""An adapter of peft, as its files tell it.

Contract: an adapter is only ever put on the base that it was made for: one that names another base, or whose weights
do not fit, is refused, because peft itself would leave out in silence what does not fit.
"""

from __future__ import annotations

import os.path
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dreamsmk.errors import SettingsError
from dreamsmk.providers.classifier_model import HEAD_FILE
from dreamsmk.providers.identity import is_local_path
from dreamsmk.tasks.models.local_model import LocalModel

CONFIG = "adapter_config.json"
PREFIX = "base_model.model."
"""What stands before the name of each weight in an adapter's file."""

# the last layer of each kind of classification head that transformers has
_HEADS = ("score.weight", "classifier.weight", "classifier.out_proj.weight", "classification_head.out_proj.weight")

_HEAD_SETTINGS = ("id2label", "label2id", "problem_type", "pad_token_id")


# Any (in this file): peft and torch publish no types.
@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter.

    Attributes:
        source: Its folder or its id on the Hub.
        config: Its `PeftConfig`.
        weights: Its tensors by name.
        labels: What the configuration of the trained classifier said of its head, where it lies beside the adapter.
    """

    source: str
    config: Any
    weights: Mapping[str, Any]
    labels: Mapping[str, Any]

    @property
    def method(self) -> str:
        """What it is called, such as `lora`, `dora`, `rslora` or `ia3`."""
        if getattr(self.config, "use_dora", False):
            return "dora"
        if getattr(self.config, "use_rslora", False):
            return "rslora"
        return str(self.config.peft_type.value).lower()

    @property
    def prefix(self) -> str:
        """What is in the name of each of its own weights: `lora_`, …; others are whole layers beside them."""
        from peft.mapping import PEFT_TYPE_TO_PREFIX_MAPPING

        return str(PEFT_TYPE_TO_PREFIX_MAPPING[self.config.peft_type])

    @property
    def brought(self) -> frozenset[str]:
        """Names of the base's weights that it has in whole: those of `modules_to_save`."""
        return frozenset(name.removeprefix(PREFIX) for name in self.weights if self.prefix not in name)

    def check_base(self, base: LocalModel) -> None:
        """Raises `SettingsError` where it names another base than the one it is to be put on."""
        named, revision = self.config.base_model_name_or_path, self.config.revision
        differs = bool(named) and _normal(named) != _normal(base.spec.model)
        if not differs and revision and base.spec.revision and revision != base.spec.revision:
            named, differs = f"{named} at {revision}", True
        if differs:
            raise SettingsError(
                f"the adapter {self.source!r} was made for {named!r}, and not for {base.spec.model!r}",
                where=base.where,
                hint="give the model that it was made for; if both are the same, say `other_base=True`",
            )

    def label_count(self) -> int | None:
        """Returns how many labels the head has that it brings; None where it brings none."""
        heads = [self.weights[PREFIX + name] for name in _HEADS if PREFIX + name in self.weights]
        return int(heads[0].shape[0]) if heads else None

    def vocabulary(self, embeddings: str) -> int | None:
        """Returns how many tokens the input embeddings have that it brings; None where it brings none.

        Args:
            embeddings: Name of their layer in the base.
        """
        parts = ("weight", "base_layer.weight", "token_adapter.base_layer.weight")
        names = [f"{PREFIX}{embeddings}.{part}" for part in parts]
        found = [self.weights[name] for name in names if name in self.weights]
        return int(found[0].shape[0]) if found else None


def read_adapter(source: str, base: LocalModel) -> Adapter:
    """Returns the adapter of a folder or of the Hub.

    Raises:
        SettingsError: There is none, or it is of a kind that is no part of the weights.
    """
    import json

    from peft import PeftConfig, load_peft_weights

    if base.find_file(CONFIG, source) is None:
        raise SettingsError(
            f"{source!r} has no {CONFIG}: it is no adapter", where=base.where, hint="give the folder of an adapter"
        )
    with base.loading("adapter", source):
        config = PeftConfig.from_pretrained(source)
    if config.is_prompt_learning:
        raise SettingsError(
            f"an adapter of the kind {config.peft_type.value} is no part of the weights, and cannot be merged",
            where=source,
            hint="use it as `adapter:` of a model",
        )
    with base.loading("adapter", source):
        weights = load_peft_weights(source, device="cpu")
    beside = base.find_file(HEAD_FILE, source)
    told = json.loads(beside.read_text(encoding="utf-8")) if beside else {}
    labels = {name: told[name] for name in _HEAD_SETTINGS if told.get(name) is not None}
    return Adapter(source, config, weights, labels)


def _normal(name: str) -> str:
    """Returns the one spelling of a folder or of an id on the Hub."""
    return str(Path(name).expanduser().resolve()) if is_local_path(name) else os.path.normpath(name)
