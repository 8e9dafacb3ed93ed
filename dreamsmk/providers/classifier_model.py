"""Loads a sequence classifier and runs it on batches.

Contract: what is loaded scores as the model spec says, or not at all: a head that the files lack is an error here, not
random numbers. How many tokens are read comes from the tokenizer and from the model's own positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import RequestRejected
from dreamsmk.providers.classifier_scores import label_names, scores_kind
from dreamsmk.providers.http_status import one_line
from dreamsmk.providers.identity import is_local_path
from dreamsmk.providers.local.loading import device_of
from dreamsmk.providers.local.quiet import quietly
from dreamsmk.settings import ModelSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# A tokenizer without a limit says so with a number of this size.
NO_LIMIT = 10**9
HEAD_FILE = "head.json"
"""What an adapter's folder says of a head that was trained with it: a config of transformers, by another name, since
with a `config.json` beside its adapter a folder is taken for a whole model."""


@dataclass(frozen=True, slots=True)
class LoadedClassifier:
    """A model in memory.

    Attributes:
        model: The `PreTrainedModel`, or the `PeftModel` around it.
        tokenizer: Its tokenizer.
        labels: The names of its logits, in their order.
        scores: What its logits are; one of `classifier_scores.SCORES`.
        context: The most tokens that it reads; None where nothing limits them.
        commit: The commit of the weights, for models from the Hub.
        fingerprint: Library versions, number format and device, for `Response.system_fingerprint`.
    """

    # Any: the classes of transformers are not typed for mypy.
    model: Any
    tokenizer: Any
    labels: tuple[str, ...]
    scores: str
    context: int | None
    commit: str | None
    fingerprint: str

    def token_counts(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> list[int]:
        """Returns how many tokens each text (with its second one) has, whatever the model reads of them."""
        found = self.tokenizer(list(texts), pairs and list(pairs), truncation=False, verbose=False)
        return [len(ids) for ids in found["input_ids"]]

    def logits(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> NDArray[np.float64]:
        """Returns the logits of texts, of the shape (texts, labels).

        Args:
            texts: The texts; what does not fit is cut off at their end.
            pairs: A second text for each of them, which is never cut.
        """
        import torch

        inputs = self.tokenizer(
            list(texts),
            pairs and list(pairs),
            padding=True,
            truncation=False if self.context is None else ("longest_first" if pairs is None else "only_first"),
            max_length=self.context,
            return_tensors="pt",
        ).to(self.model.device)
        with quietly(), torch.inference_mode():
            logits = self.model(**inputs).logits
        numbers: NDArray[np.float64] = logits.double().cpu().numpy()
        return numbers


def load_classifier(spec: ModelSpec) -> LoadedClassifier:
    """Loads the model of a spec; no socket is opened where it is a folder.

    Raises:
        RequestRejected: The files are missing or incomplete, or do not fit into memory.
    """
    import torch
    from safetensors import SafetensorError

    if is_local_path(spec.model) and not Path(spec.model).expanduser().is_dir():
        raise RequestRejected(f"the model folder {spec.model!r} is not there")
    try:
        with quietly():
            tokenizer, model = _load(spec)
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise RequestRejected(
            f"the model {spec.model!r} does not fit into memory", hint="give it a bigger device"
        ) from error
    # the kinds in which transformers, peft and safetensors say that files are missing or wrong
    except (OSError, ValueError, KeyError, TypeError, ImportError, RuntimeError, SafetensorError) as error:
        raise RequestRejected(f"the model {spec.model!r} cannot be loaded: {one_line(str(error))}") from error
    config = model.config
    return LoadedClassifier(
        model=model,
        tokenizer=tokenizer,
        labels=label_names(config.id2label),
        scores=scores_kind(config.problem_type, config.num_labels),
        context=_context(model, tokenizer),
        commit=getattr(config, "_commit_hash", None),
        fingerprint=_fingerprint(model),
    )


# Any: the classes of transformers, here and below.
def _load(spec: ModelSpec) -> tuple[Any, Any]:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    revision = spec.revision or "main"
    tokenizer = AutoTokenizer.from_pretrained(spec.model, revision=revision)
    model, loading = AutoModelForSequenceClassification.from_pretrained(
        spec.model, revision=revision, dtype=spec.dtype or "auto", output_loading_info=True, **_head_of(spec.adapter)
    )
    missing = set(loading["missing_keys"]) | {key for key, *_ in loading["mismatched_keys"]}
    if spec.adapter is not None:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, spec.adapter, is_trainable=False)
        # a head that was trained with the adapter lies beside it
        trained = tuple(model.peft_config["default"].modules_to_save or ())
        missing = {name for name in missing if not name.startswith(tuple(f"{part}." for part in trained))}
    if missing:
        raise RequestRejected(
            f"the model {spec.model!r} lacks {len(missing)} weights of a classifier, {min(missing)} first",
            hint="give a model that was trained for sequence classification",
        )
    _settle_padding(model, tokenizer, spec)
    return tokenizer, model.to(device_of(spec)).eval()


def _head_of(adapter: str | None) -> dict[str, Any]:
    """Returns the labels of a head that was trained with an adapter, where its folder tells them."""
    if adapter is None or not (Path(adapter).expanduser() / HEAD_FILE).is_file():
        return {}
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(Path(adapter).expanduser() / HEAD_FILE)
    labels = {"id2label": config.id2label, "label2id": config.label2id, "problem_type": config.problem_type}
    return {"num_labels": config.num_labels, **labels, "ignore_mismatched_sizes": True}


def _settle_padding(model: Any, tokenizer: Any, spec: ModelSpec) -> None:
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    if tokenizer.pad_token is None:
        raise RequestRejected(f"the tokenizer of {spec.model!r} has no token to pad with")
    # decoders look for their last token by it
    if model.config.pad_token_id is None:
        model.config.pad_token_id = tokenizer.pad_token_id


def _context(model: Any, tokenizer: Any) -> int | None:
    config = model.config.get_text_config()
    limits = [tokenizer.model_max_length, getattr(config, "max_position_embeddings", None)]
    for name, module in model.named_modules():
        # RoBERTa and its kin number positions from behind the padding's, so that they read less than they have
        if name.endswith("embeddings.position_embeddings") and getattr(module, "padding_idx", None) is not None:
            limits.append(module.num_embeddings - module.padding_idx - 1)
    return min((int(limit) for limit in limits if limit is not None and 0 < limit < NO_LIMIT), default=None)


def _fingerprint(model: Any) -> str:
    import torch
    import transformers

    dtype = str(model.dtype).removeprefix("torch.")
    return f"transformers {transformers.__version__}, torch {torch.__version__}, {dtype}, {model.device.type}"
