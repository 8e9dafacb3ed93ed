"""An embedding model, trained with sentence-transformers on triplets, on positive pairs or on pairs with scores.

Contract: what is left is a whole model, with an adapter merged into the weights, which plain `SentenceTransformer` and
the provider `sentence_transformers` load. Its loss and its metric are measured over the whole validation table, and the
best weights are those of the lowest validation loss.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from dreamsmk.errors import SettingsError
from dreamsmk.tasks.training.encoders.encoder import (
    check_lengths,
    encoder_base,
    load_encoder,
    settle_length,
    write_encoder,
)
from dreamsmk.tasks.training.encoders.losses import IN_BATCH, METRIC, loss_of, make_loss, measure_rows
from dreamsmk.tasks.training.encoders.trainer import Measure, encoder_trainer, steps_per_epoch
from dreamsmk.tasks.training.frame.course import Course, starting
from dreamsmk.tasks.training.frame.devices import process_count
from dreamsmk.tasks.training.frame.launch import on_all_devices
from dreamsmk.tasks.training.frame.parameters import TrainingParameters
from dreamsmk.tasks.training.frame.quiet import quiet_libraries
from dreamsmk.tasks.training.rows.embeddings import Way, check_cosines, read_rows, way_of
from dreamsmk.tasks.training.rows.examples import dataset_of

if TYPE_CHECKING:
    import polars

    from dreamsmk.tasks.context import Context


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingParameters(TrainingParameters):
    """The parameters; `rules/embedding_model/meta.yaml` says what each means."""

    NOT_TOLD: ClassVar[frozenset[str]] = TrainingParameters.NOT_TOLD | {
        *("anchors", "positives", "negatives", "first", "second", "scores")
    }

    anchors: str | None
    positives: str | None
    negatives: str | None
    first: str | None
    second: str | None
    scores: str | None
    loss: str | None
    scale: float
    margin: float
    matryoshka_dims: tuple[int, ...]
    query_prompt: str | None
    passage_prompt: str | None
    pooling: str | None
    max_length: int | None
    truncate: bool


# Any: JSON values of every type.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of each output role: a folder has none.

    Raises:
        SettingsError: The parameters name no way to learn from rows, or several, or a loss that does not fit it.
    """
    loss_of(params.get("loss"), way_of(params))
    return {"model": None}


# Any: JSON values of every type.
def rows(params: Mapping[str, Any], inputs: Mapping[str, int | None]) -> dict[str, int | None]:
    """Returns the number of rows of each output role: a folder has none."""
    return {"model": None}


@on_all_devices("model")
def embedding_model(context: Context) -> None:
    """Trains an embedding model.

    Raises:
        SettingsError: If the model or the parameters cannot be trained with.
        TableError: If a table is empty, or a column is missing, of a wrong type or has cells without a value.
        TrainingError: If the data do not fit the model, or the training broke off.
    """
    params, way = EmbeddingParameters.from_json(context.params), way_of(context.params)
    name = loss_of(params.loss, way)
    base = encoder_base(params.model, context.model(params.model).spec, params)
    paths = [context.input("train"), *(context.inputs.get("validation") or [])]
    tables = [read_table_rows(path, context.params) for path in paths]
    with quiet_libraries():
        from transformers import set_seed

        set_seed(params.seed)  # the adapter is new: its first weights are drawn
        model = load_encoder(base, params, pooling=params.pooling)
        limit = settle_length(model, base, params.max_length)
        prompts = settle_prompts(model, params, {column for table in tables for column in table.columns})
        for path, table in zip(paths, tables, strict=True):
            for texts in _asked(table, prompts):
                check_lengths(texts, model, limit, truncate=params.truncate, where=str(path))

        train, *validation = tables
        course = Course(
            context,
            params,
            base,
            "embedding_model",
            train.height,
            validation[0].height if validation else 0,
            (METRIC[way],),
            steps_per_epoch=steps_per_epoch(train.height, params),
            write=lambda folder, history: write_encoder(folder, model, history),
        )
        with starting():
            trainer = encoder_trainer(
                model,
                course.arguments(),
                train=dataset_of(train),
                loss=_loss(model, params, name, gathers=process_count() > 1),
                measure=_measure(model, params, name, validation[0], way) if validation else None,
                batches="distinct" if name in IN_BATCH else "plain",
                prompts=prompts,
            )
        course.run(trainer)
        course.leave(trainer, None, loss=name, max_length=limit, is_merged=params.lora is not None)


# Any: JSON values of every type.
def read_table_rows(path: Path, params: Mapping[str, Any]) -> polars.DataFrame:
    """Returns the rows of a table as they are trained on; columns as of `read_rows`.

    Raises:
        TableError: The table is empty, or a column is missing, of a wrong type or has cells without a value.
        SettingsError: The loss does not fit the rows.
    """
    way = way_of(params)
    found, loss = read_rows(path, params, way), loss_of(params["loss"], way)
    if loss == "cosine":
        check_cosines(found, str(path))
    if loss == "triplet" and "negative" not in found.columns:
        raise SettingsError(
            "`loss: triplet` compares one negative a row, and there are lists of them",
            where="loss",
            hint="use `loss: multiple_negatives`",
        )
    return found


# Any: a model of sentence-transformers, which publishes no types.
def settle_prompts(model: Any, params: EmbeddingParameters, columns: Iterable[str]) -> dict[str, str]:
    """Writes the prompts into the model, and returns those of the columns: anchors are queries, the rest passages."""
    default = model.prompts.get(model.default_prompt_name) if model.default_prompt_name else None
    query = default if params.query_prompt is None else params.query_prompt
    passage = default if params.passage_prompt is None else params.passage_prompt
    for name, prompt in (("query", params.query_prompt), ("document", params.passage_prompt)):
        if prompt is not None:
            model.prompts[name] = prompt
    texts = sorted(set(columns) - {"label"})
    chosen = {column: query if column in ("anchor", "first") else passage for column in texts}
    return {column: prompt for column, prompt in chosen.items() if prompt}


def _asked(table: polars.DataFrame, prompts: Mapping[str, str]) -> Iterator[list[str]]:
    """Yields the texts of each column as the model reads them."""
    for column in (column for column in table.columns if column != "label"):
        yield [prompts.get(column, "") + text for text in table[column]]


# Any: models and losses of sentence-transformers.
def _loss(model: Any, params: EmbeddingParameters, name: str, *, gathers: bool = False) -> Any:
    return make_loss(
        model,
        name,
        scale=params.scale,
        margin=params.margin,
        matryoshka_dims=params.matryoshka_dims,
        gathers=gathers,
    )


# Any: as above.
def _measure(model: Any, params: EmbeddingParameters, name: str, validation: polars.DataFrame, way: Way) -> Measure:
    loss = _loss(model, params, name)
    # the batches of one process, however many there are
    size = params.device_batch_size()
    return lambda trainer: measure_rows(trainer, loss, validation, way, batch_size=size)
