"""Trains a model by the rewards of what it writes, with TRL's RLOO or GRPO.

Contract: all that can be wrong with the prompts, the model or the rewards before anything is written is found before
the first step. A step learns from `batch_size` completions of `batch_size / num_generations` prompts; prompts that fill
no batch at the end of an epoch wait for another epoch's order. A killed training goes on from its newest whole
checkpoint and ends with the weights of an unbroken one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from dreamsmk.errors import SettingsError, TableError, TrainingError
from dreamsmk.tables import write_table
from dreamsmk.tasks.training.frame.base_model import BaseModel, base_model
from dreamsmk.tasks.training.frame.course import Course, starting
from dreamsmk.tasks.training.frame.launch import on_all_devices
from dreamsmk.tasks.training.frame.quiet import quiet_libraries
from dreamsmk.tasks.training.rewards.readers import label_reward, model_reward
from dreamsmk.tasks.training.rewards.rollouts import (
    METRICS,
    Algorithm,
    as_function,
    prompt_dataset,
    rollout_trainer,
    sample_columns,
    sample_table,
)
from dreamsmk.tasks.training.rewards.sources import Prompts, Reward, function_references, function_reward, reward_names
from dreamsmk.tasks.training.rows.examples import Encoder, rows_in_words
from dreamsmk.tasks.training.rows.prompts import PromptParameters, with_instruction

if TYPE_CHECKING:
    from dreamsmk.tasks.context import Context


@dataclass(frozen=True, slots=True, kw_only=True)
class RlhfParameters(PromptParameters):
    """The parameters; `rules/rlhf/meta.yaml` says what each means."""

    NOT_TOLD: ClassVar[frozenset[str]] = PromptParameters.NOT_TOLD

    algorithm: Algorithm
    reward_model: str | None
    task_model: str | None
    label: str | None
    task_input: str
    reward_function: str | tuple[str, ...] | None
    reward_weights: Mapping[str, float]
    num_generations: int
    max_completion_length: int
    temperature: float
    top_p: float
    top_k: int | None
    beta: float
    num_iterations: int
    epsilon: float
    epsilon_high: float | None
    loss_type: str
    scale_rewards: str
    mask_truncated_completions: bool


# Any: JSON values of every type.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of each output role: a folder has none.

    Raises:
        SettingsError: There is no reward, or a batch does not hold whole groups of completions.
    """
    check_groups(params)
    return {"model": None, "samples": sample_columns(reward_names(params))}


# Any: JSON values of every type.
def rows(params: Mapping[str, Any], inputs: Mapping[str, int | None]) -> dict[str, int | None]:
    """Returns the number of rows of each output role: a folder has none."""
    return {"model": None, "samples": None}


# Any: JSON values of every type.
def check_groups(params: Mapping[str, Any]) -> None:
    """Raises where a batch is no whole number of groups of completions of one prompt."""
    if params["batch_size"] % params["num_generations"]:
        raise SettingsError(
            f"a batch of {params['batch_size']} completions cannot hold groups of {params['num_generations']}",
            where="num_generations",
            hint="batch_size counts completions: choose a multiple of num_generations for it",
        )


@on_all_devices("model", "reward_model", "task_model")
def rlhf(context: Context) -> None:
    """Trains a model to write what gets more reward.

    Raises:
        SettingsError: If the models or the parameters cannot be trained with.
        TableError: If a table is empty, or a column is missing or has cells without a value.
        TrainingError: If the prompts do not fit a model, a reward is none, or the training broke off.
    """
    check_groups(context.params)
    names = reward_names(context.params)
    params = with_instruction(RlhfParameters.from_json(context.params), context)
    base = base_model(params.model, context.model(params.model).spec, params)
    tables = _tables(context, params)
    with quiet_libraries():
        config, tokenizer = base.load_config("causal"), base.load_tokenizer()
        encoder = Encoder.of(base, tokenizer, params.system_prompt)
        for table in tables:
            check_prompts(table, encoder, config, params)
        rewards = _rewards(context, params, tables)

        validation_rows = sum(len(table.texts) for table in tables[1:])
        course = Course(
            context,
            params,
            base,
            "rlhf",
            len(tables[0].texts),
            validation_rows,
            metrics=(*METRICS, *(f"rewards/{name}/{what}" for name in names for what in ("mean", "std"))),
            judged_by="eval_reward",
            is_higher_better=True,
            # the completions that several steps learn from are in no checkpoint
            obstacle="" if params.num_iterations == 1 else "`num_iterations` steps learn from the same completions",
            others=tuple(alias for alias in (params.reward_model, params.task_model) if alias is not None),
            functions=tuple(function_references(context.params)),
            steps_per_epoch=_prompts_per_epoch(tables[0], params) * params.num_iterations,
            save_stride=params.num_iterations,
        )
        with starting():
            trainer = _trainer(course, params, encoder, tables, rewards)
        course.run(trainer)
        curve = [entry["reward"] for entry in trainer.state.log_history if entry.get("reward") is not None]
        told = {"first_reward": curve[0], "final_reward": curve[-1]} if curve else {}
        course.leave(trainer, tokenizer, algorithm=params.algorithm, rewards=names, **told)
        if "samples" in context.outputs and trainer.is_world_process_zero():
            weights = [params.reward_weights.get(name, 1.0) for name in names]
            write_table(sample_table(trainer, tables[0], names, weights), context.output("samples"))


def check_prompts(table: Prompts, encoder: Encoder, config: Any, params: RlhfParameters) -> None:
    """Raises where a prompt leaves no room for the longest completion. `config` is that of the model."""
    room = getattr(config.get_text_config(), "max_position_embeddings", None)
    lengths = [len(ids) for ids in encoder.prompts(table.texts)]
    empty = [row for row, length in enumerate(lengths) if not length]
    if empty:
        raise TableError("there are prompts without a token", where=f"{table.path}, {rows_in_words(empty)}")
    if room is None:
        return
    long = [row for row, length in enumerate(lengths) if length + params.max_completion_length > room]
    if long:
        raise TrainingError(
            f"{len(long)} prompts and {params.max_completion_length} new tokens have more than {room} tokens",
            where=f"{table.path}, {rows_in_words(long)}",
            hint="lower max_completion_length, or shorten these prompts",
        )


def _tables(context: Context, params: RlhfParameters) -> list[Prompts]:
    """Returns the prompts to learn on and, where there are any, those to validate on."""
    paths: list[Path] = [context.input("train"), *(context.inputs.get("validation") or [])[:1]]
    tables = [Prompts.read(path, params) for path in paths]
    _prompts_per_epoch(tables[0], params)
    return tables


def _prompts_per_epoch(table: Prompts, params: RlhfParameters) -> int:
    """Returns the batches that the prompts of a table fill."""
    needed = params.batch_size // params.num_generations
    if len(table.texts) < needed:
        raise TableError(
            f"a step learns from {needed} prompts, and the table has {len(table.texts)}",
            where=str(table.path),
            hint=f"lower batch_size to {len(table.texts) * params.num_generations} or less, or raise num_generations",
        )
    return len(table.texts) // needed


def _rewards(context: Context, params: RlhfParameters, tables: Sequence[Prompts]) -> list[Reward]:
    """Returns the rewards, in the order of `reward_names`; models are loaded."""
    found = []
    if params.reward_model is not None:
        spec = context.model(params.reward_model).spec
        score = model_reward(params.reward_model, spec, tables, params.system_prompt, context.progress)
        found.append(Reward(params.reward_model, score))
    if params.task_model is not None and params.label is not None:
        spec = context.model(params.task_model).spec
        separator = params.separator if params.task_input == "conversation" else None
        found.append(Reward(params.task_model, label_reward(params.task_model, spec, params.label, separator, tables)))
    return [*found, *(function_reward(reference, tables) for reference in function_references(context.params))]


# Any: the trainers of TRL, which publish no types.
def _trainer(
    course: Course, params: RlhfParameters, encoder: Encoder, tables: Sequence[Prompts], rewards: Sequence[Reward]
) -> Any:
    base = course.base
    sets = [
        prompt_dataset(table, number, is_chat=encoder.is_chat, system_prompt=params.system_prompt)
        for number, table in enumerate(tables)
    ]
    trainer = rollout_trainer(params.algorithm)(
        base.load_weights(params),
        reward_funcs=[as_function(reward, tables) for reward in rewards],
        args=_config(course, params, [params.reward_weights.get(reward.name, 1.0) for reward in rewards]),
        train_dataset=sets[0],
        eval_dataset=sets[1] if len(sets) > 1 else None,
        processing_class=encoder.tokenizer,
        peft_config=base.new_adapter(params),
    )
    trainer.encoder = encoder
    return trainer


# Any: as above.
def _config(course: Course, params: RlhfParameters, weights: Sequence[float]) -> Any:
    from trl import GRPOConfig, RLOOConfig

    arguments = course.arguments()
    # a validation, too, compares whole groups
    groups = max(1, arguments["per_device_eval_batch_size"] // params.num_generations)
    arguments["per_device_eval_batch_size"] = groups * params.num_generations
    given = {
        # else all but the first process say of each step that its tokens are not counted: TRL counts them itself
        "log_level_replica": "error",
        "num_generations": params.num_generations,
        "max_completion_length": params.max_completion_length,
        "temperature": params.temperature,
        "top_p": params.top_p,
        "top_k": params.top_k or 0,
        "beta": params.beta,
        "num_iterations": params.num_iterations,
        "epsilon": params.epsilon,
        "epsilon_high": params.epsilon_high,
        "mask_truncated_completions": params.mask_truncated_completions,
        "reward_weights": list(weights),
        "shuffle_dataset": True,
        "model_init_kwargs": _reference_arguments(course.base, params),
    }
    if params.algorithm == "rloo":
        return RLOOConfig(**arguments, **given)
    return GRPOConfig(**arguments, **given, loss_type=params.loss_type, scale_rewards=params.scale_rewards)


# Any: arguments of every type.
def _reference_arguments(base: BaseModel, params: RlhfParameters) -> dict[str, Any] | None:
    """Returns how TRL has to load the model that the training began with, where it is in no adapter's base."""
    if params.lora is not None or not params.beta or base.spec.revision is None:
        return None
    return {"revision": base.spec.revision}
