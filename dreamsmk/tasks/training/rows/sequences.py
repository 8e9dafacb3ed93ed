"""Fine-tuning of models that read one sequence and write another, such as T5 and BART.

Contract: the encoder reads the prompt, and the decoder learns each token of the output from those before it (teacher
forcing). The loss counts the tokens of the output alike, however a batch is split into parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import SettingsError, TrainingError
from dreamsmk.tasks.training.frame.devices import process_count
from dreamsmk.tasks.training.rows.examples import IGNORED, Encoder, rows_in_words

if TYPE_CHECKING:
    import datasets
    import polars
    import torch
    import transformers

    from dreamsmk.tasks.training.fine_tune_parameters import FineTuneParameters, Way
    from dreamsmk.tasks.training.frame.base_model import BaseModel


def check_sequences(params: FineTuneParameters, way: Way) -> None:
    """Refuses what there is for language models alone.

    Raises:
        SettingsError: Rows are no questions and answers, or are to be packed, or weights are to be shared out.
    """
    if params.is_shared_out(process_count()):
        raise SettingsError(
            "the encoder and the decoder of a sequence-to-sequence model have weights in common, which FSDP2 cannot "
            "share out",
            where="sharding",
            hint="leave it out",
        )
    if way != "pairs":
        raise SettingsError(
            "a sequence-to-sequence model learns to answer one text with another",
            where=way,
            hint="give inputs and outputs",
        )
    if params.packing:
        raise SettingsError(
            "the rows of a sequence-to-sequence model cannot be packed", where="packing", hint="leave it out"
        )


def encode_sequences(
    prompts: Sequence[str],
    outputs: Sequence[str],
    encoder: Encoder,
    *,
    lengths: tuple[int, int],
    truncate: bool,
    where: str,
) -> polars.DataFrame:
    """Returns a table with the columns `input_ids`, what the encoder reads, and `labels`, what the decoder writes.

    Args:
        prompts: What the model is asked.
        outputs: What it has to answer.
        encoder: Turns prompts into token ids.
        lengths: The most tokens of a prompt and of an output.
        truncate: Whether the ends of longer ones are cut off, rather than being an error.
        where: What to call the table in errors.

    Raises:
        TrainingError: Prompts or outputs are too long.
    """
    import polars as pl

    end = encoder.tokenizer.eos_token_id
    read = encoder.prompts(prompts)
    written = encoder.tokenizer(text_target=list(outputs))["input_ids"]
    written = [ids if ids[-1:] == [end] else [*ids, end] for ids in written]
    for what, rows, length, name in (
        ("prompts", read, lengths[0], "max_length"),
        ("outputs", written, lengths[1], "max_output_length"),
    ):
        too_long = [row for row, ids in enumerate(rows) if len(ids) > length]
        if too_long and not truncate:
            raise TrainingError(
                f"{len(too_long)} {what} have more than {length} tokens",
                where=f"{where}, {rows_in_words(too_long)}",
                hint=f"raise {name}, shorten these rows, or set `truncate: true` to cut their ends off",
            )
    cut = [ids if len(ids) <= lengths[0] else _cut(ids, lengths[0], end) for ids in read]
    schema = {"input_ids": pl.List(pl.Int64), "labels": pl.List(pl.Int64)}
    return pl.DataFrame({"input_ids": cut, "labels": [ids[: lengths[1]] for ids in written]}, schema=schema)


# Any: arguments of every type, and the trainer of transformers, which publishes no types.
def sequence_trainer(
    base: BaseModel,
    params: FineTuneParameters,
    arguments: dict[str, Any],
    tokenizer: Any,
    train: datasets.Dataset,
    validation: datasets.Dataset | None,
) -> Any:
    """Returns the trainer of a sequence-to-sequence model, with a new adapter where one is to be trained."""
    from transformers import DataCollatorForSeq2Seq, Trainer, TrainingArguments, set_seed

    model = base.load_weights(params, "seq2seq")
    adapter = base.new_adapter(params, "seq2seq")
    collator = DataCollatorForSeq2Seq(tokenizer, model=_bare(model), label_pad_token_id=IGNORED)
    if adapter is not None:
        from peft import get_peft_model

        set_seed(params.seed)
        model = get_peft_model(model, adapter)
    if params.gradient_checkpointing and hasattr(model, "peft_config"):
        # else nothing that a checkpointed layer is given asks for a gradient
        model.enable_input_require_grads()
    return Trainer(
        model,
        args=TrainingArguments(**arguments, neftune_noise_alpha=params.neftune_noise_alpha, prediction_loss_only=True),
        data_collator=collator,
        train_dataset=train,
        eval_dataset=validation,
        processing_class=tokenizer,
        # the models themselves take the mean of each part of a batch
        compute_loss_func=decoder_loss,
    )


def decoder_loss(
    outputs: transformers.modeling_outputs.Seq2SeqLMOutput,
    labels: torch.Tensor,
    num_items_in_batch: torch.Tensor | int | None = None,
) -> torch.Tensor:
    """Returns the negative log-likelihood of the outputs.

    Args:
        outputs: Their `logits` are of shape (rows, tokens, vocabulary).
        labels: Of shape (rows, tokens).
        num_items_in_batch: What the sum is divided by: the labelled tokens of all the parts of a batch. Their number in
            `labels` if absent.
    """
    from torch.nn.functional import cross_entropy

    logits = outputs.logits
    total = cross_entropy(logits.flatten(0, 1).float(), labels.flatten(), ignore_index=IGNORED, reduction="sum")
    return total / ((labels != IGNORED).sum() if num_items_in_batch is None else num_items_in_batch)


# Any: transformers and peft publish no types.
def _bare(model: Any) -> Any:
    return model.get_base_model() if hasattr(model, "peft_config") else model


def _cut(ids: list[int], length: int, end: int) -> list[int]:
    """Returns the beginning of a sequence; where it is closed by a token, still closed by it."""
    return [*ids[: length - 1], end] if ids[-1] == end else ids[:length]
