"""Kahneman-Tversky optimization (Ethayarajh et al. 2024, https://arxiv.org/abs/2402.01306), with TRL.

Contract: a row trains on the tokens that `preferences` makes of it, against the reference that `reference` says. Rows
are put into one order, drawn from the seed, that every epoch keeps: each is compared with the completion of the row
before it in its batch, which estimates how far the model has moved. All that can be wrong with the rows or the model is
found before the first step; a killed training ends with the weights of an unbroken one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from dreamsmk.errors import SettingsError, TableError
from dreamsmk.tables import read_table, require_columns
from dreamsmk.tasks.shaping.permutation import ranks
from dreamsmk.tasks.training.frame.base_model import base_model
from dreamsmk.tasks.training.frame.course import Course, starting
from dreamsmk.tasks.training.frame.devices import process_count
from dreamsmk.tasks.training.frame.launch import on_all_devices
from dreamsmk.tasks.training.frame.quiet import quiet_libraries
from dreamsmk.tasks.training.reference import in_words, policy, second_model, with_reference
from dreamsmk.tasks.training.rows.examples import Encoder, dataset_of, rows_in_words
from dreamsmk.tasks.training.rows.preferences import (
    PreferenceParameters,
    encode_completions,
    most_tokens,
    read_completions,
    read_pairs,
)
from dreamsmk.tasks.training.rows.prompts import read_prompts, with_instruction
from dreamsmk.tasks.training.stand_in import COMPLETION, asked_later, put_rows, stand_ins, without_bars

if TYPE_CHECKING:
    import datasets
    import polars

    from dreamsmk.tasks.context import Context

METRICS = ("rewards/chosen", "rewards/rejected", "rewards/margins", "logps/chosen", "logps/rejected", "kl")
_COLUMNS = ("completions", "labels", "chosen", "rejected")
_HINT = "give completions and labels, or chosen and rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class KtoParameters(PreferenceParameters):
    """The parameters; `rules/kto/meta.yaml` says what each means."""

    NOT_TOLD: ClassVar[frozenset[str]] = PreferenceParameters.NOT_TOLD | frozenset(_COLUMNS)

    completions: str | None
    labels: str | None
    chosen: str | None
    rejected: str | None
    loss_type: str
    desirable_weight: float
    undesirable_weight: float
    precompute_ref_log_probs: bool

    @property
    def compares(self) -> bool:
        """Whether the loss compares rows with completions of others."""
        return self.loss_type == "kto"


# Any: JSON values of every type.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of each output role: a folder has none.

    Raises:
        SettingsError: The parameters name neither labelled completions nor pairs, or something of both, or a batch has
            too few rows.
    """
    is_pairs(params)
    _check_batch(params)
    return {"model": None}


# Any: JSON values of every type.
def rows(params: Mapping[str, Any], inputs: Mapping[str, int | None]) -> dict[str, int | None]:
    """Returns the number of rows of each output role: a folder has none."""
    return {"model": None}


# Any: JSON values of every type.
def is_pairs(params: Mapping[str, Any]) -> bool:
    """Says whether the parameters name pairs, rather than labelled completions.

    Raises:
        SettingsError: They name neither, or something of both.
    """
    given = {name for name in _COLUMNS if params[name] is not None}
    if given == {"chosen", "rejected"}:
        return True
    if given != {"completions", "labels"}:
        named = f"the columns {' and '.join(sorted(given))} are" if given else "no column with completions is"
        raise SettingsError(f"{named} named", where="completions", hint=_HINT)
    return False


# Any: JSON values of every type.
def _check_batch(params: Mapping[str, Any]) -> None:
    parts = params["gradient_accumulation_steps"] * max(params["processes"] or 1, process_count())
    if params["loss_type"] == "kto" and params["batch_size"] < 2 * parts:
        raise SettingsError(
            f"a batch of {params['batch_size']} rows in {parts} parts leaves one row to each, with nothing to compare",
            where="batch_size",
            hint="raise it, or use `loss_type: apo_zero_unpaired`",
        )


@on_all_devices("model")
def kto(context: Context) -> None:
    """Trains a model to write what is labelled true rather than what is labelled false.

    Raises:
        SettingsError: If the model or the parameters cannot be trained with.
        TableError: If a table is empty, a column is missing or wrong, or only one label is there.
        TrainingError: If the data do not fit the model, or the training broke off.
    """
    _check_batch(context.params)
    params = with_instruction(KtoParameters.from_json(context.params), context)
    base = base_model(params.model, context.model(params.model).spec, params)
    with quiet_libraries():
        config, tokenizer = base.load_config("causal"), base.load_tokenizer()
        encoder, limit = Encoder.of(base, tokenizer, params.system_prompt), most_tokens(config, params)
        train = encode_table(context.input("train"), encoder, params, limit)
        check_labels(train["label"], context.input("train"))
        paths = context.inputs.get("validation") or []
        validation = dataset_of(encode_table(paths[0], encoder, params, limit)) if paths else None

        course = Course(context, params, base, "kto", train.height, len(validation or ()), metrics=METRICS)
        with starting(), without_bars():
            trainer = kto_trainer(course, tokenizer, dataset_of(train), validation)
        course.run(trainer)
        desirable = int(train["label"].sum())
        counts = {"desirable_rows": desirable, "undesirable_rows": train.height - desirable}
        course.leave(trainer, tokenizer, reference=in_words(base, params), **counts)


def encode_table(path: Path, encoder: Encoder, params: KtoParameters, max_length: int) -> polars.DataFrame:
    """Returns the rows of a table as they are trained on, and in that order.

    The columns are `prompt_ids`, `completion_ids`, `label` and, where the loss compares, `KL_completion_ids`: the
    completion of another row. A pair is two rows.
    """
    import polars as pl

    prompts = read_prompts(path, params)
    if params.chosen is not None and params.rejected is not None:
        completions = [
            text for pair in zip(*read_pairs(path, params.chosen, params.rejected), strict=True) for text in pair
        ]
        labels = [True, False] * len(prompts)
        prompts = [prompt for prompt in prompts for _ in range(2)]
    else:
        assert params.completions is not None
        assert params.labels is not None
        completions, labels = read_completions(path, params.completions), read_labels(path, params.labels)
    frame = encode_completions(
        prompts, {"completion": completions}, encoder, max_length=max_length, truncate=params.truncate, where=str(path)
    ).with_columns(label=pl.Series(labels, dtype=pl.Boolean))
    frame = frame.with_columns(rank=ranks(params.seed, frame.height)).sort("rank").drop("rank")
    if not params.compares:
        return frame
    # those on all devices together, however many there are: what is compared with what is no matter of how it is run
    size = params.device_batch_size()
    return frame.with_columns(KL_completion_ids=frame["completion_ids"].gather(list(compared(frame.height, size))))


def compared(count: int, size: int) -> Iterator[int]:
    """Yields for each row the one whose completion it is compared with: the one before it in its batch.

    Args:
        count: Rows.
        size: Rows of a batch.
    """
    for row in range(count):
        begin = row - row % size
        end = min(begin + size, count)
        # a last batch of one row would else compare it with itself
        yield row - 1 if row > begin or (end - begin == 1 and row) else end - 1


def read_labels(path: Path, column: str) -> list[bool]:
    """Returns a column of labels: true and false, or 1 and 0.

    Raises:
        TableError: There is no such column, or it holds something else.
    """
    import polars as pl

    require_columns(path, [column])
    values = read_table(path, columns=[column])[column]
    if not (values.dtype == pl.Boolean or values.dtype.is_integer()):
        raise TableError(
            f"the column {column!r} is of type {values.dtype}, and labels are true or false", where=str(path)
        )
    wrong = values.cast(pl.Int64).is_in([0, 1]).fill_null(value=False).not_().arg_true().to_list()
    if wrong:
        raise TableError(
            f"the column {column!r} has {len(wrong)} cells that are neither true nor false",
            where=f"{path}, {rows_in_words(wrong)}",
        )
    return values.cast(pl.Boolean).to_list()


def check_labels(labels: polars.Series, path: Path) -> None:
    """Refuses rows that are all good or all bad.

    Raises:
        TableError: They are.
    """
    if labels.n_unique() == 1:
        only = "true" if labels[0] else "false"
        raise TableError(
            f"every row is labelled {only}", where=str(path), hint="KTO needs good and bad completions to tell apart"
        )


# Any: the classes of transformers and TRL, which publish no types.
def kto_trainer(course: Course, tokenizer: Any, train: datasets.Dataset, validation: datasets.Dataset | None) -> Any:
    """Returns TRL's trainer over encoded rows."""
    from trl import KTOConfig, KTOTrainer

    params, base = course.params, course.base
    assert isinstance(params, KtoParameters)
    trainer = asked_later(KTOTrainer)(
        policy(base, params),
        ref_model=second_model(base, params, is_precomputed=params.precompute_ref_log_probs),
        args=KTOConfig(
            **course.arguments(),
            beta=params.beta,
            loss_type=params.loss_type,
            desirable_weight=params.desirable_weight,
            undesirable_weight=params.undesirable_weight,
            precompute_ref_log_probs=params.precompute_ref_log_probs,
            train_sampling_strategy="sequential",
            # rows are cut by encode_completions, and TRL's way to switch dropout off takes in the adapter's
            max_length=None,
            disable_dropout=False,
            prediction_loss_only=True,
        ),
        **stand_ins(COMPLETION, validates=validation is not None),
        processing_class=tokenizer,
        peft_config=base.new_adapter(params),
    )
    if params.precompute_ref_log_probs:
        names = ("ref_logps", "ref_KL_logps") if params.compares else ("ref_logps",)
        train = with_reference(trainer, train, names)
        validation = with_reference(trainer, validation, names) if validation is not None else None
        trainer.ref_model = None
    put_rows(trainer, train, validation)
    return trainer
