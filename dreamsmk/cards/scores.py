"""Tables of scores, as the rule `evaluate` leaves them: what was measured, on which data, and of which model.

Contract: a score is of the model of a card only where the records lead from it to that model, or the author says under
which name the model stands in the table. A test set is what the scored rows come from, never what a model learnt from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from dreamsmk.cards.description import View, declared_source
from dreamsmk.cards.models import is_model_edge
from dreamsmk.cards.privacy import public_path, public_setting
from dreamsmk.cards.trace import Edge, Record, RecordSource, Step, Target, Trace, trace
from dreamsmk.errors import CardError

# Rows that a card shows of one table; it says how many there are.
MOST_SCORES = 200

_NAME = "name"
_COLUMNS = ("metric", "value", "low", "high", "rows")


@dataclass(frozen=True, slots=True)
class Scores:
    """One table of scores.

    Attributes:
        rows: One mapping a score: `name` (None where nothing is compared), `group`, `metric`, `value`, `low`, `high`
            (None without an interval) and `rows`.
        total_rows: How many the table has.
        made_by: Name, fingerprint, task and parameters of the step that measured them; None where no record says.
        tables: The tables that were measured: path, rows and digest.
        sources: The data that they come from: name, path and digest.
        own_name: The name that the card's model has in the table.
        is_own: Whether there are scores of the card's model in it.
    """

    path: str
    # Any: JSON.
    rows: tuple[Mapping[str, Any], ...]
    total_rows: int
    made_by: Mapping[str, Any] | None = None
    tables: tuple[Mapping[str, Any], ...] = ()
    sources: tuple[Mapping[str, Any], ...] = ()
    own_name: str | None = None
    is_own: bool = False

    # Any: JSON.
    def to_json(self) -> dict[str, Any]:
        """Returns the table as it stands in a card."""
        return {
            "path": self.path,
            "made_by": dict(self.made_by) if self.made_by else None,
            "tables": [dict(table) for table in self.tables],
            "sources": [dict(source) for source in self.sources],
            "is_own": self.is_own,
            "own_name": self.own_name,
            "total_rows": self.total_rows,
            "rows": [dict(row) for row in self.rows],
        }


def is_scores(traced: Trace, target: Target) -> bool:
    """Says whether a target is a table of scores."""
    return target.role == "scores" and traced.step(target.fingerprint).record["task"]["name"] == "evaluate"


def read_scores(path: Path, records: RecordSource, *, model: str | None = None, own_name: str | None = None) -> Scores:
    """Returns a table of scores.

    Args:
        path: The table.
        records: Where its making is looked up.
        model: The fingerprint of the card's model; None where the card is about none.
        own_name: The name of that model in the table, where the author says it.

    Raises:
        TableError: The table cannot be read.
        CardError: It holds no scores, or none of that name.
    """
    rows, total = _rows(path)
    names = {row["name"] for row in rows} - {None}
    if own_name is not None and names and own_name not in names:
        raise CardError(
            f"no model is called {own_name!r} in the scores",
            where=str(path),
            hint=f"`scored_as` is one of: {', '.join(sorted(names))}",
        )
    record = records.producer(path)
    shown = public_path(path.as_posix())
    if record is None:
        is_own = model is not None and own_name is not None
        return Scores(shown, rows, total, own_name=own_name if names else None, is_own=is_own)
    found = _Ancestry.of(path, record, records)
    if names and own_name is None and model is not None:
        own_name = found.name_of(model)
    is_own = own_name is not None or (not names and model is not None and found.is_of(model))
    return Scores(
        shown,
        rows,
        total,
        made_by=_maker(record),
        tables=found.tables(),
        sources=found.sources(),
        own_name=own_name if names else None,
        is_own=model is not None and is_own,
    )


# Any: JSON.
def _rows(path: Path) -> tuple[tuple[Mapping[str, Any], ...], int]:
    from dreamsmk.tables import row_count, scan_table

    frame = scan_table(path)
    columns = frame.collect_schema().names()
    if not {"metric", "value"} <= set(columns):
        raise CardError(
            "the table has no columns `metric` and `value`",
            where=str(path),
            hint="`scores` are tables that the rule evaluate makes",
        )
    groups = [column for column in columns if column not in (_NAME, *_COLUMNS)]
    rows = [
        {
            "name": row.get(_NAME),
            # the scores of all rows have no group
            "group": {column: str(row[column]) for column in groups if row[column] is not None},
            **{column: row.get(column) for column in _COLUMNS},
        }
        for row in frame.head(MOST_SCORES).collect().iter_rows(named=True)
    ]
    return tuple(rows), row_count(path)


# Any: JSON.
def _maker(record: Record) -> dict[str, Any]:
    return {
        "name": record.get("rule") or record["task"]["name"],
        "fingerprint": record["fingerprint"],
        "task": {"name": record["task"]["name"], "version": str(record["task"].get("version", ""))},
        "params": public_setting(dict(record["preimage"].get("params") or {})),
        "signatures": dict((record.get("facts") or {}).get("signatures") or {}),
    }


@dataclass(slots=True)
class _Ancestry:
    """What a measurement descends from, along its data alone: models are told, and not followed."""

    view: View
    step: Step
    _known: dict[str, set[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, path: Path, record: Record, records: RecordSource) -> _Ancestry:
        traced = trace([path], records)
        return cls(View(traced), traced.step(str(record["fingerprint"])))

    def is_of(self, model: str) -> bool:
        """Says whether scores without names are a model's."""
        return model in self._asked(self.step) or any(
            self._is_written_by(edge, self._params.get("predictions"), model) for edge in self._tables
        )

    def name_of(self, model: str) -> str | None:
        """Returns the name under which a model stands in the scores; None where the records do not tell one."""
        names, predictions = self._params.get("names") or [], self._params.get("predictions")
        found = {
            position.partition("/")[2]
            for position, alias in (self.step.record.get("positions") or {}).items()
            if position.startswith("model/") and self._makes(self.step, alias) == model
        }
        if len(names) == len(self._tables) > 1:
            pairs = zip(names, self._tables, strict=True)
            found |= {name for name, edge in pairs if self._is_written_by(edge, predictions, model)}
        elif isinstance(predictions, Mapping):
            (edge,) = self._tables
            found |= {name for name, column in predictions.items() if self._is_written_by(edge, column, model)}
        return found.pop() if len(found) == 1 else None

    # Any: JSON.
    def tables(self) -> tuple[Mapping[str, Any], ...]:
        """Returns the tables that were measured."""
        names = ("rows", "digest")
        return tuple(
            {"path": public_path(edge.path), **{name: edge.entry.get(name) for name in names}} for edge in self._tables
        )

    # Any: JSON.
    def sources(self) -> tuple[Mapping[str, Any], ...]:
        """Returns the data that no step of the measurement made, or that a step brought in."""
        found: dict[str, Mapping[str, Any]] = {}
        for step in self._data_steps(self.step):
            declared = declared_source(step)
            if declared and declared.kind == "dataset":
                output = next(iter(step.record["outputs"].values()))
                name, path = declared.name or public_path(str(output["path"])), None
                found[output["digest"]] = {"name": name, "path": path, "digest": output["digest"]}
                continue
            is_loaded = str(step.record["task"]["name"]).startswith("load_")
            for edge in step.inputs:
                if edge.producer is None and (is_loaded or edge.entry.get("kind") == "table"):
                    path = public_path(edge.path)
                    found.setdefault(edge.digest, {"name": path, "path": path, "digest": edge.digest})
        return tuple(found.values())

    # Any: JSON.
    @property
    def _params(self) -> Mapping[str, Any]:
        return self.step.record["preimage"].get("params") or {}

    @property
    def _tables(self) -> list[Edge]:
        return [edge for edge in self.step.inputs if edge.role == "table"]

    def _is_written_by(self, edge: Edge, column: object, model: str) -> bool:
        """Says whether a model wrote a column of a table; of the whole table where nothing tells its columns apart."""
        maker = self.view.made_by(edge.producer)
        if maker is None:
            return False
        positions = maker.record.get("positions") or {}
        if any(position.startswith("models/") for position in positions):
            # each column is another model's, as generate_sample leaves them
            alias = positions.get(f"models/{column}")
            return alias is not None and self._makes(maker, alias) == model
        return any(model in self._asked(step) for step in self._data_steps(maker))

    def _data_steps(self, step: Step) -> list[Step]:
        """Returns a step and all that made the data that it read."""
        found: dict[str, Step] = {}
        pending = [step]
        while pending:
            here = pending.pop()
            if here.fingerprint not in found:
                found[here.fingerprint] = here
                makers = [self.view.made_by(e.producer) for e in here.inputs if not is_model_edge(self.view, e)]
                pending.extend(maker for maker in makers if maker is not None)
        return sorted(found.values(), key=lambda one: one.number)

    def _asked(self, step: Step) -> set[str]:
        """Returns the fingerprints of the makers of the models that a step asked, or read as folders."""
        if step.fingerprint not in self._known:
            aliases = step.record.get("models") or {}
            read = {edge.producer for edge in step.inputs if is_model_edge(self.view, edge) and not aliases}
            found = {self._makes(step, alias) for alias in aliases} | read
            self._known[step.fingerprint] = {maker for maker in found if maker is not None}
        return self._known[step.fingerprint]

    def _makes(self, step: Step, alias: str) -> str | None:
        """Returns the fingerprint of the step that made a model that another step asks: its adapter, if it has one."""
        spec = ((step.record.get("models") or {}).get(alias) or {}).get("spec") or {}
        path = spec.get("adapter") or spec.get("model")
        edges = [edge for edge in step.inputs if path and PurePosixPath(edge.path) == PurePosixPath(str(path))]
        return next((edge.producer for edge in edges), None)
