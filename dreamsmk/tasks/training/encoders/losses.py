"""What an embedding model is trained to make small, and how good it is.

Contract: a loss is measured over batches of rows in their order, the other metrics over the whole table at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import SettingsError
from dreamsmk.tasks.training.rows.embeddings import Way

if TYPE_CHECKING:
    import polars

LOSSES: dict[Way, tuple[str, ...]] = {
    "triplets": ("multiple_negatives", "cached_multiple_negatives", "triplet"),
    "pairs": ("multiple_negatives", "cached_multiple_negatives", "symmetric"),
    "scores": ("cosine", "cosent", "angle"),
}
"""The losses that fit each way, the first by default."""

IN_BATCH = frozenset({"multiple_negatives", "cached_multiple_negatives", "symmetric"})
"""Losses for which the texts of other rows of a batch are negatives."""

METRIC: dict[Way, str] = {"triplets": "cosine_accuracy", "pairs": "cosine_accuracy", "scores": "spearman"}

_CHUNK_ROWS = 1024


def loss_of(loss: str | None, way: Way) -> str:
    """Returns the loss that is asked for, or the default of a way.

    Raises:
        SettingsError: It does not fit the columns.
    """
    if loss is None:
        return LOSSES[way][0]
    if loss not in LOSSES[way]:
        raise SettingsError(
            f"`loss: {loss}` does not fit {way}", where="loss", hint=f"choose one of {', '.join(LOSSES[way])}"
        )
    return loss


# Any: models and losses of sentence-transformers, which publishes no types; so in the functions below.
def make_loss(
    model: Any, name: str, *, scale: float, margin: float, matryoshka_dims: Sequence[int] = (), gathers: bool = False
) -> Any:
    """Returns a loss.

    Args:
        model: The `SentenceTransformer`.
        name: One of `LOSSES`.
        scale: What cosines are multiplied by, the inverse of a temperature.
        margin: By how much the positive of a triplet has to be nearer.
        matryoshka_dims: How many of the first numbers of a vector have to do by themselves.
        gathers: Whether the rows of other processes are negatives too.
    """
    from sentence_transformers.sentence_transformer import losses

    cosine = losses.TripletDistanceMetric.COSINE
    both_ways = {"directions": ("query_to_doc", "doc_to_query"), "partition_mode": "per_direction"}
    shared = {"scale": scale, "gather_across_devices": gathers}
    makers = {
        "multiple_negatives": lambda: losses.MultipleNegativesRankingLoss(model, **shared),
        "cached_multiple_negatives": lambda: losses.CachedMultipleNegativesRankingLoss(model, **shared),
        "symmetric": lambda: losses.MultipleNegativesRankingLoss(model, **shared, **both_ways),
        "triplet": lambda: losses.TripletLoss(model, distance_metric=cosine, triplet_margin=margin),
        "cosine": lambda: losses.CosineSimilarityLoss(model),
        "cosent": lambda: losses.CoSENTLoss(model, scale=scale),
        "angle": lambda: losses.AnglELoss(model, scale=scale),
    }
    loss = makers[name]()
    if not matryoshka_dims:
        return loss
    whole = model.get_embedding_dimension()
    too_many = [dimensions for dimensions in matryoshka_dims if dimensions > whole]
    if too_many:
        raise SettingsError(f"the vectors have {whole} numbers, not {max(too_many)}", where="matryoshka_dims")
    # the whole vector is learnt from too: it is what the model gives unless it is told otherwise
    return losses.MatryoshkaLoss(model, loss, matryoshka_dims=sorted({*matryoshka_dims, whole}, reverse=True))


# Any: as above; the trainer.
def measure_rows(trainer: Any, loss: Any, rows: polars.DataFrame, way: Way, *, batch_size: int) -> dict[str, float]:
    """Returns the loss and the metric of rows.

    Args:
        trainer: It has the model, and knows how texts are read.
        loss: On the trainer's model, without the rows of other processes.
        rows: As `read_rows` gives them.
        way: What they are.
        batch_size: Rows that the loss takes at once.
    """
    import torch

    total, vectors = 0.0, []
    for features, labels, count in _batches(trainer, rows, batch_size):
        value = loss([dict(column) for column in features], labels)
        total += float(value) * count
        vectors.append([trainer.model(dict(column))["sentence_embedding"].float() for column in features])
    columns = [torch.nn.functional.normalize(torch.cat(parts)) for parts in zip(*vectors, strict=True)]
    found = {"eval_loss": total / rows.height}
    metric = _metric(columns, rows, way)
    return found if metric is None else found | {f"eval_{METRIC[way]}": metric}


# Any: as above.
def _batches(trainer: Any, rows: polars.DataFrame, size: int) -> Iterator[tuple[list[Any], Any, int]]:
    for begin in range(0, rows.height, size):
        part = rows.slice(begin, size).to_dicts()
        batch = trainer._prepare_inputs(trainer.data_collator(part))
        features, labels = trainer.collect_features(batch)
        yield features, labels, len(part)


# Any: tensors of unit vectors, of the shape (rows, dimensions), one a column.
def _metric(columns: list[Any], rows: polars.DataFrame, way: Way) -> float | None:
    if way == "scores":
        return _spearman((columns[0] * columns[1]).sum(dim=1).tolist(), rows)
    anchors, positives, *negatives = columns
    if way == "pairs":
        return _nearest_share(anchors, positives, rows["positive"].to_list())
    cosines = [(anchors * others).sum(dim=1) for others in (positives, *negatives)]
    return float(sum((cosines[0] > other).int() for other in cosines[1:]).eq(len(negatives)).float().mean())


def _spearman(cosines: list[float], rows: polars.DataFrame) -> float | None:
    """Returns the rank correlation of cosines and scores; None where either are all alike."""
    import math

    import polars as pl

    pairs = pl.DataFrame({"cosine": cosines, "score": rows["label"]})
    found = pairs.select(pl.corr("cosine", "score", method="spearman")).item()
    return None if found is None or not math.isfinite(found) else float(found)


# Any: as above.
def _nearest_share(anchors: Any, positives: Any, texts: Sequence[str]) -> float:
    """Returns the share of anchors to which no other positive of the table is as near as their own."""
    import torch

    index = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    kinds = torch.tensor([index[text] for text in texts], device=anchors.device)
    right = 0
    for begin in range(0, len(texts), _CHUNK_ROWS):
        part = slice(begin, begin + _CHUNK_ROWS)
        cosines = anchors[part] @ positives.T
        own = (anchors[part] * positives[part]).sum(dim=1)
        # the same text in another row is no other positive
        others = cosines.masked_fill(kinds[part, None] == kinds[None, :], -2.0)
        right += int((own > others.amax(dim=1)).sum())
    return right / len(texts)
