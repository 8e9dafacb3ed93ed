"""TRL's trainer of distillation, so that rows may have outputs already and a run can be stopped at any step.

Contract: which rows the student writes itself, in what order they come and what is drawn at random is the same in a
resumed run as in an unbroken one. A validation leaves the random numbers of the training as they were, and draws the
same ones each time; rows that have an output are validated on that.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

METRICS = ("entropy", "completions/mean_length", "completions/clipped_ratio")


# Any: the classes of TRL, which publishes no types; so in the methods below
def distillation_trainer() -> Any:
    """Returns TRL's trainer with a further argument: `share`, of rows whose output the student writes itself.

    Its rows are structs of `asked`, `told` and `output`; see `distill.encode_table`.
    """
    import torch
    from trl import DistillationTrainer
    from trl.trainer.utils import RepeatSampler

    class Order(RepeatSampler):  # type: ignore[misc]  # TRL publishes no types
        """The order of the rows, in which each epoch is another one whether or not the earlier ones were run."""

        trainer: Any = None

        def __iter__(self) -> Iterator[int]:
            epoch = self.trainer.state.global_step // (self.num_samples // self.batch_size)
            self.generator.manual_seed(self.seed + epoch)
            return super().__iter__()  # type: ignore[no-any-return]

    class OutputTrainer(DistillationTrainer):  # type: ignore[misc]  # as above
        def __init__(self, *args: Any, share: float, **kwargs: Any) -> None:
            self.share = share
            super().__init__(*args, **kwargs)

        def _get_train_sampler(self, dataset: Any = None) -> Any:
            plain = super()._get_train_sampler(dataset)
            order = Order(
                plain.data_source, plain.mini_repeat_count, plain.batch_size, plain.repeat_count, seed=plain.seed
            )
            order.trainer = self
            return order

        def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
            with torch.random.fork_rng():
                torch.manual_seed(self.args.seed)
                return super().evaluate(*args, **kwargs)  # type: ignore[no-any-return]

        def _tokenize_prompts(self, prompts: list[Any]) -> Any:
            drawn = torch.rand(len(prompts)).tolist()
            if self.model.training:
                writes = [number < self.share for number in drawn]
            else:
                writes = [not row["output"] for row in prompts]
            ids = [row["asked" if own else "told"] for row, own in zip(prompts, writes, strict=True)]
            outputs = [None if own else row["output"] for row, own in zip(prompts, writes, strict=True)]
            # what TRL hands on beside the tokens of images
            return ids, None, {"outputs": outputs}

        def _generate_single_turn(self, prompt_ids: Any, images: Any, multimodal_fields: Any, *rest: Any) -> Any:
            outputs = multimodal_fields["outputs"]
            open_rows = [ids for ids, output in zip(prompt_ids, outputs, strict=True) if output is None]
            written = iter(super()._generate_single_turn(open_rows, None, {}, *rest) if open_rows else ())
            return [next(written) if output is None else output for output in outputs]

    return OutputTrainer
