"""Models that say what a completion is worth.

Contract: a reward model reads prompt and completion as one text through its own tokenizer, as it was trained to
(`prompts.RewardEncoder`). A head that its files lack is an error, not random numbers. A text that is longer than the
model reads is cut at its end, and that is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import MissingExtra, RequestRejected, SettingsError, TrainingError, nearest
from dreamsmk.providers import provider_class
from dreamsmk.providers.base import LocalProvider
from dreamsmk.providers.local.quantization import quantization_config
from dreamsmk.requests import Message, ModelIdentity, Request, Sampling
from dreamsmk.settings import ModelSpec
from dreamsmk.tasks.training.frame.base_model import BaseModel
from dreamsmk.tasks.training.frame.devices import device_name
from dreamsmk.tasks.training.rewards.sources import Prompts, Score
from dreamsmk.tasks.training.rows.examples import rows_in_words
from dreamsmk.tasks.training.rows.prompts import RewardEncoder

if TYPE_CHECKING:
    from dreamsmk.tasks.context import Progress


@dataclass(slots=True)
class RewardModel:
    """A reward model in memory.

    Attributes:
        model: A sequence classifier with one logit.
        encoder: What turns a prompt and a completion into what it reads.
        context: The most tokens that it reads; None where nothing limits them.
        batch_size: Texts that it reads at once.
        say: Called once, when the first text is cut.
    """

    model: Any  # transformers publishes no types
    encoder: RewardEncoder
    context: int | None
    batch_size: int
    say: Callable[[str], None]
    has_cut: bool = field(default=False, init=False)

    def score(self, table: Prompts, rows: Sequence[int], completions: Sequence[str]) -> list[float | None]:
        """Returns the logit of each completion."""
        encoded = self.encoder.encode([table.texts[row] for row in rows], completions)
        ids = [self._cut(whole) for whole, _ in encoded]
        found: list[float | None] = []
        for begin in range(0, len(ids), self.batch_size):
            found.extend(self._logits(ids[begin : begin + self.batch_size]))
        return found

    def check_prompts(self, table: Prompts, alias: str) -> None:
        """Raises where a prompt leaves no room for a completion."""
        starts = self.encoder.encode(table.texts, [""] * len(table.texts))
        long = [row for row, (whole, _) in enumerate(starts) if self.context and len(whole) >= self.context]
        if long:
            raise TrainingError(
                f"{len(long)} prompts leave no room for a completion in the {self.context} tokens of {alias!r}",
                where=f"{table.path}, {rows_in_words(long)}",
                hint="shorten or leave out these rows, or take a reward model that reads more",
            )

    def _cut(self, ids: list[int]) -> list[int]:
        if self.context is None or len(ids) <= self.context:
            return ids
        if not self.has_cut:
            self.has_cut = True
            self.say(f"the reward model reads {self.context} tokens: longer completions are cut at their ends")
        return ids[: self.context]

    def _logits(self, batch: Sequence[Sequence[int]]) -> list[float]:
        import torch
        from torch.nn.utils.rnn import pad_sequence

        rows = [torch.tensor(ids) for ids in batch]
        inputs = {
            "input_ids": pad_sequence(rows, batch_first=True, padding_value=self.encoder.tokenizer.pad_token_id),
            "attention_mask": pad_sequence([torch.ones_like(row) for row in rows], batch_first=True),
        }
        with torch.inference_mode():
            logits = self.model(**{name: tensor.to(self.model.device) for name, tensor in inputs.items()}).logits
        values: list[float] = logits[:, 0].double().tolist()
        return values


def model_reward(
    alias: str, spec: ModelSpec, tables: Sequence[Prompts], system_prompt: str | None, progress: Progress
) -> Score:
    """Returns what scores by a reward model.

    Raises:
        SettingsError: It is no local model.
        TrainingError: It cannot be loaded, is no reward model, or a prompt is too long for it.
    """
    base = BaseModel(alias, spec, spec.quantization)
    if spec.provider != "transformers":
        what = f"the reward model {alias!r} is of provider {spec.provider!r}"
        raise SettingsError(what, where=base.where, hint="give one with `provider: transformers`, or a task_model")
    config = base.load_config("classifier")
    _check_head(base, config)
    tokenizer = base.load_tokenizer()
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    encoder = RewardEncoder.of(base, tokenizer, system_prompt if base.is_chat else None)
    model = _load(base, tokenizer.pad_token_id)
    reader = RewardModel(model, encoder, encoder.context(config), spec.batch_size, progress.note)
    for table in tables:
        reader.check_prompts(table, alias)
    return reader.score


# Any: transformers publishes no types.
def _check_head(base: BaseModel, config: Any) -> None:
    has_head = any(name.endswith("ForSequenceClassification") for name in config.architectures or [])
    if has_head and config.num_labels != 1:
        raise TrainingError(
            f"{base.spec.model!r} is a classifier with {config.num_labels} labels, and a reward model has one",
            where=base.where,
            hint="give it as task_model, with the label that is good",
        )


# Any: as above.
def _load(base: BaseModel, pad_token_id: int) -> Any:
    from transformers import AutoModelForSequenceClassification

    spec = base.spec
    placed: dict[str, Any] = {}
    if spec.quantization is not None:
        placed["quantization_config"] = quantization_config(spec.quantization, device_name())
        placed["device_map"] = {"": device_name()}
    with _loading(base):
        model, loading = AutoModelForSequenceClassification.from_pretrained(
            spec.model,
            revision=spec.revision or "main",
            dtype=spec.dtype or "auto",
            num_labels=1,
            output_loading_info=True,
            **placed,
        )
        missing = set(loading["missing_keys"])
        if spec.adapter is not None:
            from peft import PeftModel

            model = PeftModel.from_pretrained(model, spec.adapter, is_trainable=False)
            heads = tuple(f"{name}." for name in model.peft_config["default"].modules_to_save or ())
            missing = {name for name in missing if not name.startswith(heads)}
    if missing:
        raise TrainingError(
            f"{spec.model!r} lacks the weights {min(missing)!r}, so that it is no reward model",
            where=base.where,
            hint="train one with the rule reward_model, and give its folder as `model:` or `adapter:`",
        )
    model.config.get_text_config().pad_token_id = pad_token_id
    return (model if placed else model.to(device_name())).eval()


@contextmanager
def _loading(base: BaseModel) -> Iterator[None]:
    try:
        yield
    except ImportError as exc:
        raise MissingExtra(exc.name or "transformers", "train") from exc
    except (OSError, ValueError, KeyError, RuntimeError) as exc:
        reason = str(exc).strip().split("\n")[0]
        raise TrainingError(f"the reward model {base.alias!r} cannot be loaded: {reason}", where=base.where) from exc


def label_reward(alias: str, spec: ModelSpec, label: str, separator: str | None, tables: Sequence[Prompts]) -> Score:
    """Returns what scores by a classifier's score of a label.

    Args:
        alias: Of the classifier.
        spec: Its entry under `models:`.
        label: The label.
        separator: What stands between prompt and completion, where it reads both; None where it reads the completion.
        tables: The prompts; the first is read to see what labels there are.

    Raises:
        SettingsError: It is no local classifier, or has no such label.
        TrainingError: It cannot read a text.
    """
    provider = provider_class(spec.provider)(spec)
    if not isinstance(provider, LocalProvider):
        raise SettingsError(
            f"the task model {alias!r} is of provider {spec.provider!r}, a service",
            where=f"models.{alias}",
            hint="give one with `provider: classifier`",
        )

    def labels(texts: Sequence[str]) -> list[dict[str, float]]:
        identity = ModelIdentity(spec.provider, spec.model)
        asked = [Request(identity, (Message("user", text),), Sampling(), wanted="labels") for text in texts]
        try:
            replies = dict(provider.generate(asked))
        except RequestRejected as exc:
            raise TrainingError(exc.what, where=f"models.{alias}", hint=exc.hint) from exc
        return [dict(replies[index].labels or {}) for index in range(len(asked))]

    found = labels([tables[0].texts[0] or "a"])[0]
    if label not in found:
        raise SettingsError(
            f"the task model {alias!r} has no label {label!r}", where="label", hint=nearest(label, found)
        )

    def score(table: Prompts, rows: Sequence[int], completions: Sequence[str]) -> list[float | None]:
        texts = completions
        if separator is not None:
            texts = [f"{table.texts[row]}{separator}{text}" for row, text in zip(rows, completions, strict=True)]
        return [each[label] for each in labels(texts)]

    return score
