"""The trainer of embedding models: that of sentence-transformers, within the frame of all trainers.

Contract: checkpoints hold the weights that are trained, bit by bit, and nothing else of the model. A validation
measures the whole table, in the order of its rows, in every process alike, and draws no random number. Nothing is kept
from one step to the next, and no card is made up.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dreamsmk.errors import TrainingError
from dreamsmk.tasks.training.frame.devices import process_count
from dreamsmk.tasks.training.frame.parameters import TrainingParameters

if TYPE_CHECKING:
    import datasets

# Any: the trainer of a library that publishes no types.
Measure = Callable[[Any], dict[str, float]]
"""Measures a model on the validation rows: `eval_loss` and further numbers, whose names begin with `eval_` too."""

_WEIGHTS = "model.safetensors"


# Any: models, losses and arguments of sentence-transformers, which publishes no types; so in this file.
def encoder_trainer(  # noqa: PLR0913  # all but the first two are by keyword
    model: Any,
    arguments: dict[str, Any],
    *,
    train: datasets.Dataset,
    loss: Any,
    measure: Measure | None,
    batches: Literal["distinct", "plain"],
    prompts: dict[str, str] | str | None = None,
) -> Any:
    """Returns the trainer of an embedding model.

    Args:
        model: The `SentenceTransformer`.
        arguments: What the course gives for the trainer's arguments.
        train: Texts in columns, in the order in which the loss takes them, and `label`.
        loss: The loss, on the model.
        measure: The validation; None where there is nothing to validate on.
        batches: `distinct` where no two rows of a batch may share a text, because a row's texts are the negatives of
            the others.
        prompts: What stands before the texts, of all columns or by column.
    """
    from sentence_transformers import SentenceTransformerTrainingArguments
    from sentence_transformers.sentence_transformer.training_args import BatchSamplers

    sampler = BatchSamplers.NO_DUPLICATES if batches == "distinct" else _epoch_batches()
    given = SentenceTransformerTrainingArguments(**arguments, batch_sampler=sampler, prompts=prompts)
    return _trainer_class()(model=model, args=given, train_dataset=train, loss=loss, measure=measure)


def steps_per_epoch(rows: int, params: TrainingParameters) -> int:
    """Returns the steps in which rows are learnt from once.

    Raises:
        TrainingError: There are too few rows for the processes.
    """
    processes = process_count()
    size = params.device_batch_size(processes)
    # sentence-transformers leaves the batch that is not full out where there are several processes: one that has no
    # batch would have the others wait for ever
    batches = math.ceil(rows / size) if processes == 1 else rows // size // processes
    if not batches:
        raise TrainingError(
            f"{rows} rows cannot be shared out among {processes} processes",
            hint="lower batch_size, or give the job fewer processes",
        )
    return math.ceil(batches / params.gradient_accumulation_steps)


def _trainer_class() -> Any:
    from safetensors.torch import load_file, save_file
    from sentence_transformers import SentenceTransformerTrainer

    class EncoderTrainer(SentenceTransformerTrainer):  # type: ignore[misc]  # sentence-transformers publishes no types
        control: Any  # transformers publishes no types

        def __init__(self, *args: Any, measure: Measure | None, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._measure = measure

        def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
            """Does nothing: cards are made of the record."""

        def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
            """Measures the model, and logs what was measured."""
            import torch

            assert self._measure is not None
            self.model.eval()
            with torch.no_grad(), self.compute_loss_context_manager():
                found = self._measure(self)
            self.log(dict(found))
            self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, found)
            return found

        def _track_num_input_tokens(self, inputs: dict[str, Any]) -> None:
            import torch

            masks = [value.sum() for name, value in inputs.items() if name.endswith("_attention_mask")]
            tokens = torch.as_tensor(sum(masks), device=self.args.device, dtype=torch.int64)
            self.state.num_input_tokens_seen += int(self.accelerator.gather(tokens).sum())

        def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
            folder = Path(output_dir or self.args.output_dir)
            folder.mkdir(parents=True, exist_ok=True)
            save_file({name: weight.detach().contiguous() for name, weight in self._trained()}, folder / _WEIGHTS)

        def _load_from_checkpoint(self, checkpoint_path: str, model: Any = None) -> None:
            import torch

            saved = load_file(Path(checkpoint_path) / _WEIGHTS)
            with torch.no_grad():
                for name, weight in self._trained():
                    weight.copy_(saved[name])

        def _load_best_model(self) -> None:
            self._load_from_checkpoint(self.state.best_model_checkpoint)

        def _trained(self) -> Iterator[tuple[str, Any]]:
            return ((name, weight) for name, weight in self.model.named_parameters() if weight.requires_grad)

    return EncoderTrainer


def _epoch_batches() -> Any:
    import torch
    from sentence_transformers.base.sampler import DefaultBatchSampler

    class EpochBatches(DefaultBatchSampler):  # type: ignore[misc]  # sentence-transformers publishes no types
        """Batches whose rows follow from the epoch and the seed alone, so that a training can go on within any."""

        def __init__(self, dataset: Any, **kwargs: Any) -> None:
            super().__init__(range(len(dataset)), **kwargs)

        def __iter__(self) -> Iterator[list[int]]:
            rows, generator = len(self.sampler), torch.Generator().manual_seed(self.seed + self.epoch)
            order = torch.randperm(rows, generator=generator).tolist()
            ends = rows - rows % self.batch_size if self.drop_last else rows
            for begin in range(0, ends, self.batch_size):
                yield order[begin : begin + self.batch_size]

    return EpochBatches
