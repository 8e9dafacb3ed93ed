"""The prompts of a table, as a policy is asked with them, and what is written for them, as a reward model reads it.

Contract: both rules lay a prompt out by the same parameters and in the same way, so that a reward model meets in `rlhf`
what it was trained on in `reward_model`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from dreamsmk.errors import TableError
from dreamsmk.tasks.prompting.generations import read_texts
from dreamsmk.tasks.prompting.instruction import read_instruction
from dreamsmk.tasks.prompting.layout import process_prompt
from dreamsmk.tasks.training.frame.parameters import TrainingParameters
from dreamsmk.tasks.training.rows.examples import Encoder

if TYPE_CHECKING:
    from dreamsmk.tasks.context import Context


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptParameters(TrainingParameters):
    """The parameters of a trainer whose rows are prompts; the rule's meta.yaml says what each means."""

    NOT_TOLD: ClassVar[frozenset[str]] = TrainingParameters.NOT_TOLD | {"prompts"}

    prompts: str
    instruction: str | None
    input_label: str | None
    instruction_label: str | None
    separator: str
    system_prompt: str | None


Parameters = TypeVar("Parameters", bound=PromptParameters)


def with_instruction(params: Parameters, context: Context) -> Parameters:
    """Returns the parameters with the instruction of the file, where it is in one."""
    if params.instruction is None and not context.inputs.get("instruction"):
        return params
    return replace(params, instruction=read_instruction(context))


def read_prompts(path: Path, params: PromptParameters) -> list[str]:
    """Returns the prompts of a table, laid out.

    Raises:
        TableError: If the table is empty, or the column is missing, holds no texts, or has a cell without a value.
    """
    texts = read_texts(path, params.prompts)
    if not texts:
        raise TableError("the table has no rows to train on", where=str(path))
    return [
        process_prompt(
            text,
            params.instruction,
            input_label=params.input_label,
            instruction_label=params.instruction_label,
            separator=params.separator,
        )
        for text in texts
    ]


@dataclass(frozen=True, slots=True)
class RewardEncoder(Encoder):
    """Turns a prompt and its completion into the token ids that a reward model reads.

    They are one chat; without a chat template the completion follows the prompt, and the token that ends a text follows
    both. A model that reads pairs of texts (BERT and its kin) gets them as such.
    """

    @property
    def reads_pairs(self) -> bool:
        """Whether the tokenizer puts a token between two texts."""
        return not self.is_chat and self.tokenizer.cls_token_id is not None and self.tokenizer.sep_token_id is not None

    def encode(self, prompts: Sequence[str], outputs: Sequence[str]) -> Iterator[tuple[list[int], int]]:
        """Yields for each row the ids of prompt and completion together, and how many of them are the prompt's."""
        if not self.reads_pairs:
            yield from Encoder.encode(self, prompts, outputs)
            return
        starts = self.tokenizer(list(prompts), verbose=False)["input_ids"]
        wholes = self.tokenizer(list(prompts), list(outputs), verbose=False)["input_ids"]
        for start, whole in zip(starts, wholes, strict=True):
            yield whole, len(start)

    # Any: transformers publishes no types.
    def context(self, config: Any) -> int | None:
        """Returns the most tokens that the model reads; None where nothing limits them."""
        positions: int | None = getattr(config.get_text_config(), "max_position_embeddings", None)
        if not self.reads_pairs or positions is None:
            return positions
        # RoBERTa and its kin read fewer tokens than they have positions
        return min(positions, int(self.tokenizer.model_max_length))
