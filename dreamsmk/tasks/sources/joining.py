"""Several files as one table: the same columns, and one type for each.

Contract: where types were inferred from text, a column takes the type that holds what all files have, and is read as
text anew where only text does, so that `007` stays `007`. Types that a file states are never changed without a word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dreamsmk.errors import TableError, nearest
from dreamsmk.tasks.sources.file_list import LoadedFile
from dreamsmk.tasks.sources.scanning import DELIMITED, TEXT_FORMATS, Scanner

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class Scanned:
    """A file with its rows.

    Attributes:
        plain: Where its text is in UTF-8.
    """

    file: LoadedFile
    plain: Path
    frame: pl.LazyFrame
    schema: Mapping[str, pl.DataType]


def scanned(scanner: Scanner, file: LoadedFile, plain: Path, as_text: Sequence[str] = ()) -> Scanned:
    """Returns a file with its rows; columns that are to be text are read so in delimited files."""
    frame = scanner.scan(file, plain, as_text=as_text)
    with scanner.telling(file, plain):
        return Scanned(file, plain, frame, dict(frame.collect_schema()))


def all_columns(files: Sequence[Scanned], *, fills: bool) -> list[str]:
    """Returns the columns of all files, those of the first one first.

    Raises:
        TableError: A file lacks one that another has, and such are not to be null.
    """
    names = list(dict.fromkeys(name for found in files for name in found.schema))
    for found in [] if fills else files:
        for name in names:
            if name not in found.schema:
                raise TableError(
                    f"the file has no column {name!r}, which others have",
                    where=str(found.file.path),
                    hint=f"{nearest(name, found.schema)}; or missing='null'",
                )
    return names


def with_common_types(
    scanner: Scanner, files: Sequence[Scanned], names: Sequence[str]
) -> tuple[list[Scanned], dict[str, pl.DataType]]:
    """Returns the files, read anew where it takes that, and the type of each of some columns.

    Raises:
        TableError: The types of two files do not go into one.
    """
    files, types = list(files), dict[str, "pl.DataType"]()
    text: list[str] = []
    for name in names:
        having = [found for found in files if name in found.schema]
        if len({found.schema[name] for found in having}) == 1:
            types[name] = having[0].schema[name]
            continue
        common = _common(name, having)
        if common is None:
            text.append(name)
        else:
            types[name] = common
    if text:
        import polars as pl

        types |= dict.fromkeys(text, pl.String())
        files = [_as_text(scanner, found, text) for found in files]
    return files, types


def _as_text(scanner: Scanner, found: Scanned, names: Sequence[str]) -> Scanned:
    mine = [name for name in names if name in found.schema]
    if found.file.format in DELIMITED:
        return scanned(scanner, found.file, found.plain, mine)
    return found


def _common(name: str, files: Sequence[Scanned]) -> pl.DataType | None:
    """Returns the type that holds a column of all files; None for text that delimited files are read anew for."""
    import polars as pl

    told = [found for found in files if not _says_nothing(found, name)] or list(files[:1])
    types = {found.schema[name]: found for found in told}
    if len(types) == 1:
        return next(iter(types))
    if all(dtype.is_numeric() for dtype in types) or _is_nested(types):
        try:
            empty = [pl.DataFrame(schema={name: dtype}) for dtype in types]
            merged = pl.concat(empty, how="vertical_relaxed").schema[name]
        except pl.exceptions.PolarsError:
            merged = None
        if merged is not None and all(found.file.format in TEXT_FORMATS for found in told):
            return merged
    if all(found.file.format in DELIMITED or found.schema[name] == pl.String for found in told):
        return None
    one, other = list(types.items())[:2]
    raise TableError(
        f"the column {name!r} is of type {other[0]}, and in {one[1].file.name} of type {one[0]}",
        where=str(other[1].file.path),
        hint=f"say which: types={{{name!r}: …}}",
    )


def _is_nested(types: Mapping[pl.DataType, Scanned]) -> bool:
    return all(dtype.is_nested() for dtype in types) and len({type(dtype) for dtype in types}) == 1


def _says_nothing(found: Scanned, name: str) -> bool:
    """Says whether a column has no values, so that its inferred type means nothing."""
    import polars as pl

    if isinstance(found.schema[name], pl.Null):
        return True
    if found.file.format not in TEXT_FORMATS or not isinstance(found.schema[name], pl.String):
        return False
    return not found.frame.select(pl.col(name).is_not_null().any()).collect().item()
