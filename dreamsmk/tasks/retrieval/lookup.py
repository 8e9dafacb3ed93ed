"""What rules that look queries up in an index have in common: the index, its table, and the vectors of the queries.

Contract: hits are rows of the very table that the index was made of, and the queries' vectors are of the index's model:
anything else is an error before the first call. Rules that use this include the parameters of
`rules/_params/nearest.yaml` and have the inputs `index` and `table`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dreamsmk.errors import TableError
from dreamsmk.tables import row_count
from dreamsmk.tasks.context import Asked, Context
from dreamsmk.tasks.retrieval.index import digest_table
from dreamsmk.tasks.retrieval.nearest import Hits, Searcher
from dreamsmk.tasks.retrieval.vector_column import ask_column, check_same_model, identity_of, scaled, vector_batches
from dreamsmk.tasks.retrieval.vector_index import DESCRIPTION, IndexDescription, require_faiss

if TYPE_CHECKING:
    import polars as pl

INDEX, TABLE = "index", "table"


@dataclass(frozen=True, slots=True)
class Lookup:
    """The queries of a job, ready to be looked up.

    Attributes:
        queries: The column with the queries.
        asked: What asks the model for their vectors; None where the column holds vectors.
        described: What the index says of itself; None in a plan for an index that is not there yet.
    """

    context: Context
    queries: str
    asked: Asked | None
    described: IndexDescription | None

    @classmethod
    def of(cls, context: Context, queries: str, model_param: str) -> Lookup:
        """Returns the lookup of a job or its plan.

        Args:
            context: The task's.
            queries: The column of the input `table` with the queries.
            model_param: The parameter that names the embedding model.

        Raises:
            SettingsError: The model is not the index's, or there is none.
            TableError: The folder is no index, or a query is null.
        """
        params, alias = context.params, context.params[model_param]
        model, where = None if alias is None else context.model(alias), f"params.{model_param}"
        folder = context.input(INDEX)
        described = None
        if (folder / DESCRIPTION).exists() or context.outputs:
            described = IndexDescription.read(folder)
            check_same_model(described.model, None if model is None else identity_of(model), where=where)
        asked = ask_column(
            context.input(TABLE), queries, model, prefix=params["prefix"], truncate=params["truncate"], where=where
        )
        return cls(context, queries, asked, described)

    def check_corpus(self, corpus: Path) -> None:
        """Finds that a table is not the one that was indexed.

        Raises:
            TableError: It has other rows.
        """
        assert self.described is not None
        rows = row_count(corpus)
        if rows != self.described.rows or digest_table(corpus, self.context.scratch) != self.described.table:
            same = "other rows" if rows == self.described.rows else f"{rows} rows, and the index {self.described.rows}"
            raise TableError(
                f"the table is not the one that was indexed: it has {same}",
                where=f"{corpus} and {self.context.input(INDEX)}",
                hint="give the table that the rule index was given",
            )

    def hits(self) -> Iterator[tuple[pl.DataFrame, list[Hits]]]:
        """Yields the table of the queries in batches, with what was found for each row.

        Raises:
            TableError: A vector is not one that the index can be asked about.
        """
        described, params = self.described, self.context.params
        assert described is not None
        require_faiss()
        source = self.context.input(TABLE)
        searcher = Searcher(self.context.input(INDEX), described, params["search"], threads=self.context.threads)
        for start, frame, matrix in vector_batches(source, self.queries, self.asked):
            is_scaled = described.normalize and described.rows
            vectors = scaled(matrix, where=str(source), first_row=start) if is_scaled else matrix
            yield frame, searcher.nearest(vectors, params["k"])
