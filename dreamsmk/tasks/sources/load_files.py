"""Files of any format as one table.

Contract: the content decides, with the format that the suffix stands for; never the path or a time. Names are part of
it only where a column is to have them, or where they are names in a folder. Rows come in the order of the files, and
in each as they stand there. The table is streamed; of formats, only an array in `.json` is read as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import SettingsError, TableError, nearest
from dreamsmk.tables import TableWriter, row_count, write_table
from dreamsmk.tasks.context import Context
from dreamsmk.tasks.sources.about import told_source
from dreamsmk.tasks.sources.file_list import LoadedFile, format_of, list_files
from dreamsmk.tasks.sources.joining import Scanned, all_columns, scanned, with_common_types
from dreamsmk.tasks.sources.plain_text import check_encoding, plain
from dreamsmk.tasks.sources.scanning import TEXT_FORMATS, CsvOptions, Scanner
from dreamsmk.tasks.sources.types import as_type, first_unfit, may_lose, widened

if TYPE_CHECKING:
    import polars as pl

TEXT = "text"


def load_files(context: Context) -> None:
    """Writes the rows of all files."""
    params = context.params
    _check(params)
    files = list_files(context.inputs["files"], params["glob"], params["format"])
    texts = [_plain(context, file, number) for number, file in enumerate(files)]
    if params["whole_files"]:
        _write_documents(context, files, texts)
    else:
        _write_rows(context, files, texts)
    context.facts |= {"rows": row_count(context.output()), "files": len(files)} | told_source(params)


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns, where they are chosen.

    Raises:
        SettingsError: Parameters contradict each other.
    """
    _check(params)
    kept = [TEXT] if params["whole_files"] else list(params["columns"])
    named = [params["filename_column"]] if params["filename_column"] else []
    return {"table": [*kept, *named] if kept else None}


# Any: JSON.
def rows(params: Mapping[str, Any], inputs: Mapping[str, int | None]) -> dict[str, int | None]:
    """Returns that the rows are not known before the files are read."""
    return {"table": None}


# Any: JSON.
def extra_identity(
    home: Path, inputs: Mapping[str, Sequence[Path]], settings: Mapping[str, Any], params: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns what the rows depend on beside content and parameters: formats that suffixes stand for, wanted names."""
    paths = inputs.get("files", ())
    compressed = [path.name.lower().endswith(".gz") for path in paths]
    return {
        **({} if params["format"] else {"formats": [format_of(path) for path in paths]}),
        **({"names": [path.name for path in paths]} if params["filename_column"] else {}),
        **({"compressed": compressed} if any(compressed) else {}),
    }


# Any: JSON.
def _check(params: Mapping[str, Any]) -> None:
    check_encoding(params["encoding"])
    named, wanted = params["filename_column"], params["columns"]
    if params["names"] and params["header"]:
        raise SettingsError("names are given, and the files have a header", where="params.names", hint="header=False")
    if params["whole_files"] and (wanted or params["types"]):
        raise SettingsError("a row a file has no columns to choose", where="params.whole_files")
    if named and named in (wanted or ([TEXT] if params["whole_files"] else [])):
        raise SettingsError(f"there is a column {named!r} already", where="params.filename_column")


def _plain(context: Context, file: LoadedFile, number: int) -> Path:
    """Returns where the text of a file is in UTF-8."""
    encoding = context.params["encoding"] if file.format in TEXT_FORMATS else "utf-8"
    return plain(file.path, encoding, context.scratch / "plain" / str(number))


def _write_documents(context: Context, files: Sequence[LoadedFile], texts: Sequence[Path]) -> None:
    named = context.params["filename_column"]
    with TableWriter(context.output(), columns=dict.fromkeys([TEXT, named] if named else [TEXT], "String")) as table:
        for file, text in zip(files, texts, strict=True):
            try:
                row = {TEXT: [text.read_bytes().decode("utf-8-sig")]}
            except UnicodeDecodeError as exc:
                raise TableError("not valid UTF-8", where=str(file.path), hint="give its encoding=…") from exc
            except OSError as exc:
                raise TableError(f"the file cannot be read: {exc.strerror or exc}", where=str(file.path)) from exc
            table.write({**row, named: [file.name]} if named else row)


def _write_rows(context: Context, files: Sequence[LoadedFile], texts: Sequence[Path]) -> None:
    import polars as pl

    params = context.params
    scanner = Scanner(CsvOptions.of(params), context.scratch / "arrow")
    wanted: Mapping[str, str] = params["types"]
    found = [_typed_as_text(scanner, file, text, wanted) for file, text in zip(files, texts, strict=True)]
    have = all_columns(found, fills=params["missing"] == "null")
    _require(have, [*params["columns"], *wanted], files)
    names = list(params["columns"]) or have
    if params["filename_column"] in names:
        raise SettingsError(
            f"the files have a column {params['filename_column']!r} themselves", where="params.filename_column"
        )
    _require_fit(scanner, found, wanted, are_lossy=True)
    found, types = with_common_types(scanner, found, [name for name in names if name not in wanted])
    frames = [_selected(one, names, types, wanted, params["filename_column"]) for one in found]
    try:
        write_table(pl.concat(frames, how="vertical"), context.output())
    except TableError as exc:
        for one in found:
            if fault := scanner.fault(one.file, one.plain):
                raise fault from exc
        _require_fit(scanner, found, {name: wanted[name] for name in names if name in wanted})
        raise


def _typed_as_text(scanner: Scanner, file: LoadedFile, text: Path, wanted: Mapping[str, str]) -> Scanned:
    """Returns a file whose columns of a wanted type are text, so that nothing is lost to what would be inferred."""
    found = scanned(scanner, file, text)
    again = [name for name in wanted if name in found.schema]
    return scanned(scanner, file, text, again) if again and file.format in ("csv", "tsv") else found


def _require(have: Sequence[str], names: Sequence[str], files: Sequence[LoadedFile]) -> None:
    for name in names:
        if name not in have:
            raise TableError(f"the files have no column {name!r}", where=str(files[0].path), hint=nearest(name, have))


def _selected(
    found: Scanned,
    names: Sequence[str],
    types: Mapping[str, pl.DataType],
    wanted: Mapping[str, str],
    filename_column: str | None,
) -> pl.LazyFrame:
    """Returns the rows of a file with the columns that all files get."""
    import polars as pl

    def column(name: str) -> pl.Expr:
        have = found.schema.get(name)
        if have is None:
            return pl.lit(None, dtype=types[name] if name in types else getattr(pl, wanted[name])).alias(name)
        if name in wanted:
            return as_type(name, have, wanted[name]).alias(name)
        return widened(pl.col(name), have, types[name]).alias(name)

    frame = found.frame.select([column(name) for name in names])
    return frame.with_columns(pl.lit(found.file.name).alias(filename_column)) if filename_column else frame


def _require_fit(
    scanner: Scanner, files: Sequence[Scanned], wanted: Mapping[str, str], *, are_lossy: bool = False
) -> None:
    """Raises for a value that does not fit its wanted type, by file, column and row.

    Args:
        scanner: Tells what is wrong with a file.
        files: The files.
        wanted: The types of columns.
        are_lossy: Only types that values would go into with a loss are looked at; of others the write tells.
    """
    for found in files:
        for name, dtype in wanted.items():
            have = found.schema.get(name)
            if have is None or (are_lossy and not may_lose(have, dtype)):
                continue
            with scanner.telling(found.file, found.plain):
                unfit = first_unfit(found.frame, name, have, dtype)
            if unfit:
                raise TableError(
                    f"the value {str(unfit[1])[:80]!r} of the column {name!r} is no {dtype}",
                    where=f"{found.file.path}, row {unfit[0]}",
                )
