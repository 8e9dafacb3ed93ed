"""The digest of a table's logical rows: what a reader sees of a Parquet file, not how it was written.

Contract: equal digests mean the same column names in the same order, the same types, and the same values in the same
order. Compression, row groups, encodings, statistics and the writer do not count. A null is not an empty text, an
empty list or NaN; all NaN are one; `0.0` and `-0.0` are two. Categories and enums are their text.

Every column is taken apart into streams that go on over all rows: one of which values are there (a byte each), and
one of the values that are there. Texts give their lengths and their bytes, lists their lengths and a column of their
members, structs a column for each field. The digest is that of the canonical JSON of all names, types and stream
digests; as a stream is the same however it is cut, so is the digest. Memory is bounded by the slices, some 64 MB each.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from dreamsmk.errors import IdentityError, TableError
from dreamsmk.hashing.canonical import canonical_bytes
from dreamsmk.hashing.digests import Algorithm, Hasher, digest_bytes, new_hasher
from dreamsmk.hashing.signatures import read_status, signature_of, unreadable, while_unchanged

if TYPE_CHECKING:
    import polars as pl
    from polars.datatypes import DataTypeClass

ROWS_VERSION = 1
_SLICE_BYTES = 64 * 1024 * 1024
_FIRST_SLICE_ROWS = 1024
# The rows ahead may be far bigger than those behind.
_MAX_SLICE_ROWS = 256 * 1024
# Texts are joined in pieces that stay in the processor's cache.
_PIECE_BYTES = 4 * 1024 * 1024

Layout = Literal["fixed", "text", "binary", "list", "struct", "nothing"]
# A type's name in the digest: a word, or a list of a word and what it takes.
TypeName = str | list[object]

_FIXED = "int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 boolean date time datetime duration"
_LAYOUTS: dict[str, Layout] = {
    **dict.fromkeys(_FIXED.split(), "fixed"),
    **dict.fromkeys(("string", "categorical", "enum", "decimal", "int128", "uint128"), "text"),
    "binary": "binary",
    "null": "nothing",
}
_TYPE_ARGUMENTS = {
    "decimal": ("precision", "scale"),
    "datetime": ("time_unit", "time_zone"),
    "duration": ("time_unit",),
}


def digest_rows(path: str | os.PathLike[str], algorithm: Algorithm = "xxh3") -> str:
    """Returns the digest of a Parquet file's logical rows: `rows-xxh3:…` or `rows-sha256:…`.

    Raises:
        IdentityError: There is no such file, a column's type has no digest, or the file does not stop changing.
        TableError: The file is not a readable Parquet file.
    """
    table = Path(path)

    def observe() -> object:
        try:
            return signature_of(read_status(table))
        except OSError as exc:
            raise unreadable(table, exc) from exc

    return while_unchanged(table, observe, lambda _: _digest_once(table, algorithm))[1]


def _digest_once(path: Path, algorithm: Algorithm) -> str:
    import polars as pl

    try:
        frame = pl.scan_parquet(str(path), glob=False, hive_partitioning=False)
        columns = [_Column.of(name, dtype, algorithm) for name, dtype in frame.collect_schema().items()]
        height: int = frame.select(pl.len()).collect().item()
        for part in _slices(frame, height):
            for column in columns:
                column.take(part.get_column(column.name))
    except IdentityError as exc:
        raise IdentityError(exc.what, where=str(path), hint=exc.hint) from exc
    except OSError as exc:
        raise unreadable(path, exc) from exc
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, TypeError) as exc:
        # TypeError: polars takes a path that is not Unicode for an open file.
        reason = (str(exc).splitlines() or [type(exc).__name__])[0]
        raise TableError(f"not a readable Parquet file: {reason}", where=str(path)) from exc
    preimage = {"version": ROWS_VERSION, "rows": height, "columns": [column.described() for column in columns]}
    return f"rows-{digest_bytes(canonical_bytes(preimage), algorithm)}"


def _slices(frame: pl.LazyFrame, height: int) -> Iterator[pl.DataFrame]:
    """Yields the rows in slices that tend to `_SLICE_BYTES`, whatever the row groups of the file."""
    start, count = 0, _FIRST_SLICE_ROWS
    while start < height:
        part = frame.slice(start, count).collect(engine="streaming")
        yield part
        start += count
        fitting = count * _SLICE_BYTES // max(1, int(part.estimated_size()))
        count = max(1, min(fitting, 8 * count, _MAX_SLICE_ROWS))


@dataclass(slots=True)
class _Column:
    """The running digests of one column, or of the members or one field of a column."""

    name: str
    type_name: TypeName
    layout: Layout
    validity: Hasher
    lengths: Hasher
    values: Hasher
    members: list[_Column] = field(default_factory=list)

    @classmethod
    def of(cls, name: str, dtype: pl.DataType, algorithm: Algorithm) -> _Column:
        type_name, layout, inner = _described_type(dtype)
        members = [cls.of(member, member_type, algorithm) for member, member_type in inner]
        hashers = (new_hasher(algorithm), new_hasher(algorithm), new_hasher(algorithm))
        return cls(name, type_name, layout, *hashers, members)

    def take(self, series: pl.Series) -> None:
        """Takes in the next values of the column."""
        import polars as pl

        if self.layout == "nothing":
            return
        if isinstance(series.dtype, pl.BaseExtension):
            series = series.ext.storage()
        self.validity.update(series.is_not_null().to_numpy().data)
        present = series.drop_nulls() if series.null_count() else series
        if self.layout == "struct":
            for member in self.members:
                member.take(present.struct.field(member.name))
        elif self.layout == "list":
            self._take_list(present)
        elif self.layout == "fixed":
            self._take_fixed(present)
        else:
            self._take_text(present)

    def _take_list(self, present: pl.Series) -> None:
        import polars as pl

        if isinstance(present.dtype, pl.Map):
            present = present.map.entries()
        # The length of an array stands in its type.
        if isinstance(present.dtype, pl.List):
            self.lengths.update(present.list.len().to_numpy().data)
        self.members[0].take(present.explode(empty_as_null=False, keep_nulls=False))

    def _take_fixed(self, present: pl.Series) -> None:
        physical = present.to_physical()
        if physical.dtype.is_float():
            physical = physical.fill_nan(float("nan"))
        self.values.update(physical.to_numpy().data)

    def _take_text(self, present: pl.Series) -> None:
        """Takes in the lengths, in bytes, and the bytes of texts, of binary values, and of numbers as digits."""
        import polars as pl

        if self.layout == "binary":
            lengths = present.bin.size()
        else:
            present = _as_text(present)
            lengths = present.str.len_bytes()
        self.lengths.update(lengths.to_numpy().data)
        total = int(lengths.cast(pl.UInt64).sum())
        step = max(1, len(present) * _PIECE_BYTES // max(1, total))
        for start in range(0, len(present) if total else 0, step):
            piece = present.slice(start, step)
            text = piece.bin.encode("hex") if self.layout == "binary" else piece
            self.values.update(text.str.join("").cast(pl.Binary).item())

    def described(self) -> list[object]:
        """Returns name, type and stream digests as JSON, of the members too."""
        streams = [self.validity.hexdigest(), self.lengths.hexdigest(), self.values.hexdigest()]
        return [self.name, self.type_name, streams, [member.described() for member in self.members]]


def _as_text(series: pl.Series) -> pl.Series:
    import polars as pl

    # Digits of the unscaled integer: how a decimal is written may change from one version of polars to the next.
    plain = series.to_physical() if isinstance(series.dtype, pl.Decimal) else series
    return plain.cast(pl.String)


def _described_type(dtype: pl.DataType) -> tuple[TypeName, Layout, list[tuple[str, pl.DataType]]]:
    """Returns a type's name in the digest, its layout, and its members by name."""
    import polars as pl

    if isinstance(dtype, pl.Struct):
        fields = [(member.name, _instance(member.dtype)) for member in dtype.fields]
        return "struct", "struct", fields
    if isinstance(dtype, pl.List):
        return "list", "list", [("", _instance(dtype.inner))]
    if isinstance(dtype, pl.Array):
        return ["array", dtype.size], "list", [("", _instance(dtype.inner))]
    if isinstance(dtype, pl.Map):
        entry = pl.Struct({"key": dtype.key, "value": dtype.value})
        return "map", "list", [("", entry)]
    if isinstance(dtype, pl.BaseExtension):
        stored_name, layout, inner = _described_type(_instance(dtype.ext_storage()))
        return ["extension", dtype.ext_name(), stored_name], layout, inner
    name, layout = _described_plain_type(dtype)
    return name, layout, []


def _described_plain_type(dtype: pl.DataType) -> tuple[TypeName, Layout]:
    word = type(dtype).__name__.lower()
    layout = _LAYOUTS.get(word)
    if layout is None:
        raise IdentityError(f"a column of type {dtype} has no digest", hint="cast it to a plain type")
    if word in ("categorical", "enum"):
        return "string", layout
    arguments = [getattr(dtype, argument) for argument in _TYPE_ARGUMENTS.get(word, ())]
    return [word, *arguments] if arguments else word, layout


def _instance(dtype: pl.DataType | DataTypeClass) -> pl.DataType:
    """Returns a type that may be given as its class, as polars allows for members, as a value."""
    return dtype() if isinstance(dtype, type) else dtype
