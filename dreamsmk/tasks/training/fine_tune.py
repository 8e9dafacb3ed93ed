"""Supervised fine-tuning of a local model on the rows of a table, with TRL and, unless it is switched off, LoRA.

Contract: the loss counts the tokens of the output alone. All that can be wrong with the data or the model is found
before the first step. A killed training goes on from its newest whole checkpoint and ends with the weights of an
unbroken one; the same parameters and data on the same machine give the same weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamsmk.tasks.prompting.instruction import read_instruction
from dreamsmk.tasks.prompting.layout import process_prompt
from dreamsmk.tasks.training.base_model import base_model
from dreamsmk.tasks.training.course import Course, starting
from dreamsmk.tasks.training.devices import has_gpu
from dreamsmk.tasks.training.examples import Encoder, dataset_of, encode_pairs, read_pairs
from dreamsmk.tasks.training.output_loss import trainer_class
from dreamsmk.tasks.training.parameters import TrainingParameters
from dreamsmk.tasks.training.quiet import quiet_libraries

if TYPE_CHECKING:
    import polars

    from dreamsmk.tasks.context import Context


@dataclass(frozen=True, slots=True, kw_only=True)
class FineTuneParameters(TrainingParameters):
    """The parameters; `rules/fine_tune/meta.yaml` says what each means."""

    inputs: str
    outputs: str
    instruction: str | None
    input_label: str | None
    instruction_label: str | None
    separator: str
    system_prompt: str | None
    neftune_noise_alpha: float | None
    max_length: int
    truncate: bool


# Any: JSON values of every type.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of each output role: a folder has none."""
    return {"model": None}


# Any: JSON values of every type.
def rows(params: Mapping[str, Any], inputs: Mapping[str, int | None]) -> dict[str, int | None]:
    """Returns the number of rows of each output role: a folder has none."""
    return {"model": None}


def fine_tune(context: Context) -> None:
    """Trains a model to answer the input column with the output column.

    Raises:
        SettingsError: If the model or the parameters cannot be trained with.
        TableError: If a table is empty, or a column is missing or has cells without a value.
        TrainingError: If the data do not fit the model, or the training broke off.
    """
    params = FineTuneParameters.from_json(context.params)
    if params.instruction is not None or context.inputs.get("instruction"):
        params = replace(params, instruction=read_instruction(context))
    base = base_model(params.model, context.model(params.model).spec, params)
    with quiet_libraries():
        config, tokenizer = base.load_config("causal"), base.load_tokenizer()
        encoder = Encoder(tokenizer, is_chat=base.is_chat, system_prompt=params.system_prompt)
        limit = min(params.max_length, getattr(config, "max_position_embeddings", None) or params.max_length)
        train = encode_table(context.input("train"), encoder, params, limit)
        paths = context.inputs.get("validation") or []
        validation = encode_table(paths[0], encoder, params, limit) if paths else None

        course = Course(
            context, params, base, "fine_tune", train.height, validation.height if validation is not None else 0
        )
        with starting():
            from trl import SFTConfig

            model = base.load_weights(params)
            trainer = trainer_class(model, has_gpu=has_gpu())(
                model,
                args=SFTConfig(
                    **course.arguments(),
                    neftune_noise_alpha=params.neftune_noise_alpha,
                    # rows are tokenized, labelled and cut by encode_pairs
                    dataset_kwargs={"skip_prepare_dataset": True},
                    max_length=None,
                    packing=False,
                    prediction_loss_only=True,
                ),
                train_dataset=dataset_of(train),
                eval_dataset=dataset_of(validation) if validation is not None else None,
                processing_class=tokenizer,
                peft_config=base.new_adapter(params),
            )
        course.run(trainer)
        course.leave(trainer, tokenizer)


def encode_table(path: Path, encoder: Encoder, params: FineTuneParameters, max_length: int) -> polars.DataFrame:
    """Returns the token ids and labels of a table's rows, as they are trained on: `input_ids` and `labels`."""
    inputs, outputs = read_pairs(path, params.inputs, params.outputs)
    prompts = [
        process_prompt(
            text,
            params.instruction,
            input_label=params.input_label,
            instruction_label=params.instruction_label,
            separator=params.separator,
        )
        for text in inputs
    ]
    return encode_pairs(prompts, outputs, encoder, max_length=max_length, truncate=params.truncate, where=str(path))
