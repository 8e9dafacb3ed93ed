"""Supervised fine-tuning of a local model on the rows of a table, with TRL and, unless it is switched off, LoRA.

Contract: the loss counts the tokens of the output alone, in chats what the assistant says, in plain texts all. All that
can be wrong with the data or the model is found before the first step. A killed training goes on from its newest whole
checkpoint and ends with the weights of an unbroken one; the same parameters and data on the same machine give the same
weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import SettingsError
from dreamsmk.tasks.prompting.instruction import read_instruction, read_words
from dreamsmk.tasks.prompting.layout import process_prompt
from dreamsmk.tasks.training.fine_tune_parameters import FineTuneParameters, Way, way_of
from dreamsmk.tasks.training.frame.base_model import BaseModel, base_model
from dreamsmk.tasks.training.frame.course import Course, starting
from dreamsmk.tasks.training.frame.devices import has_gpu
from dreamsmk.tasks.training.frame.launch import on_all_devices
from dreamsmk.tasks.training.frame.quiet import quiet_libraries
from dreamsmk.tasks.training.output_loss import trainer_class
from dreamsmk.tasks.training.rows.chats import encode_chats, read_chats
from dreamsmk.tasks.training.rows.examples import Encoder, dataset_of, encode_pairs, read_pairs
from dreamsmk.tasks.training.rows.packing import check_packing, pack
from dreamsmk.tasks.training.rows.plain_texts import encode_texts
from dreamsmk.tasks.training.rows.sequences import check_sequences, encode_sequences, sequence_trainer

if TYPE_CHECKING:
    import datasets
    import polars

    from dreamsmk.tasks.context import Context


# Any: JSON values of every type.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of each output role: a folder has none.

    Raises:
        SettingsError: The parameters name no way to learn from rows, or several.
    """
    way_of(params)
    return {"model": None}


# Any: JSON values of every type.
def rows(params: Mapping[str, Any], inputs: Mapping[str, int | None]) -> dict[str, int | None]:
    """Returns the number of rows of each output role: a folder has none."""
    return {"model": None}


@on_all_devices("model")
def fine_tune(context: Context) -> None:
    """Trains a model on questions and answers, on chats or on plain texts.

    Raises:
        SettingsError: If the model or the parameters cannot be trained with.
        TableError: If a table is empty, or a column is missing or has cells without a value.
        TrainingError: If the data do not fit the model, or the training broke off.
    """
    way = way_of(context.params)
    params = _with_files(FineTuneParameters.from_json(context.params), context, way)
    base = base_model(params.model, context.model(params.model).spec, params)
    with quiet_libraries():
        config, tokenizer = base.load_config("causal", "seq2seq"), base.load_tokenizer()
        encoder = _encoder(base, params, tokenizer, way)
        limit = min(params.max_length, getattr(config, "max_position_embeddings", None) or params.max_length)
        if config.is_encoder_decoder:
            check_sequences(params, way)
            encode, make_trainer = encode_sequence_table, sequence_trainer
        else:
            encode, make_trainer = encode_table, language_trainer
        train = encode(context.input("train"), encoder, params, limit)
        paths = context.inputs.get("validation") or []
        validation = dataset_of(encode(paths[0], encoder, params, limit)) if paths else None
        learnt = pack(dataset_of(train), limit) if params.packing else dataset_of(train)

        course = Course(context, params, base, "fine_tune", len(learnt), len(validation or ()))
        with starting():
            trainer = make_trainer(base, params, course.arguments(), tokenizer, learnt, validation)
        course.run(trainer)
        course.leave(
            trainer, tokenizer, **({"train_rows": train.height, "packed_rows": len(learnt)} if params.packing else {})
        )


# Any: arguments of every type, and the tokenizers and trainers of libraries that publish no types.
def language_trainer(
    base: BaseModel,
    params: FineTuneParameters,
    arguments: dict[str, Any],
    tokenizer: Any,
    train: datasets.Dataset,
    validation: datasets.Dataset | None,
) -> Any:
    """Returns the trainer of a causal language model, with a new adapter where one is to be trained."""
    from trl import SFTConfig

    model = base.load_weights(params)
    if params.packing:
        check_packing(model)
        # nothing is padded, and without an attention mask the tokens that count could not be told from padding
        arguments = arguments | {"include_num_input_tokens_seen": "all"}
    return trainer_class(model, has_gpu=has_gpu())(
        model,
        args=SFTConfig(
            **arguments,
            neftune_noise_alpha=params.neftune_noise_alpha,
            # rows are tokenized, labelled, cut and packed already
            dataset_kwargs={"skip_prepare_dataset": True},
            max_length=None,
            # tells the collator that rows are packed
            packing=params.packing,
            prediction_loss_only=True,
        ),
        train_dataset=train,
        eval_dataset=validation,
        processing_class=tokenizer,
        peft_config=base.new_adapter(params),
    )


def encode_table(path: Path, encoder: Encoder, params: FineTuneParameters, max_length: int) -> polars.DataFrame:
    """Returns the token ids and labels of a table's rows, as they are trained on: `input_ids` and `labels`."""
    limits: dict[str, Any] = {"max_length": max_length, "truncate": params.truncate}  # Any: keyword arguments
    if params.messages is not None:
        chats = read_chats(path, params.messages, params.system_prompt)
        return encode_chats(chats, encoder, params.assistant_turns, **limits, where=str(path))
    if params.text is not None:
        return encode_texts(path, params.text, encoder.tokenizer, **limits, split=params.split)
    prompts, outputs = _read_asked(path, params)
    return encode_pairs(prompts, outputs, encoder, **limits, where=str(path))


def encode_sequence_table(
    path: Path, encoder: Encoder, params: FineTuneParameters, max_length: int
) -> polars.DataFrame:
    """Returns the token ids of a table's inputs and, as `labels`, of its outputs."""
    prompts, outputs = _read_asked(path, params)
    lengths = (max_length, params.max_output_length or max_length)
    return encode_sequences(prompts, outputs, encoder, lengths=lengths, truncate=params.truncate, where=str(path))


def _read_asked(path: Path, params: FineTuneParameters) -> tuple[list[str], list[str]]:
    """Returns what the model is asked, laid out, and what it has to answer."""
    assert params.inputs is not None
    assert params.outputs is not None
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
    return prompts, outputs


# Any: a tokenizer of transformers.
def _encoder(base: BaseModel, params: FineTuneParameters, tokenizer: Any, way: Way) -> Encoder:
    if params.chat_template is not None:
        if not base.is_chat:
            raise SettingsError(
                "the model is used without a chat template", where="chat_template", hint="leave one of the two out"
            )
        tokenizer.chat_template = params.chat_template
    return Encoder(tokenizer, base.is_chat and way != "text", params.system_prompt, base.template_values)


def _with_files(params: FineTuneParameters, context: Context, way: Way) -> FineTuneParameters:
    """Returns the parameters with those that are in files."""
    if params.instruction is not None or context.inputs.get("instruction"):
        if way != "pairs":
            raise SettingsError("an instruction goes with `inputs`", where="input.instruction", hint="leave it out")
        params = replace(params, instruction=read_instruction(context))
    if files := context.inputs.get("chat_template"):
        if params.chat_template is not None:
            raise SettingsError("the chat template is given both as a parameter and as a file", where="chat_template")
        params = replace(params, chat_template=read_words(files[0], "chat template"))
    return params
