"""The model that a training begins with.

Contract: whatever can be wrong with it is found before its weights are read, and said with the alias under `models:`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from dreamsmk.errors import MissingExtra, SettingsError, TrainingError
from dreamsmk.settings import ModelSpec

Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True, slots=True)
class BaseModel:
    """A local model by its alias and spec."""

    alias: str
    spec: ModelSpec

    @property
    def where(self) -> str:
        """The key path of the model."""
        return f"models.{self.alias}"

    @property
    def is_chat(self) -> bool:
        """Whether the model is prompted through its chat template."""
        return bool(self.spec.options.get("chat", True))

    def check_spec(self) -> None:
        """Checks what can be checked without a file of the model.

        Raises:
            SettingsError: If it is no local model, or one that cannot be trained as it is.
        """
        if self.spec.provider != "transformers":
            raise SettingsError(
                f"the model {self.alias!r} of provider {self.spec.provider!r} cannot be trained here",
                where=self.where,
                hint="choose a model with `provider: transformers`",
            )
        for field in ("adapter", "quantization"):
            if getattr(self.spec, field) is not None:
                raise SettingsError(
                    f"a model with `{field}:` cannot be trained", where=self.where, hint="train the plain model instead"
                )

    # Any: transformers publishes no types.
    def load_config(self) -> Any:
        """Returns the configuration of the model.

        Raises:
            TrainingError: If there is none, or if it is not that of a causal language model.
        """
        from transformers import AutoConfig
        from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

        with self._loading("configuration"):
            config = AutoConfig.from_pretrained(self.spec.model, revision=self.spec.revision or "main")
        names = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.get(config.model_type, ())
        causal = {names} if isinstance(names, str) else set(names)
        architectures = config.architectures or sorted(causal)
        if not causal.intersection(architectures):
            raise TrainingError(
                f"{self.spec.model!r} is no causal language model but {', '.join(architectures) or config.model_type}",
                where=self.where,
            )
        return config

    # Any: transformers publishes no types.
    def load_tokenizer(self) -> Any:
        """Returns the tokenizer, with the chat template of the spec if it has one."""
        from transformers import AutoTokenizer

        with self._loading("tokenizer"):
            tokenizer = AutoTokenizer.from_pretrained(self.spec.model, revision=self.spec.revision or "main")
        if self.spec.chat_template is not None:
            tokenizer.chat_template = self.spec.chat_template
        return tokenizer

    # Any: transformers publishes no types.
    def load_weights(self, dtype: Precision) -> Any:
        """Returns the model, its weights in 32-bit floats or bfloat16 whatever they are stored in."""
        import torch
        from transformers import AutoModelForCausalLM

        with self._loading("weights"):
            return AutoModelForCausalLM.from_pretrained(
                self.spec.model,
                revision=self.spec.revision or "main",
                dtype=torch.bfloat16 if dtype == "bf16" else torch.float32,
            )

    @contextmanager
    def _loading(self, part: str) -> Iterator[None]:
        try:
            yield
        except ImportError as exc:
            raise MissingExtra(exc.name or "transformers", "train") from exc
        except (OSError, ValueError, KeyError) as exc:
            reason = str(exc).strip().split("\n")[0]
            raise TrainingError(
                f"the {part} of {self.spec.model!r} cannot be loaded: {reason}",
                where=self.where,
                hint="`model:` is a folder or an id on the Hub",
            ) from exc
