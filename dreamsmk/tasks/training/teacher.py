"""The model that a student learns from.

Contract: a teacher is a model that runs here and is never trained. Its next-token distribution is compared with the
student's token by token, so that one with another vocabulary is refused before any weight is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dreamsmk.errors import SettingsError, TrainingError
from dreamsmk.providers.local.quantization import check_quantization
from dreamsmk.settings import ModelSpec
from dreamsmk.tasks.training.frame.base_model import BaseModel
from dreamsmk.tasks.training.frame.parameters import TrainingParameters

_HINT = "or let fine_tune learn from a table of its replies"


def teacher_model(alias: str, spec: ModelSpec) -> BaseModel:
    """Returns the teacher, checked as far as it can be without a file of it.

    Raises:
        SettingsError: It is no local model.
        MissingExtra: A package that its quantization needs is not installed.
    """
    if spec.provider != "transformers":
        raise SettingsError(
            f"the teacher {alias!r} of provider {spec.provider!r} does not run here, and gives no logits",
            where=f"models.{alias}",
            hint=f"choose a model with `provider: transformers`, {_HINT}",
        )
    check_quantization(spec)
    return BaseModel(alias, spec, spec.quantization)


# Any: the configurations and tokenizers of transformers, which publishes no types.
def check_vocabulary(
    student: BaseModel, teacher: BaseModel, configs: Sequence[Any], tokenizers: tuple[Any, Any]
) -> None:
    """Refuses a teacher whose tokens are not those of the student.

    Args:
        student: The model that is trained.
        teacher: The model that it learns from.
        configs: The configurations of the two.
        tokenizers: Their tokenizers.

    Raises:
        TrainingError: A token means something else to the other one, or one has more logits.
    """
    own, other = (tokenizer.get_vocab() for tokenizer in tokenizers)
    sizes = [config.get_text_config().vocab_size for config in configs]
    if own == other and sizes[0] == sizes[1]:
        return
    differing = sum(other.get(token) != i for token, i in own.items()) + len(other.keys() - own.keys())
    how = f"{differing} tokens differ" if differing else f"{sizes[1]} logits, not {sizes[0]}"
    raise TrainingError(
        f"the teacher {teacher.alias!r} has another vocabulary than {student.alias!r}: {how}",
        where=teacher.where,
        hint=f"choose a teacher of the same family, {_HINT}",
    )


# Any: transformers and peft publish no types.
def load_teacher(teacher: BaseModel, params: TrainingParameters) -> Any:
    """Returns the teacher's model, its adapter put into its weights where these are numbers of their own.

    Raises:
        TrainingError: Its quantized weights have an adapter on their head, which could not be read.
    """
    model = teacher.load_weights(params, is_frozen=True)
    if teacher.spec.adapter is None:
        return model
    if teacher.quantization is None:
        return model.merge_and_unload()
    from peft.tuners.tuners_utils import BaseTunerLayer

    if isinstance(model.get_output_embeddings(), BaseTunerLayer):
        raise TrainingError(
            f"the adapter of the teacher {teacher.alias!r} changes its head, and its weights are quantized",
            where=teacher.where,
            hint="leave the quantization out",
        )
    return model
