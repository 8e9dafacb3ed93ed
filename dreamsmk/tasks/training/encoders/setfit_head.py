"""The head of a SetFit model: a logistic regression on the vectors of texts.

Contract: the same vectors give the same head. It is kept twice: as setfit wants it, which is a pickle of scikit-learn,
and as `model_head.safetensors`, from which its probabilities follow without one: the softmax (of several labels a row
the sigmoid) of `vectors @ weight.T + bias`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dreamsmk.tasks.training.classifier import scores
from dreamsmk.tasks.training.rows.labels import LabelSet

_MOST_ITERATIONS = 10_000


@dataclass(frozen=True, slots=True)
class Head:
    """A head.

    Attributes:
        regression: That of scikit-learn.
        weight: Of the shape (labels, dimensions).
        bias: Of the shape (labels,).
        is_multi: Whether a text may have several labels.
    """

    # Any: scikit-learn publishes no types, and numpy's are those of arrays of every shape
    regression: Any
    weight: Any
    bias: Any
    is_multi: bool

    # Any: arrays; targets as of `LabelSet.targets`.
    @classmethod
    def fitted(cls, vectors: Any, targets: Any, *, is_multi: bool) -> Head:
        """Returns the head that tells vectors of the shape (rows, dimensions) apart."""
        import numpy as np
        from sklearn.linear_model import LogisticRegression
        from sklearn.multiclass import OneVsRestClassifier

        regression = LogisticRegression(max_iter=_MOST_ITERATIONS)
        if is_multi:
            every = OneVsRestClassifier(regression).fit(vectors, np.asarray(targets, dtype=int))
            weight = np.concatenate([found.coef_ for found in every.estimators_])
            bias = np.concatenate([found.intercept_ for found in every.estimators_])
            return cls(every, weight, bias, is_multi)
        regression.fit(vectors, np.asarray(targets))
        weight, bias = regression.coef_, regression.intercept_
        if len(weight) == 1:
            # of two labels the first has the logit 0
            weight, bias = np.concatenate([0 * weight, weight]), np.concatenate([0 * bias, bias])
        return cls(regression, weight, bias, is_multi)

    # Any: as above.
    def measured(self, vectors: Any, targets: Any) -> dict[str, float]:
        """Returns the loss, the mean negative log-likelihood of the right labels, accuracy and F1."""
        import numpy as np

        logits = np.asarray(vectors, dtype=np.float64) @ self.weight.T + self.bias
        right = np.asarray(targets)
        if self.is_multi:
            # log(1 + exp(-x)) of a label that a row has, log(1 + exp(x)) of others
            loss = np.logaddexp(0, np.where(right > 0, -logits, logits)).mean()
        else:
            loss = (np.logaddexp.reduce(logits, axis=1) - logits[np.arange(len(right)), right]).mean()
        return {"loss": float(loss), **scores(logits, right, is_multi=self.is_multi)}

    def write(self, folder: Path, labels: LabelSet) -> None:
        """Writes the head beside its body, as setfit loads it and as safetensors."""
        import joblib
        import numpy as np
        from safetensors.numpy import save_file

        names = list(labels.labels)
        config = {"labels": names, "normalize_embeddings": False}
        (folder / "config_setfit.json").write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", "utf-8")
        joblib.dump(self.regression, folder / "model_head.pkl")
        arrays = {"weight": self.weight, "bias": self.bias}
        save_file(
            {name: np.ascontiguousarray(value) for name, value in arrays.items()},
            folder / "model_head.safetensors",
            # one alone: several are written in an order that changes from run to run
            metadata={"problem_type": labels.problem_type},
        )
