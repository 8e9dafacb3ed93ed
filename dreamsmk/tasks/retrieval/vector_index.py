"""An index of vectors as a folder: built, described, opened.

Contract: entry i is row i of the table that was indexed. `index.json` says what the entries are: of which rows, by
which model, in which metric. Equal vectors give equal files. An index without entries has no `index.faiss`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import MissingExtra, SettingsError, TableError

if TYPE_CHECKING:
    from dreamsmk.tasks.retrieval.vectors import Matrix

INDEX_VERSION = 1
INDEX, DESCRIPTION = "index.faiss", "index.json"
FLAT = "Flat"
# No factory can be made for every number of dimensions; parts and halves of this one are whole.
_PROBED_DIMENSIONS = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexDescription:
    """What `index.json` says.

    Attributes:
        column: The column that was indexed.
        table: The digest of the rows that were indexed.
        rows: How many there are.
        dimensions: How many numbers a vector has; None where there is none.
        metric: `inner_product` or `l2`.
        normalize: Whether vectors are scaled to length 1, those that are looked up too.
        factory: FAISS's words for the index.
        model: The identity of the model that gave the vectors, as JSON; None where nobody said.
        prefix: What was put before each text.
    """

    column: str
    table: str
    rows: int
    dimensions: int | None
    metric: str
    normalize: bool
    factory: str
    # Any: JSON.
    model: Mapping[str, Any] | None = None
    prefix: str = ""
    index_version: int = field(default=INDEX_VERSION)

    def write(self, folder: Path) -> None:
        """Writes it into the folder of an index."""
        text = json.dumps(asdict(self), indent=2, sort_keys=True, ensure_ascii=False)
        (folder / DESCRIPTION).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> IndexDescription:
        """Reads it from the folder of an index.

        Raises:
            TableError: The folder is no index, or a newer one than this version reads.
        """
        try:
            found = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
            version = found["index_version"]
            if version > INDEX_VERSION:
                hint = "make it again, or install a newer dreamsmk"
                raise TableError(
                    f"the index is of version {version}, newer than {INDEX_VERSION}", where=str(folder), hint=hint
                )
            return cls(**found)
        except (OSError, ValueError, KeyError, TypeError) as exc:
            hint = "give the folder that the rule index makes"
            raise TableError("the folder is no index", where=str(folder), hint=hint) from exc


def require_faiss() -> None:
    """Raises `MissingExtra` where FAISS is not installed; does not load it."""
    import importlib.util

    if importlib.util.find_spec("faiss") is None:
        raise MissingExtra("faiss-cpu", "retrieval")


def check_factory(factory: str) -> None:
    """Finds what FAISS cannot read of a factory string, before a vector is paid for.

    Raises:
        SettingsError: FAISS does not know it.
    """
    if factory == FLAT:
        return
    import faiss

    with _faiss_errors(factory):
        faiss.index_factory(_PROBED_DIMENSIONS, factory)


def build_index(matrices: Iterable[Matrix], folder: Path, *, factory: str, metric: str) -> int | None:
    """Writes the index of vectors, taken as they come where the index needs no training.

    Returns:
        How many numbers a vector has; None where there is none.

    Raises:
        SettingsError: The vectors are too few to train the index, or it cannot have their dimensions.
    """
    import faiss
    import numpy as np

    # more threads may add up, or link, in another order
    faiss.omp_set_num_threads(1)
    index: Any = None  # Any: FAISS has no types
    waiting: list[Matrix] = []
    for matrix in matrices:
        if index is None:
            with _faiss_errors(factory):
                index = faiss.index_factory(matrix.shape[1], factory, _metrics()[metric])
        if index.is_trained:
            index.add(np.ascontiguousarray(matrix))
        else:
            waiting.append(matrix)
    if index is None:
        return None
    if waiting:
        with _faiss_errors(factory):
            index.train(np.concatenate(waiting))
        while waiting:
            index.add(np.ascontiguousarray(waiting.pop(0)))
    faiss.write_index(index, str(folder / INDEX))
    return int(index.d)


# Any: FAISS has no types.
def open_index(folder: Path, search: str | None = None, *, threads: int = 1) -> Any:
    """Returns the FAISS index of a folder.

    Args:
        folder: The folder.
        search: Parameters of the search as FAISS writes them: `nprobe=16`.
        threads: How many threads may search.

    Raises:
        TableError: The file is missing or damaged.
        SettingsError: The index has no such parameters.
    """
    import faiss

    faiss.omp_set_num_threads(threads)
    path = folder / INDEX
    if not path.is_file():
        raise TableError("the index has no file of its own", where=str(path), hint="make it again")
    try:
        index = faiss.read_index(str(path))
    except RuntimeError as exc:
        raise TableError(f"the index cannot be read: {_reason(exc)}", where=str(path), hint="make it again") from exc
    if search is not None:
        try:
            faiss.ParameterSpace().set_index_parameters(index, search)  # type: ignore[arg-type,unused-ignore]  # overloaded
        except RuntimeError as exc:
            raise SettingsError(f"the index takes no {search!r}: {_reason(exc)}", where="params.search") from exc
    return index


# Any: FAISS's constants.
def _metrics() -> dict[str, Any]:
    import faiss

    return {"inner_product": faiss.METRIC_INNER_PRODUCT, "l2": faiss.METRIC_L2}


@contextmanager
def _faiss_errors(factory: str) -> Iterator[None]:
    try:
        yield
    except RuntimeError as exc:
        raise SettingsError(
            f"FAISS cannot make the index {factory!r}: {_reason(exc)}",
            where="params.factory",
            hint="Flat is exact and always works; others need as many rows as they have cells",
        ) from exc


def _reason(error: RuntimeError) -> str:
    """Returns the words of FAISS without the place in its sources."""
    text = " ".join(str(error).split())
    return re.sub(r"^Error(?: in| :)?.*?\.(?:cpp|h):\d+: ", "", text)[:200]
