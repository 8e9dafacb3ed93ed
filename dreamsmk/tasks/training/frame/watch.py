"""What is done between the steps of a training: progress, validation, checkpoints, and the end of a broken run.

Contract: a step is validated before it is checkpointed, and never the other way round. A validation draws random
numbers, so that a run resumed from a checkpoint written before it would end with other weights than an unbroken one.
What is decided between two steps follows from the log, which checkpoints keep, and is decided alike in all processes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import TrainingError

if TYPE_CHECKING:
    from transformers import TrainerCallback

    from dreamsmk.tasks.context import Progress

CHECKPOINT_SECONDS = 300.0
"""How often a checkpoint is written where the user says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """When to do what.

    Attributes:
        validate_every: Steps from one validation to the next; none where there is nothing to validate on.
        save_steps: Steps from one checkpoint to the next; none for one every `CHECKPOINT_SECONDS`.
        save_stride: Checkpoints are written at multiples of so many steps; one that is due before waits for the next.
        saves_best: Whether the weights of the best validation are kept as a checkpoint.
        saves_last: Whether the last step is checkpointed too, for a longer training to go on from.
        patience: Validations without a better one after which the training ends.
        judged_by: The number that says which validation is better.
        is_higher_better: Whether more of it is.
    """

    validate_every: int | None
    save_steps: int | None
    save_stride: int = 1
    saves_best: bool = False
    saves_last: bool = False
    patience: int | None = None
    judged_by: str = "eval_loss"
    is_higher_better: bool = False

    # Any: log entries of transformers, numbers of every type.
    def best_step(self, log: Iterable[Mapping[str, Any]]) -> int | None:
        """Returns the step whose validation was the best, the first of equals; that before the training is none."""
        return self._best(log)[0]

    # Any: as above.
    def is_patience_over(self, log: Iterable[Mapping[str, Any]]) -> bool:
        """Says whether there were too many validations in a row that were no better."""
        return self.patience is not None and self._best(log)[1] >= self.patience

    # Any: as above.
    def _best(self, log: Iterable[Mapping[str, Any]]) -> tuple[int | None, int]:
        found, best, since = None, math.inf, 0
        for entry in log:
            if self.judged_by not in entry or not entry["step"]:
                continue
            value = -entry[self.judged_by] if self.is_higher_better else entry[self.judged_by]
            if value < best:
                found, best, since = entry["step"], value, 0
            else:
                since += 1
        return found, since


def watch(progress: Progress, plan: Plan) -> TrainerCallback:
    """Returns the callback that carries out a plan.

    Its methods raise TrainingError, naming the step, as soon as a loss or a gradient is not finite.
    """
    from transformers import TrainerCallback

    class Watch(TrainerCallback):  # type: ignore[misc]  # transformers publishes no types
        started, saved, tokens_before = 0.0, 0.0, 0

        # Any: the arguments of transformers, which publishes no types; so in the methods below
        def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if not self.started:
                self.started = self.saved = time.monotonic()
                self.tokens_before = state.num_input_tokens_seen

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
            step, is_last = state.global_step, state.global_step >= state.max_steps
            if plan.validate_every:
                control.should_evaluate = is_last or step % plan.validate_every == 0
            if step % plan.save_stride:
                is_due = False
            elif plan.save_steps:
                is_due = step % plan.save_steps < plan.save_stride
            else:
                is_due = _of_the_first(time.monotonic() - self.saved >= CHECKPOINT_SECONDS, args)
            # nothing resumes from the last step: transformers would train on, past the end
            control.should_save = plan.saves_last if is_last else is_due
            return control

        def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
            step = state.global_step
            if not step:
                return control
            if plan.saves_best and plan.best_step(state.log_history) == step:
                # else the oldest checkpoint makes room for a newer one, this one too
                state.best_global_step = step
                state.best_model_checkpoint = f"{args.output_dir}/checkpoint-{step}"
                control.should_save = True
            control.should_training_stop |= plan.is_patience_over(state.log_history)
            return control

        def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self.saved = time.monotonic()

        def on_log(self, args: Any, state: Any, control: Any, *, logs: Any, **kwargs: Any) -> None:
            _check_finite(logs, state.global_step, state.max_steps)
            if "loss" in logs:
                seconds = max(time.monotonic() - self.started, 1e-9)
                rate = round((state.num_input_tokens_seen - self.tokens_before) / seconds)
                told = {name: round(logs[name], 4) for name in ("loss", "reward") if logs.get(name) is not None}
                progress.update(state.global_step, state.max_steps, **told, tokens_per_second=rate)

    return Watch()


# Any: the arguments of transformers.
def _of_the_first(decision: bool, args: Any) -> bool:
    """Returns what the first process decided: clocks differ, and a checkpoint is written by all or by none."""
    if args.world_size == 1:
        return decision
    import torch.distributed

    told = torch.tensor([decision], device=args.device)
    torch.distributed.broadcast(told, 0)
    return bool(told)


# Any: log entries of transformers, numbers of every type.
def _check_finite(logs: Mapping[str, Any], step: int, last_step: int) -> None:
    for name, what in (("loss", "loss"), ("grad_norm", "gradient"), ("eval_loss", "validation loss")):
        if not math.isfinite(logs.get(name, 0.0)):
            raise TrainingError(
                f"the {what} is {logs[name]} at step {step} of {last_step}",
                hint="lower learning_rate, or use `precision: fp32`; the checkpoints before this step are kept",
            )
