"""From the logits of a classifier to the scores of its labels.

Contract: scores are worked out in float64 from the logits, row by row, so that a row's scores depend on its own logits
alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dreamsmk.errors import RequestRejected
from dreamsmk.settings import ModelSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SCORES = ("softmax", "sigmoid", "logits")
# transformers' own default.
HYPOTHESIS = "This example is {}."


def scores_kind(problem_type: str | None, label_count: int) -> str:
    """Returns what a model's config says its logits are: one of `SCORES`.

    A config without a word is read as transformers reads it in training: one label is a regression.
    """
    if problem_type == "regression" or (problem_type is None and label_count == 1):
        return "logits"
    return "sigmoid" if problem_type == "multi_label_classification" or label_count == 1 else "softmax"


def label_scores(logits: NDArray[np.float64], labels: Sequence[str], kind: str) -> list[dict[str, float]]:
    """Returns the score of each label for each row.

    Args:
        logits: Of the shape (rows, labels).
        labels: Their names.
        kind: One of `SCORES`.
    """
    scores = softmax(logits) if kind == "softmax" else sigmoid(logits) if kind == "sigmoid" else logits
    return [dict(zip(labels, row, strict=True)) for row in scores.tolist()]


@dataclass(frozen=True, slots=True)
class Hypotheses:
    """What a model of natural language inference is asked about each text.

    Attributes:
        labels: The candidate labels.
        texts: Their hypotheses.
        is_multi: Whether each label is scored by itself.
        entailment: Which logit says that the text entails the hypothesis.
        contradiction: Which logit says that it contradicts it.
    """

    labels: tuple[str, ...]
    texts: tuple[str, ...]
    is_multi: bool
    entailment: int
    contradiction: int

    @classmethod
    def of(cls, spec: ModelSpec, model_labels: Sequence[str]) -> Hypotheses | None:
        """Returns the hypotheses of a spec, or None where it names no candidate labels.

        Raises:
            RequestRejected: The model has no label for entailment.
        """
        if "candidate_labels" not in spec.options:
            return None
        lowered = [label.lower() for label in model_labels]
        entailment = next((i for i, label in enumerate(lowered) if label.startswith("entail")), None)
        if entailment is None or len(lowered) < 2:
            raise RequestRejected(
                f"the labels of {spec.model!r} are {', '.join(model_labels[:4])}, and none of them is 'entailment'",
                hint="candidate_labels need a model of natural language inference",
            )
        # as transformers' pipeline has it where no label says so: the last one, or the first
        guess = len(lowered) - 1 if entailment == 0 else 0
        contradiction = next((i for i, label in enumerate(lowered) if label.startswith("contradict")), guess)
        labels = tuple(spec.options["candidate_labels"])
        template = spec.options.get("hypothesis_template", HYPOTHESIS)
        texts = tuple(template.replace("{}", label) for label in labels)
        return cls(labels, texts, spec.options.get("multi_label", False), entailment, contradiction)

    def scores(self, logits: Sequence[NDArray[np.float64]]) -> list[dict[str, float]]:
        """Returns the score of each label for each row.

        Args:
            logits: For each label, of the shape (rows, labels of the model).
        """
        import numpy as np

        stacked = np.stack(logits, axis=1)
        if self.is_multi or len(self.labels) == 1:
            scores = softmax(stacked[..., [self.contradiction, self.entailment]])[..., 1]
        else:
            scores = softmax(stacked[..., self.entailment])
        return [dict(zip(self.labels, row, strict=True)) for row in scores.tolist()]


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns probabilities that add up to 1 over the last axis."""
    import numpy as np

    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares: NDArray[np.float64] = powers / powers.sum(axis=-1, keepdims=True)
    return shares


def sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the probability of each logit by itself."""
    import numpy as np

    chances: NDArray[np.float64] = 0.5 * (1 + np.tanh(0.5 * logits))
    return chances


def label_names(id2label: Mapping[int, str]) -> tuple[str, ...]:
    """Returns the labels of a model's config in the order of its logits.

    Raises:
        RequestRejected: Two of them are the same, so that one score would hide the other.
    """
    names = tuple(str(id2label[i]) for i in sorted(id2label))
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise RequestRejected(f"the model has two labels {twice!r}", where="config.json: id2label")
    return names
