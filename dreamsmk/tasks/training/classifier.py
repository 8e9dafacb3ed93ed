"""A classifier of texts: a head on a language model or an encoder, trained with transformers.

Contract: a row has one label, or a list of them, in which case each label is told from the rest by itself. Metrics
are those of the whole validation table, never means over batches; a label is given where its probability is above
one half, which for a logit is above 0. The model that is left names its logits by the labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from dreamsmk.errors import TableError, TrainingError
from dreamsmk.tasks.prompting.generations import read_texts
from dreamsmk.tasks.training.frame.base_model import base_model
from dreamsmk.tasks.training.frame.course import Course, starting
from dreamsmk.tasks.training.frame.launch import on_all_devices
from dreamsmk.tasks.training.frame.parameters import TrainingParameters
from dreamsmk.tasks.training.frame.quiet import quiet_libraries
from dreamsmk.tasks.training.rows.examples import dataset_of, rows_in_words
from dreamsmk.tasks.training.rows.labels import LabelSet, read_labels

if TYPE_CHECKING:
    import polars

    from dreamsmk.tasks.context import Context

METRICS = ("accuracy", "f1_macro", "f1_micro")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifierParameters(TrainingParameters):
    """The parameters; `rules/classifier/meta.yaml` says what each means."""

    NOT_TOLD: ClassVar[frozenset[str]] = TrainingParameters.NOT_TOLD | {"texts", "labels"}

    texts: str
    labels: str
    max_length: int
    truncate: bool
    class_weights: str | None


# Any: JSON values of every type.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of each output role: a folder has none."""
    return {"model": None}


# Any: JSON values of every type.
def rows(params: Mapping[str, Any], inputs: Mapping[str, int | None]) -> dict[str, int | None]:
    """Returns the number of rows of each output role: a folder has none."""
    return {"model": None}


@on_all_devices("model")
def classifier(context: Context) -> None:
    """Trains a model to give texts their labels.

    Raises:
        SettingsError: If the model or the parameters cannot be trained with.
        TableError: If a table is empty, or a column is missing, of a wrong type or has cells without a value.
        TrainingError: If the data do not fit the model, or the training broke off.
    """
    params = ClassifierParameters.from_json(context.params)
    base = base_model(params.model, context.model(params.model).spec, params)
    learnt = read_labels(context.input("train"), params.labels)
    labels = LabelSet.of(learnt)
    with quiet_libraries():
        config, tokenizer = base.load_config("classifier"), base.load_tokenizer()
        _settle_padding(tokenizer)
        limit = min(params.max_length, getattr(config, "max_position_embeddings", None) or params.max_length)
        train = encode_table(context.input("train"), tokenizer, params, labels, max_length=limit)
        paths = context.inputs.get("validation") or []
        validation = encode_table(paths[0], tokenizer, params, labels, max_length=limit) if paths else None

        course = Course(
            context,
            params,
            base,
            "classifier",
            train.height,
            validation.height if validation is not None else 0,
            METRICS,
        )
        with starting():
            from transformers import DataCollatorWithPadding, TrainingArguments, set_seed

            set_seed(params.seed)  # the head is new: its first weights are drawn
            model = base.load_weights(
                params,
                "classifier",
                num_labels=len(labels.labels),
                id2label=labels.names,
                label2id={name: index for index, name in labels.names.items()},
                problem_type=labels.problem_type,
                pad_token_id=tokenizer.pad_token_id,
                # a head for other labels is replaced
                ignore_mismatched_sizes=True,
            )
            adapter = base.new_adapter(params, "classifier")
            trainer = _trainer_class(params.class_weights, train, labels)(
                _adapted(model, adapter),
                args=TrainingArguments(**course.arguments(), label_names=["labels"]),
                train_dataset=dataset_of(train),
                eval_dataset=dataset_of(validation) if validation is not None else None,
                processing_class=tokenizer,
                data_collator=DataCollatorWithPadding(tokenizer),
                compute_metrics=lambda found: scores(found.predictions, found.label_ids, is_multi=labels.is_multi),
            )
        course.run(trainer)
        course.leave(trainer, tokenizer, labels=[str(label) for label in labels.labels])


# Any: a tokenizer of transformers, which publishes no types.
def encode_table(
    path: Path, tokenizer: Any, params: ClassifierParameters, labels: LabelSet, *, max_length: int
) -> polars.DataFrame:
    """Returns the token ids and targets of a table's rows, as they are trained on: `input_ids` and `labels`.

    Raises:
        TableError: The table is empty, or a column is missing or has cells without a value.
        TrainingError: A row has more than `max_length` tokens, or a label that is not learnt.
    """
    import polars as pl

    texts = read_texts(path, params.texts)
    if not texts:
        raise TableError("the table has no rows to train on", where=str(path))
    targets = labels.targets(read_labels(path, params.labels))
    ids = tokenizer(texts, truncation=params.truncate, max_length=max_length, verbose=False)["input_ids"]
    too_long = [row for row, found in enumerate(ids) if len(found) > max_length]
    if too_long:
        raise TrainingError(
            f"{len(too_long)} rows have more than {max_length} tokens",
            where=f"{path}, {rows_in_words(too_long)}",
            hint="raise max_length, shorten these rows, or set `truncate: true` to cut their ends off",
        )
    kind = pl.List(pl.Float32) if labels.is_multi else pl.Int64
    return pl.DataFrame({"input_ids": ids, "labels": targets}, schema={"input_ids": pl.List(pl.Int64), "labels": kind})


# Any: arrays of logits and targets, of the shape (rows, labels), or (rows,) for the targets of single labels.
def scores(logits: Any, targets: Any, *, is_multi: bool) -> dict[str, float]:
    """Returns accuracy (for several labels a row: of rows with all labels right), F1 by label and F1 over all."""
    import numpy as np
    from sklearn.metrics import accuracy_score, f1_score

    logits = np.asarray(logits[0] if isinstance(logits, tuple) else logits)
    given = (logits > 0).astype(int) if is_multi else logits.argmax(axis=-1)
    right = np.asarray(targets).astype(int)
    return {
        "accuracy": float(accuracy_score(right, given)),
        "f1_macro": float(f1_score(right, given, average="macro", zero_division=0)),
        "f1_micro": float(f1_score(right, given, average="micro", zero_division=0)),
    }


# Any: the trainers of transformers, which publishes no types.
def _trainer_class(weighting: str | None, train: polars.DataFrame, labels: LabelSet) -> Any:
    from transformers import Trainer

    if weighting is None:
        return Trainer
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

    weights = torch.tensor(balanced_weights(train, labels))

    class BalancedTrainer(Trainer):  # type: ignore[misc]  # transformers publishes no types
        # Any: the arguments of transformers.
        def compute_loss(self, model: Any, inputs: Any, return_outputs: bool = False, **kwargs: Any) -> Any:
            targets = inputs["labels"]
            outputs = model(**{name: value for name, value in inputs.items() if name != "labels"})
            logits, scale = outputs.logits.float(), weights.to(outputs.logits.device)
            if labels.is_multi:
                loss = binary_cross_entropy_with_logits(logits, targets, pos_weight=scale)
            else:
                loss = cross_entropy(logits, targets, weight=scale)
            return (loss, outputs) if return_outputs else loss

    return BalancedTrainer


def balanced_weights(train: polars.DataFrame, labels: LabelSet) -> list[float]:
    """Returns how much each label counts: rows / (labels * rows with it), or for several a row rows without / with."""
    import numpy as np

    targets = np.asarray(train["labels"].to_list())
    if labels.is_multi:
        having = targets.sum(axis=0)
        return [float((len(targets) - count) / count) for count in having]
    having = np.bincount(targets, minlength=len(labels.labels))
    return [float(len(targets) / (len(having) * count)) for count in having]


# Any: models and configurations of transformers and peft.
def _adapted(model: Any, adapter: Any) -> Any:
    if adapter is None:
        return model
    from peft import get_peft_model

    return get_peft_model(model, adapter)


# Any: a tokenizer of transformers.
def _settle_padding(tokenizer: Any) -> None:
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    if tokenizer.pad_token is None:
        raise TrainingError("the tokenizer of the model has no token to pad with")
