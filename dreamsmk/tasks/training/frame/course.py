"""One training from its newest whole checkpoint, or from its beginning, to what it leaves.

Contract: every trainer goes through here, so that they all resume, validate, report, fail and end alike. What a trainer
leaves is written only once the last step is done.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import MissingExtra, SettingsError, TrainingError
from dreamsmk.tasks.training.frame.arguments import shared_arguments
from dreamsmk.tasks.training.frame.base_model import BaseModel
from dreamsmk.tasks.training.frame.breakdowns import breakdowns_told
from dreamsmk.tasks.training.frame.checkpoints import Layout, newest_whole_checkpoint
from dreamsmk.tasks.training.frame.devices import gathered_weights, process_count, share_out_again
from dreamsmk.tasks.training.frame.history import history_table
from dreamsmk.tasks.training.frame.longer import Shelf, shelf_of
from dreamsmk.tasks.training.frame.model_folder import write_model_folder
from dreamsmk.tasks.training.frame.parameters import TrainingParameters
from dreamsmk.tasks.training.frame.trackers import tracker_arguments
from dreamsmk.tasks.training.frame.watch import Plan, watch

if TYPE_CHECKING:
    import polars

    from dreamsmk.tasks.context import Context


@dataclass(slots=True)
class Course:
    """One training.

    Attributes:
        context: That of the task.
        params: Those of the rule.
        base: The model that it begins with.
        trainer: What the record calls it: `fine_tune`, `dpo`, …
        train_rows: Rows to learn from.
        validation_rows: Rows to validate on, 0 for none.
        metrics: What the trainer logs beside the loss and is worth keeping, by its name in the log.
        judged_by: The number of the log that tells which of two validations is better.
        is_higher_better: Whether more of it is.
        obstacle: Why a longer training cannot go on from where a shorter one of this method ended; empty where it can.
        steps_per_epoch: Steps in which each row is learnt from once; the rows by the batch where nothing is said.
        others: Aliases of the models that it learns from, beside the one that is trained.
        functions: The user's functions that it learns from.
        save_stride: Only from multiples of so many steps can be gone on.
        write: Writes the folder that is left, with the loss history, where it is none of transformers or peft.
        checkpoint: Where it goes on from; None for the beginning.
    """

    context: Context
    params: TrainingParameters
    base: BaseModel
    trainer: str
    train_rows: int
    validation_rows: int = 0
    metrics: tuple[str, ...] = ()
    judged_by: str = "eval_loss"
    is_higher_better: bool = False
    obstacle: str = ""
    steps_per_epoch: int | None = None
    others: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    save_stride: int = 1
    write: Callable[[Path, polars.DataFrame], None] | None = None
    checkpoint: Path | None = field(init=False)
    _shelf: Shelf = field(init=False)

    def __post_init__(self) -> None:
        self._check_validation()
        learnt_from = {"others": self.others, "functions": self.functions}
        self._shelf = shelf_of(self.context, self.params, self.trainer, self.obstacle, **learnt_from)
        layout = Layout.of(self.context.params, process_count())
        self._say_if_uneven(layout)
        self.checkpoint = newest_whole_checkpoint(self.checkpoints, layout)
        if self.checkpoint is None and (said := self._shelf.take(self.checkpoints, self._steps, layout)):
            self.context.progress.note(said)
            self.checkpoint = newest_whole_checkpoint(self.checkpoints, layout)

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints, under the fingerprint and outside the target."""
        return self.context.scratch / "checkpoints"

    # Any: arguments of every type.
    def arguments(self) -> dict[str, Any]:
        """Returns what the trainer's own class of arguments is to be made with, before what is the method's own."""
        # step 0 is validated once: a run that goes on has it in its history
        eval_first = bool(self.validation_rows) and self.checkpoint is None
        return {
            **shared_arguments(self.params, self.checkpoints),
            **tracker_arguments(self.context, self.trainer),
            "eval_on_start": eval_first,
        }

    # Any: the trainers of transformers and TRL, which publish no types.
    def run(self, trainer: Any) -> None:
        """Trains to the last step.

        Raises:
            TrainingError: If a loss is not finite, memory or disk space ran out, or the training stopped early.
        """
        from transformers import PrinterCallback

        plan = self._plan()
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(watch(self.context.progress, plan))
        if self.checkpoint is not None:
            self.context.progress.note(f"going on from {self.checkpoint.name}")
        # read now: newer checkpoints take this one's place
        before, started = _seen(self.checkpoint), time.monotonic()
        with breakdowns_told(self.checkpoints):
            trainer.train(resume_from_checkpoint=str(self.checkpoint) if self.checkpoint else None)
        state, seconds = trainer.state, time.monotonic() - started
        if state.global_step < state.max_steps and not plan.is_patience_over(state.log_history):
            raise TrainingError(f"the training stopped at step {state.global_step} of {state.max_steps}")
        if trainer.is_world_process_zero():
            self._shelf.keep(self.checkpoints, state.global_step)
        self._note_facts(trainer, before, seconds)
        if self.params.keep == "best":
            self._go_back_to_best(trainer, plan)

    # Any: as above; facts of every JSON type.
    def leave(self, trainer: Any, tokenizer: Any, **facts: Any) -> None:
        """Writes the model folder, and facts of the method beside the general ones.

        Args:
            trainer: It has run.
            tokenizer: That of the model.
            facts: What else the record says of this training.
        """
        self.context.facts["training"] |= facts
        model = trainer.accelerator.unwrap_model(trainer.model)
        weights = gathered_weights(trainer)
        if not trainer.is_world_process_zero():
            return
        if self.params.is_mixed:
            model.to(dtype=_sixteen_bits(self.params.precision))
        folder, history = self.context.output("model"), history_table(trainer.state.log_history, self.metrics)
        with breakdowns_told(folder.parent):
            if self.write is not None:
                self.write(folder, history)
            else:
                write_model_folder(folder, model, tokenizer, spec=self.base.spec, history=history, weights=weights)

    @property
    def _steps_per_epoch(self) -> int:
        if self.steps_per_epoch is not None:
            return self.steps_per_epoch
        batches = math.ceil(self.train_rows / (self.params.device_batch_size(process_count()) * process_count()))
        return math.ceil(batches / self.params.gradient_accumulation_steps)

    @property
    def _steps(self) -> int:
        return self.params.max_steps or math.ceil(self.params.epochs * self._steps_per_epoch)

    def _plan(self) -> Plan:
        # a validation within an epoch is one that a longer training would not make there
        ends_evenly = not self.validation_rows or self._steps % self._steps_per_epoch == 0
        return Plan(
            validate_every=self._steps_per_epoch if self.validation_rows else None,
            save_steps=self.params.save_steps,
            save_stride=self.save_stride,
            saves_best=self.params.keep == "best",
            saves_last=not self._shelf.obstacle and ends_evenly,
            patience=self.params.early_stopping_patience,
            judged_by=self.judged_by,
            is_higher_better=self.is_higher_better,
        )

    def _check_validation(self) -> None:
        wanted = {"keep": self.params.keep == "best", "early_stopping_patience": self.params.early_stopping_patience}
        for name in (name for name, value in wanted.items() if value and not self.validation_rows):
            raise SettingsError(
                f"`{name}` compares validations, and there are no rows to validate on",
                where=name,
                hint="give the rule validation=…",
            )

    def _say_if_uneven(self, layout: Layout) -> None:
        if process_count() > 1 and self.validation_rows % layout.rows:
            self.context.progress.note(
                f"{self.validation_rows} rows to validate on are no multiple of {layout.rows}: in several processes "
                "some count twice, and eval_loss is not exact"
            )

    # Any: as above.
    def _go_back_to_best(self, trainer: Any, plan: Plan) -> None:
        best = plan.best_step(trainer.state.log_history)
        self.context.facts["training"]["kept_step"] = best
        if best is not None and best < trainer.state.global_step:
            trainer.state.best_model_checkpoint = str(self.checkpoints / f"checkpoint-{best}")
            # the one way that knows adapters, shards and FSDP alike; transformers calls it itself only where it saves
            # and validates by a strategy of its own
            share_out_again(trainer)
            trainer._load_best_model()

    # Any: as above.
    def _note_facts(self, trainer: Any, before: tuple[int, int], seconds: float) -> None:
        model = trainer.accelerator.unwrap_model(trainer.model)
        history = history_table(trainer.state.log_history, self.metrics)
        self.context.facts["training"] = {
            "base_model": self.base.spec.model,
            **({"base_adapter": self.base.spec.adapter} if self.base.spec.adapter else {}),
            "trainer": self.trainer,
            "method": self.params.weights,
            "hyper_parameters": self.params.hyper_parameters(),
            "train_rows": self.train_rows,
            "validation_rows": self.validation_rows,
            "trainable_parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
            # the frozen copy of an adapter that DPO and KTO compare with is no part of the model
            "total_parameters": sum(p.numel() for name, p in model.named_parameters() if ".ref." not in name),
            **_how_it_went(trainer.state, history, before, seconds),
        }


@contextmanager
def starting() -> Iterator[None]:
    """Within it a trainer is made: what its library refuses is told as an error of ours.

    Raises:
        TrainingError: The library refuses the model, the arguments or the rows.
        MissingExtra: A package is not installed.
    """
    try:
        yield
    except ImportError as exc:
        raise MissingExtra(exc.name or "trl", "train") from exc
    except (ValueError, TypeError, NotImplementedError) as exc:
        raise TrainingError(f"the training cannot start: {str(exc).strip().splitlines()[0]}") from exc


# Any: JSON values of every type; transformers publishes no types.
def _how_it_went(state: Any, history: polars.DataFrame, before: tuple[int, int], seconds: float) -> dict[str, Any]:
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


# Any: a torch.dtype.
def _sixteen_bits(precision: str) -> Any:
    import torch

    return torch.bfloat16 if precision == "bf16" else torch.float16


def _seen(checkpoint: Path | None) -> tuple[int, int]:
    """Returns the steps and the tokens that a checkpoint has behind it."""
    if checkpoint is None:
        return 0, 0
    from transformers import TrainerState

    state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
    return state.global_step, state.num_input_tokens_seen
