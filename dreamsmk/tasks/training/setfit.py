"""A classifier of texts from a few rows: SetFit (Tunstall et al. 2022, arXiv:2209.11055).

Contract: an embedding model learns from pairs of rows which texts share a label, and a logistic regression is fitted on
its vectors. The first phase goes on from its checkpoints, the second is done anew in a moment. Validations fit the
regression on the rows to learn from, and measure it on all rows of the validation table. What is left is loaded by
plain `SetFitModel`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from dreamsmk.errors import TableError, TrainingError
from dreamsmk.tasks.prompting.generations import read_texts
from dreamsmk.tasks.training.classifier import METRICS
from dreamsmk.tasks.training.encoders.encoder import (
    check_lengths,
    encoder_base,
    load_encoder,
    merge_adapter,
    settle_length,
    write_encoder,
)
from dreamsmk.tasks.training.encoders.setfit_head import Head
from dreamsmk.tasks.training.encoders.trainer import encoder_trainer, steps_per_epoch
from dreamsmk.tasks.training.frame.course import Course, starting
from dreamsmk.tasks.training.frame.launch import on_all_devices
from dreamsmk.tasks.training.frame.model_folder import make_readable
from dreamsmk.tasks.training.frame.parameters import TrainingParameters
from dreamsmk.tasks.training.frame.quiet import quiet_libraries
from dreamsmk.tasks.training.rows.contrasts import Sampling, contrasting_pairs
from dreamsmk.tasks.training.rows.examples import dataset_of
from dreamsmk.tasks.training.rows.labels import Labelled, LabelSet, read_labels

if TYPE_CHECKING:
    import polars

    from dreamsmk.tasks.context import Context


@dataclass(frozen=True, slots=True, kw_only=True)
class SetFitParameters(TrainingParameters):
    """The parameters; `rules/setfit/meta.yaml` says what each means."""

    NOT_TOLD: ClassVar[frozenset[str]] = TrainingParameters.NOT_TOLD | {"texts", "labels"}

    texts: str
    labels: str
    sampling_strategy: Sampling
    num_iterations: int | None
    pooling: str | None
    max_length: int | None
    truncate: bool


@dataclass(frozen=True, slots=True)
class LabelledTexts:
    """The rows of a table.

    Attributes:
        texts: Their texts.
        targets: Of each text the index of its label, or one 0 or 1 a label.
        path: The table.
    """

    texts: list[str]
    targets: list[int] | list[list[float]]
    path: Path


@dataclass(frozen=True, slots=True)
class FewShot:
    """The second phase: the head on the model, at any moment of the first.

    Attributes:
        context: That of the task, whose facts are told how good the model is that is left.
        model: The `SentenceTransformer`.
        labels: Those that are learnt.
        train: The rows to learn from.
        validation: The rows to measure on, where there are any.
    """

    context: Context
    model: Any  # sentence-transformers publishes no types
    labels: LabelSet
    train: LabelledTexts
    validation: LabelledTexts | None = None

    @property
    def prompt(self) -> str:
        """What the model itself puts before each text."""
        name = self.model.default_prompt_name
        return self.model.prompts.get(name) or "" if name else ""

    # Any: JSON values of every type.
    @property
    def facts(self) -> dict[str, Any]:
        """What the record says of the rows."""
        return {"labels": [str(label) for label in self.labels.labels], "train_rows": len(self.train.texts)}

    # Any: the trainer of sentence-transformers.
    def measure(self, trainer: Any) -> dict[str, float]:
        """Returns how good the model is on the validation rows."""
        return {f"eval_{name}": value for name, value in self._measured(self._head()).items()}

    def write(self, folder: Path, history: polars.DataFrame) -> None:
        """Writes the model, and the head fitted on the weights as they are left: merged, in the numbers kept."""
        merge_adapter(self.model)
        head = self._head()
        write_encoder(folder, self.model, history)
        head.write(folder, self.labels)
        make_readable(folder)
        if self.validation:
            self.context.facts["training"]["validation"] = self._measured(head)

    def _measured(self, head: Head) -> dict[str, float]:
        assert self.validation is not None
        return head.measured(self._vectors(self.validation), self.validation.targets)

    def _head(self) -> Head:
        return Head.fitted(self._vectors(self.train), self.train.targets, is_multi=self.labels.is_multi)

    # Any: an array of the shape (rows, dimensions).
    def _vectors(self, rows: LabelledTexts) -> Any:
        # in setfit's own batches: they decide the last bits of a vector
        return self.model.encode(rows.texts, batch_size=32, show_progress_bar=False, convert_to_numpy=True)


# Any: JSON values of every type.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of each output role: a folder has none."""
    return {"model": None}


# Any: JSON values of every type.
def rows(params: Mapping[str, Any], inputs: Mapping[str, int | None]) -> dict[str, int | None]:
    """Returns the number of rows of each output role: a folder has none."""
    return {"model": None}


@on_all_devices("model")
def setfit(context: Context) -> None:
    """Trains an embedding model on pairs of rows, and fits a head on it.

    Raises:
        SettingsError: If the model or the parameters cannot be trained with.
        TableError: If a table is empty, or a column is missing, of a wrong type or has cells without a value.
        TrainingError: If the data do not fit the model, or the training broke off.
    """
    params = SetFitParameters.from_json(context.params)
    base = encoder_base(params.model, context.model(params.model).spec, params)
    path, validations = context.input("train"), context.inputs.get("validation") or []
    learnt = read_labels(path, params.labels)
    labels = LabelSet.of(learnt)
    _check_labels(labels, learnt)
    tables = [read_rows(table, params, labels) for table in (path, *validations)]
    pairs = pairs_of(tables[0], labels, params)
    with quiet_libraries():
        from transformers import set_seed

        set_seed(params.seed)  # the adapter is new: its first weights are drawn
        model = load_encoder(base, params, pooling=params.pooling)
        limit = settle_length(model, base, params.max_length)
        few = FewShot(context, model, labels, *tables)
        for table in tables:
            texts = [few.prompt + text for text in table.texts]
            check_lengths(texts, model, limit, truncate=params.truncate, where=str(table.path))

        course = Course(
            context,
            params,
            base,
            "setfit",
            pairs.height,
            len(few.validation.texts) if few.validation else 0,
            METRICS,
            steps_per_epoch=steps_per_epoch(pairs.height, params),
            write=few.write,
        )
        with starting():
            from sentence_transformers.sentence_transformer.losses import CosineSimilarityLoss

            trainer = encoder_trainer(
                model,
                course.arguments(),
                train=dataset_of(pairs),
                loss=CosineSimilarityLoss(model),
                measure=few.measure if few.validation else None,
                batches="plain",
                prompts=few.prompt or None,
            )
        course.run(trainer)
        course.leave(trainer, None, **few.facts, pairs=pairs.height, max_length=limit)


def read_rows(path: Path, params: SetFitParameters, labels: LabelSet) -> LabelledTexts:
    """Returns the rows of a table.

    Raises:
        TableError: The table is empty, or a column is missing or has cells without a value.
        TrainingError: A row has a label that is not learnt.
    """
    texts = read_texts(path, params.texts)
    if not texts:
        raise TableError("the table has no rows to train on", where=str(path))
    return LabelledTexts(texts, labels.targets(read_labels(path, params.labels)), path)


def pairs_of(rows: LabelledTexts, labels: LabelSet, params: SetFitParameters) -> polars.DataFrame:
    """Returns the pairs that the model is trained on; columns as of `contrasting_pairs`.

    Raises:
        TrainingError: There are too many rows, or all share their labels.
    """
    flags = [
        target if isinstance(target, list) else [float(target == index) for index in range(len(labels.labels))]
        for target in rows.targets
    ]
    return contrasting_pairs(
        rows.texts,
        flags,
        sampling=params.sampling_strategy,
        iterations=params.num_iterations,
        seed=params.seed,
        where=str(rows.path),
    )


def _check_labels(labels: LabelSet, learnt: Labelled) -> None:
    """Refuses labels that a regression cannot tell apart: each has to be there, and not in all rows."""
    if not labels.is_multi:
        return
    everywhere = [str(label) for label in labels.labels if all(label in row for row in learnt.rows)]
    if everywhere or len(labels.labels) < 2:
        what = f"all rows have the label {everywhere[0]!r}" if everywhere else "there is only one label"
        raise TrainingError(f"{what}, and there is nothing to tell apart", where=learnt.where)
