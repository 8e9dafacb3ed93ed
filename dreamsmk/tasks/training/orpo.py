"""Odds ratio preference optimization (Hong et al. 2024, https://arxiv.org/abs/2403.07691), with TRL.

Contract: a row trains on the tokens that `preferences` makes of it; there is no reference model. All that can be wrong
with the rows or the model is found before the first step; a killed training ends with the weights of an unbroken one.
TRL calls its trainer experimental: what of it is used here, the tests hold.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dreamsmk.tasks.training.frame.base_model import base_model
from dreamsmk.tasks.training.frame.course import Course, starting
from dreamsmk.tasks.training.frame.launch import on_all_devices
from dreamsmk.tasks.training.frame.quiet import quiet_libraries
from dreamsmk.tasks.training.reference import policy
from dreamsmk.tasks.training.rows.examples import IGNORED, Encoder, dataset_of
from dreamsmk.tasks.training.rows.preferences import PairParameters, encode_pair_table, most_tokens
from dreamsmk.tasks.training.rows.prompts import with_instruction
from dreamsmk.tasks.training.stand_in import PAIR, put_rows, stand_ins, without_bars

if TYPE_CHECKING:
    import datasets
    import torch

    from dreamsmk.tasks.context import Context

METRICS = (
    "rewards/chosen",
    "rewards/rejected",
    "rewards/margins",
    "rewards/accuracies",
    "logps/chosen",
    "logps/rejected",
    "nll_loss",
    "log_odds_ratio",
    "log_odds_chosen",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrpoParameters(PairParameters):
    """The parameters; `rules/orpo/meta.yaml` says what each means."""


# Any: JSON values of every type.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of each output role: a folder has none."""
    return {"model": None}


# Any: JSON values of every type.
def rows(params: Mapping[str, Any], inputs: Mapping[str, int | None]) -> dict[str, int | None]:
    """Returns the number of rows of each output role: a folder has none."""
    return {"model": None}


@on_all_devices("model")
def orpo(context: Context) -> None:
    """Trains a model to write the chosen completions, and by far rather than the rejected ones.

    Raises:
        SettingsError: If the model or the parameters cannot be trained with.
        TableError: If a table is empty, a column is missing, or a row has no completions or twice the same.
        TrainingError: If the data do not fit the model, or the training broke off.
    """
    params = with_instruction(OrpoParameters.from_json(context.params), context)
    base = base_model(params.model, context.model(params.model).spec, params)
    with quiet_libraries():
        config, tokenizer = base.load_config("causal"), base.load_tokenizer()
        encoder, limit = Encoder.of(base, tokenizer, params.system_prompt), most_tokens(config, params)
        train = dataset_of(encode_pair_table(context.input("train"), encoder, params, limit))
        paths = context.inputs.get("validation") or []
        validation = dataset_of(encode_pair_table(paths[0], encoder, params, limit)) if paths else None

        course = Course(context, params, base, "orpo", len(train), len(validation or ()), metrics=METRICS)
        with starting(), without_bars():
            trainer = orpo_trainer(course, tokenizer, train, validation)
        course.run(trainer)
        course.leave(trainer, tokenizer)


# Any: the classes of transformers and TRL, which publish no types.
def orpo_trainer(course: Course, tokenizer: Any, train: datasets.Dataset, validation: datasets.Dataset | None) -> Any:
    """Returns TRL's trainer over encoded rows."""
    with warnings.catch_warnings():
        # that the trainer may change from one version of TRL to the next; ours is pinned
        warnings.filterwarnings("ignore", "You are importing from 'trl.experimental'")
        from trl.experimental.orpo import ORPOConfig, ORPOTrainer

    params, base = course.params, course.base
    assert isinstance(params, OrpoParameters)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    trainer = ORPOTrainer(
        policy(base, params),
        args=ORPOConfig(
            **course.arguments(),
            beta=params.beta,
            # rows are cut by encode_pair_table, and TRL's way to switch dropout off takes in the adapter's
            max_length=params.max_length,
            disable_dropout=False,
            # the columns are those of the collator, not of the model
            remove_unused_columns=False,
            prediction_loss_only=True,
        ),
        **stand_ins(PAIR, validates=validation is not None),
        processing_class=tokenizer,
        peft_config=base.new_adapter(params),
    )
    trainer.data_collator = PairBatch(tokenizer.pad_token_id)
    put_rows(trainer, train, validation)
    return trainer


@dataclass(frozen=True, slots=True)
class PairBatch:
    """Puts encoded pairs into a batch as TRL's trainer reads it, with padding behind them.

    It holds `chosen_…` and `rejected_…` `input_ids`, `attention_mask` and `labels`, all of the shape (rows, tokens),
    and, for the count of tokens seen, both together as `input_ids` and `attention_mask`, of (2 x rows, tokens).
    """

    pad_token_id: int

    def __call__(self, examples: Sequence[Mapping[str, list[int]]]) -> dict[str, torch.Tensor]:
        """Returns the batch."""
        import torch

        prompts = [example["prompt_ids"] for example in examples]
        texts = {name: [example[f"{name}_ids"] for example in examples] for name in ("chosen", "rejected")}
        width = max(len(p) + len(t) for column in texts.values() for p, t in zip(prompts, column, strict=True))
        batch: dict[str, torch.Tensor] = {}
        for name, column in texts.items():
            pairs = list(zip(prompts, column, strict=True))
            padded = {
                "input_ids": [_pad(p + t, width, self.pad_token_id) for p, t in pairs],
                "attention_mask": [_pad([1] * (len(p) + len(t)), width, 0) for p, t in pairs],
                "labels": [_pad([IGNORED] * len(p) + t, width, IGNORED) for p, t in pairs],
            }
            batch |= {f"{name}_{key}": torch.tensor(values) for key, values in padded.items()}
        for key in ("input_ids", "attention_mask"):
            batch[key] = torch.cat([batch[f"chosen_{key}"], batch[f"rejected_{key}"]])
        return batch


def _pad(ids: list[int], width: int, value: int) -> list[int]:
    return ids + [value] * (width - len(ids))
