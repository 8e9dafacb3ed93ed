"""A local model as it lies in a folder or on the Hub, for tasks that make another model folder of it.

Contract: what is wrong with it is said with the alias under `models:`, and found as early as it can be: in the spec,
then in the configuration, then in the weights. Weights that the files lack are an error, never random numbers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dreamsmk.errors import MissingExtra, RequestRejected, SettingsError
from dreamsmk.providers.http_status import one_line
from dreamsmk.providers.identity import chat_template_text, is_local_path
from dreamsmk.settings import ModelSpec

_AUTO_CLASSES = {
    "CAUSAL_LM": "AutoModelForCausalLM",
    "SEQ_2_SEQ_LM": "AutoModelForSeq2SeqLM",
    "SEQ_CLS": "AutoModelForSequenceClassification",
    "TOKEN_CLS": "AutoModelForTokenClassification",
    "QUESTION_ANS": "AutoModelForQuestionAnswering",
    "FEATURE_EXTRACTION": "AutoModel",
}
"""The heads of models by what peft calls what they do."""


# Any (in this file): transformers and torch publish no types.
@dataclass(frozen=True, slots=True)
class LocalModel:
    """A local model by its alias and spec."""

    alias: str
    spec: ModelSpec

    @property
    def where(self) -> str:
        """The key path of the model."""
        return f"models.{self.alias}"

    @property
    def revision(self) -> str:
        """The commit, tag or branch."""
        return self.spec.revision or "main"

    def check_provider(self) -> None:
        """Raises `SettingsError` for a model of a service."""
        if self.spec.provider != "transformers":
            raise SettingsError(
                f"the weights of the model {self.alias!r} of provider {self.spec.provider!r} are not at hand",
                where=self.where,
                hint="choose a model with `provider: transformers`",
            )

    def find_file(self, name: str, source: str | None = None) -> Path | None:
        """Returns a file of the model, or of another folder or repository; None where it has no such file."""
        from transformers.utils import cached_file

        place = source or self.spec.model
        if is_local_path(place) and not Path(place).expanduser().is_dir():
            raise SettingsError(f"there is no folder {place!r}", where=self.where)
        revision = self.revision if source is None else None
        with self.loading(f"file {name}", source):
            found = cached_file(place, name, revision=revision, _raise_exceptions_for_missing_entries=False)
        return Path(found) if found else None

    def load_config(self) -> Any:
        """Returns the configuration of the plain model.

        Raises:
            SettingsError: There is none, or it is that of a quantized model, or of an adapter.
        """
        from transformers import AutoConfig

        if self.find_file("adapter_config.json"):
            # transformers would load the base model that it names
            raise SettingsError(
                f"{self.spec.model!r} is an adapter",
                where=self.where,
                hint="give its base model as `model:`, and this as `adapter:`",
            )
        with self.loading("configuration"):
            config = AutoConfig.from_pretrained(self.spec.model, revision=self.revision)
        if getattr(config, "quantization_config", None) is not None:
            raise SettingsError(
                f"{self.spec.model!r} is quantized already", where=self.where, hint="take the plain model instead"
            )
        return config

    def load_tokenizer(self, adapter: str | None = None) -> Any:
        """Returns the tokenizer, that of the adapter where it was trained with one of its own.

        A chat template of the spec goes over theirs.
        """
        from transformers import AutoTokenizer

        has_own = adapter is not None and self.find_file("tokenizer_config.json", adapter) is not None
        with self.loading("tokenizer", adapter if has_own else None):
            if has_own:
                tokenizer = AutoTokenizer.from_pretrained(adapter)
            else:
                tokenizer = AutoTokenizer.from_pretrained(self.spec.model, revision=self.revision)
        template = chat_template_text(self.spec.chat_template)
        if template is not None:
            tokenizer.chat_template = template
        return tokenizer

    def load_weights(
        self,
        config: Any,
        task_type: str | None = None,
        *,
        brought: Collection[str] = (),
        **arguments: Any,
    ) -> Any:
        """Returns the model on the CPU, in the numbers that it is stored in.

        Args:
            config: Its configuration.
            task_type: Which head it gets, in peft's words; that which it has if None.
            brought: Names of weights that the files may lack or have in another shape: something else brings them.
            arguments: What else `from_pretrained` is to be given.

        Raises:
            SettingsError: The files are missing, or lack weights.
        """
        kind = model_class(config, task_type)
        if task_type is not None and type(config) not in kind._model_mapping:
            raise SettingsError(
                f"{self.spec.model!r} is no model for an adapter of the kind {task_type!r}, but a {config.model_type}",
                where=self.where,
                hint="give the base that it was trained on",
            )
        with self.loading("weights"):
            model, loading = kind.from_pretrained(
                self.spec.model,
                revision=self.revision,
                config=config,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
                **{"dtype": "auto", **arguments},
            )
        missing = {*loading["missing_keys"], *(entry[0] for entry in loading["mismatched_keys"])} - set(brought)
        if missing:
            raise SettingsError(
                f"{self.spec.model!r} lacks {len(missing)} weights of a {type(model).__name__}, {min(missing)} first",
                where=self.where,
            )
        return model.eval()

    @contextmanager
    def loading(self, part: str, source: str | None = None) -> Iterator[None]:
        """Translates what goes wrong while a part of the model, or of the adapter `source`, is read."""
        from safetensors import SafetensorError

        try:
            yield
        except ImportError as exc:
            raise MissingExtra(exc.name or "transformers", "transformers") from exc
        except MemoryError as exc:
            raise RequestRejected(f"the model {self.spec.model!r} does not fit into memory") from exc
        # the kinds in which transformers, peft and safetensors say that files are missing or wrong
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as exc:
            name = source or self.spec.model
            raise SettingsError(
                f"the {part} of {name!r} cannot be loaded: {one_line(str(exc))}",
                where=self.where,
                hint="it is a folder or an id on the Hub",
            ) from exc


def model_class(config: Any, task_type: str | None = None) -> Any:
    """Returns the class of transformers to load a model with: by its head, else the one that its configuration names.

    Raises:
        SettingsError: transformers has no such class.
    """
    import transformers

    if task_type is not None and task_type not in _AUTO_CLASSES:
        raise SettingsError(f"there is no model for an adapter of the kind {task_type!r}")
    named = (config.architectures or ["AutoModel"])[0]
    found = getattr(transformers, _AUTO_CLASSES[task_type] if task_type else named, None)
    if found is None:
        raise SettingsError(f"transformers has no {named}", hint="models with code of their own are not loaded")
    return found
