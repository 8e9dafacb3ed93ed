"""Trains a model with one logit that says how good a completion of a prompt is: from pairs with TRL, or from scores.

Contract: rows are encoded as `rlhf` encodes what a policy wrote. What is left is a sequence classifier with one label,
or an adapter for one, whose new head is trained whole and saved with it. All that can be wrong with the data or the
model is found before the first step; a killed training ends with the weights of an unbroken one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from dreamsmk.errors import SettingsError, TableError, TrainingError
from dreamsmk.tables import read_table, require_columns
from dreamsmk.tasks.prompting.generations import read_texts
from dreamsmk.tasks.training.frame.base_model import BaseModel, base_model
from dreamsmk.tasks.training.frame.course import Course, starting
from dreamsmk.tasks.training.frame.launch import on_all_devices
from dreamsmk.tasks.training.frame.quiet import quiet_libraries
from dreamsmk.tasks.training.reference import switch_off_dropout
from dreamsmk.tasks.training.rows.examples import dataset_of, rows_in_words
from dreamsmk.tasks.training.rows.preferences import encode_completions, read_pairs
from dreamsmk.tasks.training.rows.prompts import PromptParameters, RewardEncoder, read_prompts, with_instruction

if TYPE_CHECKING:
    import polars
    import torch

    from dreamsmk.tasks.context import Context

PAIR_METRICS = ("accuracy", "margin", "mean_reward", "min_reward", "max_reward")
SCORE_METRICS = ("mse", "pearson")
_HINT = "give chosen and rejected for pairs, or completions and scores"


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardModelParameters(PromptParameters):
    """The parameters; `rules/reward_model/meta.yaml` says what each means."""

    NOT_TOLD: ClassVar[frozenset[str]] = PromptParameters.NOT_TOLD | {"chosen", "rejected", "completions", "scores"}

    chosen: str | None
    rejected: str | None
    margin: str | None
    completions: str | None
    scores: str | None
    center_rewards_coefficient: float | None
    max_length: int
    truncate: bool


# Any: JSON values of every type.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of each output role: a folder has none.

    Raises:
        SettingsError: The parameters name neither pairs nor scores, or something of both.
    """
    is_pairs(params)
    return {"model": None}


# Any: JSON values of every type.
def rows(params: Mapping[str, Any], inputs: Mapping[str, int | None]) -> dict[str, int | None]:
    """Returns the number of rows of each output role: a folder has none."""
    return {"model": None}


# Any: JSON values of every type.
def is_pairs(params: Mapping[str, Any]) -> bool:
    """Says whether the parameters name pairs, rather than scores.

    Raises:
        SettingsError: They name neither, or something of both.
    """
    pair = [name for name in ("chosen", "rejected") if params[name] is not None]
    single = [name for name in ("completions", "scores") if params[name] is not None]
    only_pairs = [name for name in ("margin", "center_rewards_coefficient") if params[name] is not None]
    if pair and single:
        raise SettingsError("the rows are both pairs and scores", where=single[0], hint=_HINT)
    if len(pair) == 2:
        return True
    if len(single) < 2:
        missing = {"chosen", "rejected"} - set(pair) if pair else {"completions", "scores"} - set(single)
        what = f"{' and '.join(sorted(missing))} missing" if pair or single else "no column says what is better"
        raise SettingsError(what, where="chosen" if not single else sorted(missing)[0], hint=_HINT)
    if only_pairs:
        raise SettingsError(f"{only_pairs[0]} is for pairs, not for scores", where=only_pairs[0], hint="leave it out")
    return False


@on_all_devices("model")
def reward_model(context: Context) -> None:
    """Trains a model to give the better completions the higher reward.

    Raises:
        SettingsError: If the model or the parameters cannot be trained with.
        TableError: If a table is empty, or a column is missing or has cells without a value.
        TrainingError: If the data do not fit the model, or the training broke off.
    """
    pairs = is_pairs(context.params)
    params = with_instruction(RewardModelParameters.from_json(context.params), context)
    base = base_model(params.model, context.model(params.model).spec, params)
    with quiet_libraries():
        config, tokenizer = base.load_config("classifier"), base.load_tokenizer()
        _check_head(config, base)
        encoder = RewardEncoder.of(base, tokenizer, params.system_prompt)
        limit = min(params.max_length, encoder.context(config) or params.max_length)
        train = encode_table(context.input("train"), encoder, params, limit)
        paths = context.inputs.get("validation") or []
        validation = encode_table(paths[0], encoder, params, limit) if paths else None

        course = Course(
            context,
            params,
            base,
            "reward_model",
            train.height,
            validation.height if validation is not None else 0,
            metrics=PAIR_METRICS if pairs else SCORE_METRICS,
        )
        with starting():
            make = pair_trainer if pairs else score_trainer
            trainer = make(course, _load(base, params, tokenizer), tokenizer, train, validation)
        course.run(trainer)
        course.leave(trainer, tokenizer, objective="pairs" if pairs else "scores")


def encode_table(
    path: Path, encoder: RewardEncoder, params: RewardModelParameters, max_length: int
) -> polars.DataFrame:
    """Returns the rows of a table as they are trained on.

    For pairs the columns are `chosen_ids`, `rejected_ids` and, with margins, `margin`; for scores `input_ids` and
    `labels`.
    """
    import polars as pl

    prompts = read_prompts(path, params)
    limits: dict[str, Any] = {"max_length": max_length, "truncate": params.truncate, "where": str(path)}
    if params.chosen is None or params.rejected is None:
        assert params.completions is not None
        assert params.scores is not None
        found = encode_completions(prompts, {"read": read_texts(path, params.completions)}, encoder, **limits)
        labels = read_numbers(path, params.scores)
        return found.select(input_ids=pl.concat_list("prompt_ids", "read_ids"), labels=labels)
    better, worse = read_pairs(path, params.chosen, params.rejected)
    found = encode_completions(prompts, {"chosen": better, "rejected": worse}, encoder, **limits)
    margin = {} if params.margin is None else {"margin": read_numbers(path, params.margin)}
    wholes = {f"{name}_ids": pl.concat_list("prompt_ids", f"{name}_ids") for name in ("chosen", "rejected")}
    return found.select(**wholes, **margin)


def read_numbers(path: Path, column: str) -> polars.Series:
    """Returns a column of finite numbers, as 64-bit floats.

    Raises:
        TableError: There is no such column, it holds no numbers, or a cell is empty or not finite.
    """
    import polars as pl

    require_columns(path, [column])
    values = read_table(path, columns=[column])[column]
    if not (values.dtype.is_numeric() or values.dtype == pl.Boolean):
        raise TableError(f"the column {column!r} is of type {values.dtype}, not numbers", where=str(path))
    numbers = values.cast(pl.Float64)
    wrong = (~numbers.is_finite().fill_null(value=False)).arg_true().to_list()
    if wrong:
        raise TableError(
            f"the column {column!r} has {len(wrong)} cells without a finite number",
            where=f"{path}, {rows_in_words(wrong)}",
        )
    return numbers


# Any: the classes of transformers and TRL, which publish no types; so below.
def pair_trainer(
    course: Course, model: Any, tokenizer: Any, train: polars.DataFrame, validation: polars.DataFrame | None
) -> Any:
    """Returns TRL's trainer over encoded pairs."""
    from trl import RewardConfig, RewardTrainer

    params = course.params
    assert isinstance(params, RewardModelParameters)
    return RewardTrainer(
        model,
        args=RewardConfig(
            **course.arguments(),
            center_rewards_coefficient=params.center_rewards_coefficient,
            # rows are cut by encode_completions, and TRL would leave longer ones out; dropout is switched off by _load
            max_length=None,
            disable_dropout=False,
        ),
        train_dataset=dataset_of(train),
        eval_dataset=dataset_of(validation) if validation is not None else None,
        processing_class=tokenizer,
        peft_config=course.base.new_adapter(params, "classifier", modules_to_save=["score"]),
    )


def score_trainer(
    course: Course, model: Any, tokenizer: Any, train: polars.DataFrame, validation: polars.DataFrame | None
) -> Any:
    """Returns a trainer of transformers that learns scores by the squared error."""
    from peft import get_peft_model
    from transformers import Trainer, TrainingArguments, set_seed

    adapter = course.base.new_adapter(course.params, "classifier", modules_to_save=["score"])
    if adapter is not None:
        set_seed(course.params.seed)
        model = get_peft_model(model, adapter)
    if hasattr(model, "peft_config") and course.params.gradient_checkpointing:
        model.enable_input_require_grads()
    return Trainer(
        model,
        args=TrainingArguments(**course.arguments(), label_names=["labels"]),
        data_collator=_Padding(tokenizer.pad_token_id),
        train_dataset=dataset_of(train),
        eval_dataset=dataset_of(validation) if validation is not None else None,
        processing_class=tokenizer,
        compute_loss_func=squared_error,
        compute_metrics=score_metrics,
    )


def squared_error(
    outputs: Any, labels: torch.Tensor, num_items_in_batch: torch.Tensor | int | None = None
) -> torch.Tensor:
    """Returns the mean squared error of the logits, over all the parts of a batch."""
    # the loss of the model itself is not divided by the parts that gradients are accumulated over
    errors = (outputs.logits.float().squeeze(-1) - labels.float()) ** 2
    return errors.sum() / (errors.numel() if num_items_in_batch is None else num_items_in_batch)


def score_metrics(predicted: Any) -> dict[str, float]:
    """Returns the mean squared error, and Pearson's correlation where there is one, of a validation."""
    import numpy as np

    rewards = np.asarray(predicted.predictions, dtype=np.float64).reshape(-1)
    scores = np.asarray(predicted.label_ids, dtype=np.float64).reshape(-1)
    found = {"mse": float(((rewards - scores) ** 2).mean())}
    if rewards.std() > 0 and scores.std() > 0:
        found["pearson"] = float(np.corrcoef(rewards, scores)[0, 1])
    return found


@dataclass(frozen=True, slots=True)
class _Padding:
    """Puts rows into a batch, with padding behind them whatever side the tokenizer pads on."""

    pad_token_id: int

    def __call__(self, examples: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        import torch
        from torch.nn.utils.rnn import pad_sequence

        ids = [torch.tensor(example["input_ids"]) for example in examples]
        return {
            "input_ids": pad_sequence(ids, batch_first=True, padding_value=self.pad_token_id),
            "attention_mask": pad_sequence([torch.ones_like(each) for each in ids], batch_first=True),
            "labels": torch.tensor([example["labels"] for example in examples]),
        }


def _check_head(config: Any, base: BaseModel) -> None:
    names = config.architectures or []
    if config.num_labels != 1 and any(name.endswith("ForSequenceClassification") for name in names):
        raise TrainingError(
            f"{base.spec.model!r} is a classifier with {config.num_labels} labels, and a reward model has one",
            where=base.where,
            hint="begin with a language model, or with a reward model",
        )


def _load(base: BaseModel, params: RewardModelParameters, tokenizer: Any) -> Any:
    from transformers import set_seed

    set_seed(params.seed)  # a new head is random
    model = base.load_weights(params, "classifier", num_labels=1)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    # by it the last token of a row is found
    model.config.get_text_config().pad_token_id = tokenizer.pad_token_id
    switch_off_dropout(model)
    return model
