"""Supervised fine-tuning of a local model on the rows of a table, with TRL and, unless it is switched off, LoRA.

Contract: the loss counts the tokens of the output alone. All that can be wrong with the data or the model is found
before the first step. A killed training goes on from its newest whole checkpoint and ends with the weights of an
unbroken one; the same parameters and data on the same machine give the same weights.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import MissingExtra, TrainingError
from dreamsmk.tasks.prompting.instruction import read_instruction
from dreamsmk.tasks.prompting.layout import process_prompt
from dreamsmk.tasks.training.base_model import BaseModel
from dreamsmk.tasks.training.checkpoints import newest_whole_checkpoint
from dreamsmk.tasks.training.examples import Encoder, encode_pairs, read_pairs
from dreamsmk.tasks.training.history import history_table
from dreamsmk.tasks.training.model_folder import write_model_folder
from dreamsmk.tasks.training.output_loss import trainer_class
from dreamsmk.tasks.training.parameters import FineTuneParameters
from dreamsmk.tasks.training.quiet import quiet_libraries
from dreamsmk.tasks.training.watch import Plan, watch

if TYPE_CHECKING:
    import datasets
    import peft
    import polars
    import trl

    from dreamsmk.tasks.context import Context


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
    base = BaseModel(params.model, context.model(params.model).spec)
    base.check_spec()
    with quiet_libraries():
        config, tokenizer = base.load_config(), base.load_tokenizer()
        encoder = Encoder(tokenizer, is_chat=base.is_chat, system_prompt=params.system_prompt)
        limit = min(params.max_length, getattr(config, "max_position_embeddings", None) or params.max_length)
        train = encode_table(context.input("train"), encoder, params, limit)
        paths = context.inputs.get("validation") or []
        validation = encode_table(paths[0], encoder, params, limit) if paths else None
        _train(context, params, base, tokenizer=tokenizer, train=train, validation=validation)


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


def _train(
    context: Context,
    params: FineTuneParameters,
    base: BaseModel,
    *,
    tokenizer: Any,  # transformers publishes no types
    train: polars.DataFrame,
    validation: polars.DataFrame | None,
) -> None:
    checkpoints = context.scratch / "checkpoints"
    checkpoint = newest_whole_checkpoint(checkpoints)
    # an adapter's frozen base may be coarse, but weights that are trained need fp32: small updates would vanish
    is_mixed = params.precision == "bf16" and params.lora is None
    model = base.load_weights("fp32" if is_mixed else params.precision)
    args = _arguments(params, checkpoints, is_mixed=is_mixed, eval_first=validation is not None and checkpoint is None)
    trainer = _trainer(params, model, args, tokenizer=tokenizer, train=train, validation=validation)
    trainer.add_callback(watch(context.progress, _plan(params, train.height, validation is not None)))
    if checkpoint is not None:
        context.progress.note(f"going on from {checkpoint.name}")
    before, started = _seen(checkpoint), time.monotonic()
    _run(trainer, checkpoint)
    seconds = time.monotonic() - started
    if trainer.state.global_step < trainer.state.max_steps:
        raise TrainingError(f"the training stopped at step {trainer.state.global_step} of {trainer.state.max_steps}")

    model = trainer.accelerator.unwrap_model(trainer.model)
    history = history_table(trainer.state.log_history)
    context.facts["training"] = {
        "base_model": base.spec.model,
        "method": "lora" if params.lora else "full",
        "hyper_parameters": params.hyper_parameters(),
        "train_rows": train.height,
        "validation_rows": validation.height if validation is not None else 0,
        "trainable_parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "total_parameters": sum(p.numel() for p in model.parameters()),
        **_course(trainer.state, history, before, seconds),
    }
    if is_mixed:
        model.bfloat16()
    write_model_folder(context.output("model"), model, tokenizer, spec=base.spec, history=history)


def _plan(params: FineTuneParameters, rows: int, has_validation: bool) -> Plan:
    batches = math.ceil(rows / params.device_batch_size)
    steps_per_epoch = math.ceil(batches / params.gradient_accumulation_steps)
    return Plan(validate_every=steps_per_epoch if has_validation else None, save_steps=params.save_steps)


# Any: transformers publishes no types; JSON values of every type.
def _course(state: Any, history: polars.DataFrame, before: tuple[int, int], seconds: float) -> dict[str, Any]:
    """Returns what the record says of how the training went, `seconds` after the steps and tokens `before`."""
    steps_before, tokens_before = before
    losses = history["loss"].drop_nulls()
    return {
        "steps": state.global_step,
        "steps_before_resuming": steps_before,
        "epochs": round(state.epoch, 4),
        "tokens": state.num_input_tokens_seen,
        "tokens_per_second": round((state.num_input_tokens_seen - tokens_before) / seconds, 1),
        "first_loss": losses[0],
        "final_loss": losses[-1],
        "eval_loss": history.select("step", "eval_loss").drop_nulls().to_dicts(),
    }


def _trainer(
    params: FineTuneParameters,
    model: Any,  # transformers publishes no types
    args: trl.SFTConfig,
    *,
    tokenizer: Any,  # transformers publishes no types
    train: polars.DataFrame,
    validation: polars.DataFrame | None,
) -> trl.SFTTrainer:
    from transformers import PrinterCallback

    try:
        trainer = trainer_class(model, has_gpu=not args.use_cpu)(
            model,
            args=args,
            train_dataset=_dataset(train),
            eval_dataset=_dataset(validation) if validation is not None else None,
            processing_class=tokenizer,
            peft_config=_lora_config(params),
        )
    except ValueError as exc:
        raise TrainingError(f"the training cannot start: {str(exc).strip().splitlines()[0]}") from exc
    trainer.remove_callback(PrinterCallback)
    return trainer


def _arguments(params: FineTuneParameters, checkpoints: Path, *, is_mixed: bool, eval_first: bool) -> trl.SFTConfig:
    try:
        from trl import SFTConfig
    except ImportError as exc:
        raise MissingExtra(exc.name or "trl", "train") from exc
    has_gpu = _has_gpu()
    return SFTConfig(
        output_dir=str(checkpoints),
        **_optimization(params),
        # the defaults of TRL are bf16 and gradient checkpointing, which stop a CPU or slow it down
        bf16=is_mixed,
        fp16=False,
        activation_checkpointing=params.gradient_checkpointing,
        use_cpu=not has_gpu,
        dataloader_pin_memory=has_gpu,
        # rows are tokenized, labelled and cut by encode_pairs
        dataset_kwargs={"skip_prepare_dataset": True},
        max_length=None,
        packing=False,
        # each step is logged: a window that a checkpoint falls into would not survive it. The filter hides NaN
        logging_strategy="steps",
        logging_steps=1,
        logging_nan_inf_filter=False,
        include_num_input_tokens_seen="non_padding",
        # `watch` says when; two, since the older one counts until the newer one is whole
        save_strategy="no",
        save_total_limit=2,
        eval_strategy="no",
        eval_on_start=eval_first,
        prediction_loss_only=True,
        report_to="none",
        disable_tqdm=True,
    )


# Any: arguments of every type.
def _optimization(params: FineTuneParameters) -> dict[str, Any]:
    return {
        "num_train_epochs": params.epochs,
        "max_steps": params.max_steps or -1,
        "per_device_train_batch_size": params.device_batch_size,
        "per_device_eval_batch_size": params.device_batch_size,
        "gradient_accumulation_steps": params.gradient_accumulation_steps,
        "learning_rate": params.learning_rate,
        "lr_scheduler_type": params.lr_scheduler,
        "warmup_steps": params.warmup_steps,
        "weight_decay": params.weight_decay,
        "max_grad_norm": params.max_grad_norm,
        "neftune_noise_alpha": params.neftune_noise_alpha,
        "seed": params.seed,
        "data_seed": params.seed,
    }


def _has_gpu() -> bool:
    import torch

    if torch.cuda.device_count() > 1:
        raise TrainingError(
            f"the job sees {torch.cuda.device_count()} GPUs, but fine_tune uses one", hint="set CUDA_VISIBLE_DEVICES"
        )
    return bool(torch.cuda.is_available())


def _lora_config(params: FineTuneParameters) -> peft.LoraConfig | None:
    if params.lora is None:
        return None
    from peft import LoraConfig

    modules = params.lora.target_modules
    return LoraConfig(
        r=params.lora.r,
        lora_alpha=params.lora.alpha,
        lora_dropout=params.lora.dropout,
        target_modules=modules if isinstance(modules, str) else list(modules),
        task_type="CAUSAL_LM",
    )


def _dataset(frame: polars.DataFrame) -> datasets.Dataset:
    from datasets import Dataset

    # in memory: a dataset that is never mapped leaves no cache file
    return Dataset.from_dict(frame.to_dict(as_series=False))


def _run(trainer: trl.SFTTrainer, checkpoint: Path | None) -> None:
    import torch

    try:
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    except torch.OutOfMemoryError as exc:
        raise TrainingError(
            "the GPU has too little memory for the batch",
            hint="raise gradient_accumulation_steps, set gradient_checkpointing, or lower max_length",
        ) from exc


def _seen(checkpoint: Path | None) -> tuple[int, int]:
    """Returns the steps and the tokens that a checkpoint has behind it."""
    if checkpoint is None:
        return 0, 0
    from transformers import TrainerState

    state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
    return state.global_step, state.num_input_tokens_seen
