"""The parameters that trainers share, typed.

Contract: what each means, its bounds and its default stand in `rules/_params/training.yaml` and `adapter.yaml`, and
nowhere else; a trainer adds its own fields to those here. A test holds fields and schemas together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal, Self

from dreamsmk.errors import SettingsError

Precision = Literal["fp32", "bf16", "fp16"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lora:
    """A low-rank adapter (Hu et al. 2021, https://arxiv.org/abs/2106.09685)."""

    r: int
    alpha: int
    dropout: float
    target_modules: str | tuple[str, ...]
    modules_to_save: tuple[str, ...]
    dora: bool
    rslora: bool

    @property
    def name(self) -> str:
        """What the record calls it."""
        return "dora" if self.dora else "rslora" if self.rslora else "lora"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingParameters:
    """What every trainer of transformers and TRL takes.

    Attributes:
        EXECUTION: Those that decide no result.
        NOT_TOLD: Those that the record leaves out of the hyper-parameters: what is asked and how it is run.
    """

    EXECUTION: ClassVar[frozenset[str]] = frozenset({"save_steps", "save_total_limit", "processes", "sharding"})
    NOT_TOLD: ClassVar[frozenset[str]] = EXECUTION | {"model", "inputs", "outputs"}

    model: str
    epochs: float
    max_steps: int | None
    batch_size: int
    gradient_accumulation_steps: int
    learning_rate: float
    optimizer: str
    lr_scheduler: str
    warmup_steps: float
    weight_decay: float
    max_grad_norm: float
    seed: int
    keep: Literal["last", "best"]
    early_stopping_patience: int | None
    gradient_checkpointing: bool
    save_steps: int | None
    save_total_limit: int
    processes: int | None
    sharding: Literal["ddp", "fsdp"]
    lora: Lora | None
    precision: Precision
    quantization: str | None
    attention: str | None
    liger: bool

    # Any: JSON values of every type.
    @classmethod
    def from_json(cls, params: Mapping[str, Any]) -> Self:
        """Returns the parameters of a validated JSON object with its defaults filled in.

        Raises:
            SettingsError: If the batch cannot be split into the steps that gradients are accumulated over.
        """
        values = {name: _frozen(value) for name, value in params.items()}
        if values["lora"] is not None:
            values["lora"] = Lora(**{name: _frozen(value) for name, value in values["lora"].items()})
        parameters = cls(**values)
        if parameters.batch_size % parameters.gradient_accumulation_steps:
            raise SettingsError(
                f"a batch of {parameters.batch_size} rows cannot be split into "
                f"{parameters.gradient_accumulation_steps} equal parts",
                where="gradient_accumulation_steps",
                hint="choose a divisor of batch_size",
            )
        if parameters.lora is None and parameters.quantization is not None:
            raise SettingsError(
                "quantized weights cannot be trained", where="quantization", hint="train an adapter on them: lora: {}"
            )
        return parameters

    @property
    def weights(self) -> str:
        """What of the model is trained, as the record calls it: `full`, `lora`, `dora`, `rslora`."""
        return self.lora.name if self.lora else "full"

    @property
    def is_mixed(self) -> bool:
        """Whether the weights that are trained stay in 32 bits while 16 are computed in."""
        return self.precision != "fp32" and self.lora is None

    def is_shared_out(self, devices: int) -> bool:
        """Whether the weights are shared out among so many devices (FSDP2)."""
        return self.sharding == "fsdp" and devices > 1

    def device_batch_size(self, devices: int = 1) -> int:
        """Returns the rows that go through the model of each device at once.

        Raises:
            SettingsError: If the batch cannot be shared out evenly.
        """
        rows, rest = divmod(self.batch_size, self.gradient_accumulation_steps * devices)
        if rest:
            raise SettingsError(
                f"a batch of {self.batch_size} rows in {self.gradient_accumulation_steps} parts cannot be shared out "
                f"among {devices} devices",
                where="batch_size",
                hint=f"choose a multiple of {self.gradient_accumulation_steps * devices}",
            )
        return rows

    # Any: JSON values of every type.
    def hyper_parameters(self) -> dict[str, Any]:
        """Returns what the record says of the training: all but what is asked and how often it is saved."""
        return {name: value for name, value in asdict(self, dict_factory=_plain).items() if name not in self.NOT_TOLD}


# Any: JSON values of every type.
def _plain(items: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in items}


# Any: JSON values of every type.
def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
