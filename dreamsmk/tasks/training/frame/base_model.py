"""The model that a training begins with.

Contract: whatever can be wrong with it is found before its weights are read, and said with the alias under `models:`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from dreamsmk.errors import MissingExtra, SettingsError, TrainingError
from dreamsmk.providers.identity import chat_template_text
from dreamsmk.providers.local.answering import is_chat
from dreamsmk.providers.local.quantization import CUDA_ONLY, check_quantization, quantization_config
from dreamsmk.settings import ModelSpec
from dreamsmk.tasks.training.frame.adapters import TaskType, lora_config
from dreamsmk.tasks.training.frame.devices import device_name, has_gpu
from dreamsmk.tasks.training.frame.parameters import Lora, Precision, TrainingParameters

Kind = Literal["causal", "seq2seq", "classifier"]

_WORDS = {
    "causal": "causal language model",
    "seq2seq": "sequence-to-sequence model",
    "classifier": "model that sequences can be classified with",
}
_TASK_TYPES: dict[Kind, TaskType] = {"causal": "CAUSAL_LM", "seq2seq": "SEQ_2_SEQ_LM", "classifier": "SEQ_CLS"}


@dataclass(frozen=True, slots=True)
class BaseModel:
    """A local model by its alias and spec.

    Attributes:
        alias: Its name under `models:`.
        spec: Its entry there.
        quantization: The scheme that its weights are quantized with, from the rule or from the spec.
    """

    alias: str
    spec: ModelSpec
    quantization: str | None = None

    @property
    def where(self) -> str:
        """The key path of the model."""
        return f"models.{self.alias}"

    @property
    def is_chat(self) -> bool:
        """Whether the model is prompted through its chat template."""
        return is_chat(self.spec)

    # Any: JSON.
    @property
    def template_values(self) -> Mapping[str, Any]:
        """Further values for the chat template: `options: {chat_template_kwargs: …}`."""
        values: Mapping[str, Any] = self.spec.options.get("chat_template_kwargs", {})
        return values

    def check_spec(self, lora: Lora | None, provider: str = "transformers") -> None:
        """Checks what can be checked without a file of the model.

        Args:
            lora: The adapter that is asked for.
            provider: The one whose models are trained.

        Raises:
            SettingsError: If it is no local model, or one that cannot be trained as it is.
            MissingExtra: If a package that its quantization needs is not installed.
        """
        if self.spec.provider != provider:
            raise SettingsError(
                f"the model {self.alias!r} of provider {self.spec.provider!r} cannot be trained here",
                where=self.where,
                hint=f"choose a model with `provider: {provider}`",
            )
        if self.spec.adapter is not None and lora is None:
            raise SettingsError(
                f"the model {self.alias!r} has an adapter, and `lora: null` trains all weights",
                where=self.where,
                hint="leave lora out to go on with the adapter, or put it into the weights first with merge_adapter",
            )
        if self.quantization is None:
            return
        if lora is None:
            raise SettingsError(
                "quantized weights cannot be trained", where=self.where, hint="train an adapter on them: lora: {}"
            )
        if self.quantization in CUDA_ONLY and not has_gpu():
            # says so, before a package is missed that would not help
            quantization_config(self.quantization, device_name())
        check_quantization(self._quantized_spec())

    # Any: transformers publishes no types.
    def load_config(self, *kinds: Kind) -> Any:
        """Returns the configuration of the model.

        Args:
            kinds: What it has to be, one of them.

        Raises:
            TrainingError: If there is no configuration, or if it is that of a model of another kind.
        """
        from transformers import AutoConfig

        with self._loading("configuration"):
            config = AutoConfig.from_pretrained(self.spec.model, revision=self.spec.revision or "main")
        if not any(_is_kind(config, kind) for kind in kinds):
            found = ", ".join(config.architectures or []) or config.model_type
            wanted = " or ".join(_WORDS[kind] for kind in kinds)
            raise TrainingError(f"{self.spec.model!r} is no {wanted} but {found}", where=self.where)
        return config

    # Any: transformers publishes no types.
    def load_tokenizer(self) -> Any:
        """Returns the tokenizer, with the chat template of the spec if it has one.

        It is the one that the model is asked through: where an adapter was trained with its own, that one.
        """
        from transformers import AutoTokenizer

        folder = self.spec.adapter if has_tokenizer(self.spec.adapter) else None
        revision = "main" if folder else self.spec.revision or "main"
        with self._loading("tokenizer"):
            tokenizer = AutoTokenizer.from_pretrained(folder or self.spec.model, revision=revision)
        if self.spec.chat_template is not None:
            tokenizer.chat_template = chat_template_text(self.spec.chat_template)
        return tokenizer

    # Any: transformers publishes no types, and takes arguments of every type.
    def load_weights(
        self, params: TrainingParameters, kind: Kind = "causal", *, is_frozen: bool = False, **arguments: Any
    ) -> Any:
        """Returns the model, with the adapter that its spec names, which then goes on being trained.

        Args:
            params: They say in which numbers the weights are kept, and how attention is computed. Weights that are
                trained themselves are in 32 bits whatever the precision: small updates would vanish in 16.
            kind: With which head.
            is_frozen: Whether nothing of it is trained, its adapter neither: it is a teacher or a judge.
            arguments: What else `from_pretrained` is to be given, such as `num_labels`.
        """
        import transformers

        names = {
            "causal": "AutoModelForCausalLM",
            "seq2seq": "AutoModelForSeq2SeqLM",
            "classifier": "AutoModelForSequenceClassification",
        }
        if params.attention is not None:
            arguments["attn_implementation"] = params.attention
        if self.quantization is not None:
            arguments["quantization_config"] = quantization_config(self.quantization, device_name())
            arguments["device_map"] = {"": device_name()}
        with self._loading("weights"):
            model = getattr(transformers, names[kind]).from_pretrained(
                self.spec.model,
                revision=self.spec.revision or "main",
                dtype=_dtype("fp32" if params.is_mixed and not is_frozen else params.precision),
                **arguments,
            )
        return model if self.spec.adapter is None else self._with_adapter(model, is_trainable=not is_frozen)

    # Any: peft publishes no types.
    def new_adapter(
        self, params: TrainingParameters, kind: Kind = "causal", *, modules_to_save: list[str] | None = None
    ) -> Any:
        """Returns the configuration of the adapter that a trainer has to add; none where there is one already."""
        if self.spec.adapter is not None:
            return None
        config = lora_config(params.lora, _TASK_TYPES[kind], modules_to_save=modules_to_save)
        if params.lora is not None and params.lora.modules_to_save:
            # else what is learnt of the embeddings is not what the model answers with
            text_config = self.load_config(kind).get_text_config()
            config.ensure_weight_tying = bool(getattr(text_config, "tie_word_embeddings", False))
        return config

    def _quantized_spec(self) -> ModelSpec:
        from dataclasses import replace

        return replace(self.spec, quantization=self.quantization)

    # Any: transformers and peft publish no types.
    def _with_adapter(self, model: Any, *, is_trainable: bool) -> Any:
        from peft import PeftModel

        with self._loading("adapter"):
            return PeftModel.from_pretrained(model, self.spec.adapter, is_trainable=is_trainable)

    @contextmanager
    def _loading(self, part: str) -> Iterator[None]:
        try:
            yield
        except ImportError as exc:
            if exc.name is not None:
                raise MissingExtra(exc.name, "train") from exc
            # what transformers says of a package that an attention or a quantization needs
            reason = str(exc).strip().split("\n")[0]
            raise TrainingError(
                f"the {part} of {self.spec.model!r} cannot be loaded: {reason}",
                where=self.where,
                hint="install what it names, or choose another `attention` or `quantization`",
            ) from exc
        except (OSError, ValueError, KeyError) as exc:
            reason = str(exc).strip().split("\n")[0]
            name = self.spec.adapter if part == "adapter" else self.spec.model
            raise TrainingError(
                f"the {part} of {name!r} cannot be loaded: {reason}",
                where=self.where,
                hint="`model:` is a folder or an id on the Hub",
            ) from exc


def has_tokenizer(adapter: str | None) -> bool:
    """Says whether the folder of an adapter has a tokenizer of its own."""
    return adapter is not None and (Path(adapter) / "tokenizer_config.json").is_file()


# Any: transformers publishes no types.
def _is_kind(config: Any, kind: Kind) -> bool:
    from transformers.models.auto import modeling_auto

    mappings = {
        "causal": modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        "seq2seq": modeling_auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
        "classifier": modeling_auto.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
    }
    names = mappings[kind].get(config.model_type, ())
    known = {names} if isinstance(names, str) else set(names)
    # a head for classification is put on whatever model there is
    if kind == "classifier":
        return bool(known)
    return bool(known.intersection(config.architectures or known))


# Any: a torch.dtype.
def _dtype(precision: Precision) -> Any:
    import torch

    return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]


def base_model(alias: str, spec: ModelSpec, params: TrainingParameters, provider: str = "transformers") -> BaseModel:
    """Returns the model that a rule trains, checked as far as it can be without a file of it."""
    base = BaseModel(alias, spec, params.quantization or spec.quantization)
    base.check_spec(params.lora, provider)
    return base
