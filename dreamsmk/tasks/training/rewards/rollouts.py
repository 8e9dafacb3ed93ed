"""TRL's trainers that learn from the rewards of what a model writes, so that they can be stopped at any step.

Contract: the prompts of each epoch, and all that is drawn at random, are the same in a resumed run as in an unbroken
one. A validation leaves the random numbers of the training as they were, and draws the same ones each time. What was
written first and last is kept.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from dreamsmk.tasks.training.rewards.sources import Prompts, Reward
from dreamsmk.tasks.training.rows.examples import Encoder

if TYPE_CHECKING:
    import datasets
    import polars

Algorithm = Literal["rloo", "grpo"]

METRICS = (
    "reward",
    "reward_std",
    "kl",
    "entropy",
    "completions/mean_length",
    "completions/min_length",
    "completions/max_length",
    "completions/clipped_ratio",
    "frac_reward_zero_std",
    "clip_ratio/region_mean",
)
SAMPLED = 8
"""Completions that are kept of the first step, and of the last."""

_FIRST = "first_completions"


# Any: the classes of TRL, which publishes no types; so in the methods below
def rollout_trainer(algorithm: Algorithm) -> Any:
    """Returns TRL's trainer of an algorithm, with what resuming and looking at samples needs.

    An instance is given its `encoder`, and has in `last_completions` what was written last.
    """
    import torch
    from trl import GRPOTrainer, RLOOTrainer
    from trl.trainer.utils import RepeatSampler

    class Order(RepeatSampler):  # type: ignore[misc]  # TRL publishes no types
        """The order of the prompts, in which each epoch is another one whether or not the earlier ones were run."""

        trainer: Any = None

        def __iter__(self) -> Iterator[int]:
            steps = self.num_samples // self.batch_size * self.repeat_count
            steps //= self.trainer.args.gradient_accumulation_steps
            epoch = self.trainer.state.global_step // steps
            self.generator.manual_seed(self.seed)
            for _ in range(epoch):
                torch.randperm(self.num_samples, generator=self.generator)
            return super().__iter__()  # type: ignore[no-any-return]

    base = {"rloo": RLOOTrainer, "grpo": GRPOTrainer}[algorithm]

    class RolloutTrainer(base):  # type: ignore[misc, valid-type]
        encoder: Encoder
        last_completions: dict[str, Any] | None = None

        def _tokenize_prompts(self, prompts: Any) -> tuple[list[list[int]], None, dict[str, Any]]:
            # by the encoder that the prompts were checked with, and that tells a template the same day every day
            if self.encoder.is_chat:
                return self.encoder.render(prompts, add_generation_prompt=True)["input_ids"], None, {}
            return self.encoder.prompts(prompts), None, {}

        def _get_train_sampler(self, dataset: Any = None) -> Any:
            plain = super()._get_train_sampler(dataset)
            order = Order(
                plain.data_source, plain.mini_repeat_count, plain.batch_size, plain.repeat_count, seed=plain.seed
            )
            order.trainer = self
            return order

        def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
            with _random_numbers_of(self.args.seed + self.args.process_index):
                return super().evaluate(*args, **kwargs)  # type: ignore[no-any-return]

        def _calculate_rewards(self, inputs: Any, prompts: Any, completions: Any, *args: Any) -> Any:
            rewards = super()._calculate_rewards(inputs, prompts, completions, *args)
            if self.model.training:
                self._keep(inputs, completions, rewards)
            return rewards

        def _keep(self, inputs: Any, completions: Any, rewards: Any) -> None:
            # the rewards are those of all processes, and the first one's stand first; it alone tells its samples
            count = min(SAMPLED, len(inputs))
            self.last_completions = {
                "step": self.state.global_step + 1,
                "rows": [each["row"] for each in inputs[:count]],
                "completions": [text_of(each) for each in completions[:count]],
                "rewards": [[None if math.isnan(each) else each for each in row] for row in rewards[:count].tolist()],
            }
            if self.state.global_step == 0 and not first_completions(self.state.log_history):
                # the log is part of every checkpoint
                self.state.log_history.append({"step": 0, _FIRST: self.last_completions})

    return RolloutTrainer


@contextmanager
def _random_numbers_of(seed: int) -> Iterator[None]:
    """Within it the random numbers are those of a seed; after it those from before it go on."""
    import random

    import numpy as np
    import torch
    from transformers import set_seed

    states = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[torch.cuda.current_device()] if torch.cuda.is_available() else []):
        set_seed(seed)
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])


# Any: a completion as TRL has it: a text, or a list with the message.
def text_of(completion: Any) -> str:
    """Returns the text of a completion."""
    return completion if isinstance(completion, str) else str(completion[0]["content"] or "")


# Any: as above; a function that TRL calls.
def as_function(reward: Reward, tables: Sequence[Prompts]) -> Any:
    """Returns a reward as TRL calls it, over rows of `prompt_dataset`."""

    def function(*, completions: Sequence[Any], table: Sequence[int], row: Sequence[int], **_: Any) -> Any:
        # a batch is of one table: that of the training, or that of the validation
        return reward.score(tables[table[0]], row, [text_of(each) for each in completions])

    function.__name__ = reward.name
    return function


def prompt_dataset(prompts: Prompts, table: int, *, is_chat: bool, system_prompt: str | None) -> datasets.Dataset:
    """Returns prompts as TRL reads them, with the number of their table and of their row.

    No further column is among them: TRL takes some names to mean images or tools.
    """
    from datasets import Dataset

    system = [] if system_prompt is None else [{"role": "system", "content": system_prompt}]
    asked = [[*system, {"role": "user", "content": text}] if is_chat else text for text in prompts.texts]
    count = len(prompts.texts)
    return Dataset.from_dict({"prompt": asked, "table": [table] * count, "row": list(range(count))})


# Any: log entries of transformers.
def first_completions(log: Sequence[Any]) -> Any:
    """Returns what was written in the first step, from the log of a trainer; None where nothing was yet."""
    return next((entry[_FIRST] for entry in log if _FIRST in entry), None)


# Any: a trainer.
def sample_table(trainer: Any, prompts: Prompts, names: Sequence[str], weights: Sequence[float]) -> polars.DataFrame:
    """Returns what was written in the first and in the last step.

    Columns: `step`, `row`, `prompt`, `completion`, `reward` (the weighted sum), and one a reward where there are
    several.
    """
    import polars as pl

    first, last = first_completions(trainer.state.log_history), trainer.last_completions
    batches = [first] if first["step"] == last["step"] else [first, last]
    made: dict[str, list[Any]] = {name: [] for name in sample_columns(names)}
    for batch in batches:
        for row, completion, rewards in zip(batch["rows"], batch["completions"], batch["rewards"], strict=True):
            known = [weight * value for weight, value in zip(weights, rewards, strict=True) if value is not None]
            cells = [batch["step"], row, prompts.texts[row], completion, sum(known) if known else None]
            for column, cell in zip(made, [*cells, *rewards], strict=False):
                made[column].append(cell)
    types = dict.fromkeys(made, pl.Float64) | {"step": pl.Int64, "row": pl.Int64}
    return pl.DataFrame(made, schema=types | {"prompt": pl.String, "completion": pl.String})


def sample_columns(names: Sequence[str]) -> list[str]:
    """Returns the columns of a table of samples."""
    return ["step", "row", "prompt", "completion", "reward", *(names if len(names) > 1 else [])]
