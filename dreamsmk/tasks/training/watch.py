"""What is done between the steps of a training: progress, validation, checkpoints, and the end of a broken run.

Contract: a step is validated before it is checkpointed, and never the other way round. A validation draws random
numbers, so that a run resumed from a checkpoint written before it would end with other weights than an unbroken one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
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
    """

    validate_every: int | None
    save_steps: int | None


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
            if plan.save_steps:
                is_due = step % plan.save_steps == 0
            else:
                is_due = time.monotonic() - self.saved >= CHECKPOINT_SECONDS
            # nothing resumes from the last step: transformers would train on, past the end
            control.should_save = is_due and not is_last
            return control

        def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self.saved = time.monotonic()

        def on_log(self, args: Any, state: Any, control: Any, *, logs: Any, **kwargs: Any) -> None:
            _check_finite(logs, state.global_step, state.max_steps)
            if "loss" in logs:
                seconds = max(time.monotonic() - self.started, 1e-9)
                rate = round((state.num_input_tokens_seen - self.tokens_before) / seconds)
                loss = round(logs["loss"], 4)
                progress.update(state.global_step, state.max_steps, loss=loss, tokens_per_second=rate)

    return Watch()


# Any: log entries of transformers, numbers of every type.
def _check_finite(logs: Mapping[str, Any], step: int, last_step: int) -> None:
    for name, what in (("loss", "loss"), ("grad_norm", "gradient"), ("eval_loss", "validation loss")):
        if not math.isfinite(logs.get(name, 0.0)):
            raise TrainingError(
                f"the {what} is {logs[name]} at step {step} of {last_step}",
                hint="lower learning_rate, or use `precision: fp32`",
            )
