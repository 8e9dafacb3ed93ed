"""Distillation by logits: a student learns the whole next-token distribution of its teacher, with TRL.

Contract: the student learns on outputs that it writes itself (on-policy), on those of a table (off-policy), or on a mix
of both, and only their tokens count. All that can be wrong with the data, the student or the teacher is found before
the first step. A killed training goes on from its newest whole checkpoint and ends with the weights of an unbroken one.

The loss is the generalized Jensen-Shannon divergence of Agarwal et al. 2024, https://arxiv.org/abs/2306.13649.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from dreamsmk.errors import SettingsError, TrainingError
from dreamsmk.tasks.prompting.generations import read_texts
from dreamsmk.tasks.training.distill_trainer import METRICS, distillation_trainer
from dreamsmk.tasks.training.frame.base_model import BaseModel, base_model
from dreamsmk.tasks.training.frame.course import Course, starting
from dreamsmk.tasks.training.frame.launch import on_all_devices
from dreamsmk.tasks.training.frame.quiet import quiet_libraries
from dreamsmk.tasks.training.rows.examples import Encoder, dataset_of, encode_pairs, rows_in_words
from dreamsmk.tasks.training.rows.prompts import PromptParameters, read_prompts, with_instruction
from dreamsmk.tasks.training.teacher import check_vocabulary, load_teacher, teacher_model

if TYPE_CHECKING:
    import datasets
    import polars

    from dreamsmk.tasks.context import Context

_SHARE_WITH_OUTPUTS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class DistillParameters(PromptParameters):
    """The parameters; `rules/distill/meta.yaml` says what each means."""

    NOT_TOLD: ClassVar[frozenset[str]] = PromptParameters.NOT_TOLD | {"teacher"}

    teacher: str
    outputs: str | None
    on_policy: float | None
    beta: float
    temperature: float
    top_p: float
    top_k: int | None
    max_length: int
    max_completion_length: int
    truncate: bool

    @property
    def share(self) -> float:
        """The share of rows whose output the student writes itself."""
        if self.on_policy is not None:
            return self.on_policy
        return 1.0 if self.outputs is None else _SHARE_WITH_OUTPUTS


# Any: JSON values of every type.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of each output role: a folder has none.

    Raises:
        SettingsError: Rows are to be learnt from without the student writing them, and there are no outputs.
    """
    if params["outputs"] is None and params["on_policy"] not in (None, 1):
        raise SettingsError(
            "there is nothing to learn from but what the student writes itself",
            where="on_policy",
            hint="give outputs=column, or leave on_policy out",
        )
    return {"model": None}


# Any: JSON values of every type.
def rows(params: Mapping[str, Any], inputs: Mapping[str, int | None]) -> dict[str, int | None]:
    """Returns the number of rows of each output role: a folder has none."""
    return {"model": None}


@on_all_devices("model", "teacher")
def distill(context: Context) -> None:
    """Trains a student to give each token the probability that its teacher gives it.

    Raises:
        SettingsError: If the student, the teacher or the parameters cannot be trained with.
        TableError: If a table is empty, or a column is missing or has cells without a value.
        TrainingError: If the data do not fit the models, their vocabularies differ, or the training broke off.
    """
    columns(context.params, {})
    params = with_instruction(DistillParameters.from_json(context.params), context)
    base = base_model(params.model, context.model(params.model).spec, params)
    teacher = teacher_model(params.teacher, context.model(params.teacher).spec)
    with quiet_libraries():
        configs, tokenizer = [model.load_config("causal") for model in (base, teacher)], base.load_tokenizer()
        check_vocabulary(base, teacher, configs, (tokenizer, teacher.load_tokenizer()))
        encoder = Encoder.of(base, tokenizer, params.system_prompt)
        contexts = [getattr(config, "max_position_embeddings", None) or params.max_length for config in configs]
        limit = min(params.max_length, *contexts)
        train = encode_table(context.input("train"), encoder, params, limit)
        paths = context.inputs.get("validation") or []
        validation = encode_table(paths[0], encoder, params, limit) if paths else None

        course = Course(
            context,
            params,
            base,
            "distill",
            train.height,
            validation.height if validation is not None else 0,
            metrics=METRICS,
            steps_per_epoch=_steps_per_epoch(train.height, params),
            others=(params.teacher,),
        )
        with starting():
            trainer = _trainer(course, params, (base, teacher), tokenizer, (train, validation))
        course.run(trainer)
        course.leave(trainer, tokenizer, on_policy=params.share, teacher=teacher.spec.model)


def encode_table(path: Path, encoder: Encoder, params: DistillParameters, max_length: int) -> polars.DataFrame:
    """Returns the token ids of a table's rows, as they are trained on.

    Columns: `asked`, the prompt as the student is asked with it; `told` and `output`, prompt and output as they stand
    together in a chat that is over, the output up to its end of turn; both are empty without outputs.
    """
    import polars as pl

    prompts = read_prompts(path, params)
    asked = encoder.prompts(prompts)
    _check_room(asked, params, max_length, path)
    told: list[list[int]] = [[]] * len(prompts)
    written = told
    if params.outputs is not None:
        outputs = read_texts(path, params.outputs)
        limits: dict[str, Any] = {"max_length": max_length, "truncate": params.truncate}  # Any: keyword arguments
        pairs = encode_pairs(prompts, outputs, encoder, **limits, where=str(path))
        starts = [sum(label < 0 for label in labels) for labels in pairs["labels"]]
        told = [ids[:start] for ids, start in zip(pairs["input_ids"].to_list(), starts, strict=True)]
        whole = [ids[start:] for ids, start in zip(pairs["input_ids"].to_list(), starts, strict=True)]
        written = [_to_end(ids, encoder.tokenizer.eos_token_id) for ids in whole]
    schema = dict.fromkeys(("asked", "told", "output"), pl.List(pl.Int64))
    return pl.DataFrame({"asked": asked, "told": told, "output": written}, schema=schema)


def _check_room(asked: Sequence[Sequence[int]], params: DistillParameters, max_length: int, path: Path) -> None:
    if not params.share:
        return
    room = max_length - params.max_completion_length
    too_long = [row for row, ids in enumerate(asked) if len(ids) > room]
    if too_long:
        raise TrainingError(
            f"{len(too_long)} prompts have more than {max(room, 0)} tokens, {max_length} less max_completion_length",
            where=f"{path}, {rows_in_words(too_long)}",
            hint="raise max_length, lower max_completion_length, or leave these rows out",
        )


def _to_end(ids: list[int], end: int | None) -> list[int]:
    """Returns an output without what a chat template puts after its end of turn, as a student writes it."""
    last = max((place for place, i in enumerate(ids) if i == end), default=len(ids) - 1)
    return ids[: last + 1]


def _steps_per_epoch(count: int, params: DistillParameters) -> int:
    if count < params.batch_size:
        raise SettingsError(
            f"the table has {count} rows, and a batch {params.batch_size}",
            where="batch_size",
            hint="lower it: a batch that is not full is left out of an epoch",
        )
    return count // params.batch_size


# Any: a tokenizer of transformers, and the trainer of TRL, which publishes no types.
def _trainer(
    course: Course,
    params: DistillParameters,
    models: tuple[BaseModel, BaseModel],
    tokenizer: Any,
    tables: tuple[polars.DataFrame, polars.DataFrame | None],
) -> Any:
    from trl import DistillationConfig

    base, teacher = models
    train, validation = (_dataset(table) if table is not None else None for table in tables)
    return distillation_trainer()(
        base.load_weights(params),
        load_teacher(teacher, params),
        args=DistillationConfig(
            **course.arguments(),
            beta=params.beta,
            temperature=params.temperature,
            top_p=params.top_p,
            top_k=params.top_k or 0,
            max_completion_length=params.max_completion_length,
            prediction_loss_only=True,
        ),
        train_dataset=train,
        eval_dataset=validation,
        processing_class=tokenizer,
        peft_config=base.new_adapter(params),
        share=params.share,
    )


def _dataset(table: polars.DataFrame) -> datasets.Dataset:
    """Returns a table as TRL reads it: all that is known of a row is its prompt."""
    import polars as pl

    return dataset_of(table.select(prompt=pl.struct(pl.all())))
