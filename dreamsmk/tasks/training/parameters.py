"""The parameters of `fine_tune`, typed.

Contract: the defaults are those of `rules/fine_tune/meta.yaml`; a test holds them together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from dreamsmk.errors import SettingsError
from dreamsmk.tasks.prompting.layout import INPUT_LABEL, INSTRUCTION_LABEL, SEPARATOR
from dreamsmk.tasks.training.base_model import Precision


@dataclass(frozen=True, slots=True, kw_only=True)
class Lora:
    """A low-rank adapter (Hu et al. 2021, https://arxiv.org/abs/2106.09685)."""

    r: int = 8
    alpha: int = 16
    dropout: float = 0.0
    target_modules: str | tuple[str, ...] = "all-linear"


@dataclass(frozen=True, slots=True, kw_only=True)
class FineTuneParameters:
    """The parameters; `rules/fine_tune/meta.yaml` says what each means."""

    model: str
    inputs: str
    outputs: str
    instruction: str | None = None
    input_label: str | None = INPUT_LABEL
    instruction_label: str | None = INSTRUCTION_LABEL
    separator: str = SEPARATOR
    system_prompt: str | None = None
    epochs: float = 3
    max_steps: int | None = None
    batch_size: int = 8
    gradient_accumulation_steps: int = 1
    learning_rate: float = 1e-4
    lr_scheduler: str = "linear"
    warmup_steps: int = 0
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    neftune_noise_alpha: float | None = None
    max_length: int = 1024
    truncate: bool = False
    seed: int = 42
    lora: Lora | None = Lora()
    precision: Precision = "fp32"
    gradient_checkpointing: bool = False
    save_steps: int | None = None

    # Any: JSON values of every type.
    @classmethod
    def from_json(cls, params: Mapping[str, Any]) -> FineTuneParameters:
        """Returns the parameters of a validated JSON object.

        Raises:
            SettingsError: If the batch cannot be split into the steps that gradients are accumulated over.
        """
        values = dict(params)
        if values.get("lora") is not None:
            lora = dict(values["lora"])
            if isinstance(lora.get("target_modules"), list):
                lora["target_modules"] = tuple(lora["target_modules"])
            values["lora"] = Lora(**lora)
        parameters = cls(**values)
        if parameters.batch_size % parameters.gradient_accumulation_steps:
            raise SettingsError(
                f"a batch of {parameters.batch_size} rows cannot be split into "
                f"{parameters.gradient_accumulation_steps} equal parts",
                where="gradient_accumulation_steps",
                hint="choose a divisor of batch_size",
            )
        return parameters

    @property
    def device_batch_size(self) -> int:
        """Rows that go through the model at once."""
        return self.batch_size // self.gradient_accumulation_steps

    # Any: JSON values of every type.
    def hyper_parameters(self) -> dict[str, Any]:
        """Returns what the record says of the training: all but what is asked and how often it is saved."""
        left_out = {"model", "inputs", "outputs", "save_steps"}
        return {name: value for name, value in asdict(self).items() if name not in left_out}
