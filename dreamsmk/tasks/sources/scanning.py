"""One file of any format as a lazy frame.

Contract: types of text formats are inferred from all rows; those of Parquet and Arrow are kept. What cannot be read is
a `TableError` that names the file as the user gave it and, where it can be found, the line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamsmk.errors import TableError
from dreamsmk.tables import scan_table
from dreamsmk.tables.csv_header import true_names
from dreamsmk.tables.faults import first_bad_csv_row, first_bad_json_row, first_mixed_json_row, first_repeated_key
from dreamsmk.tasks.sources.file_list import LoadedFile
from dreamsmk.tasks.sources.stream_files import as_arrow_file

if TYPE_CHECKING:
    import polars as pl

DELIMITED = {"csv": ",", "tsv": "\t"}
TEXT_FORMATS = ("csv", "tsv", "json", "jsonl", "text")
_JSON = ("json", "jsonl")


@dataclass(frozen=True, slots=True)
class CsvOptions:
    """How delimited files are read.

    Attributes:
        separator: None for that of the format.
        quote: None where nothing is quoted.
        header: Whether the first line has the names.
        names: The names, where there is no header.
        skip_lines: Lines before the header.
        comment: What a line begins with that is not read.
        null_values: What stands for null, beside nothing at all.
        infer_types: Whether types are told from the values; else all is text.
    """

    separator: str | None = None
    quote: str | None = '"'
    header: bool = True
    names: Sequence[str] = ()
    skip_lines: int = 0
    comment: str | None = None
    null_values: Sequence[str] = ()
    infer_types: bool = True

    # Any: JSON.
    @classmethod
    def of(cls, params: Mapping[str, Any]) -> CsvOptions:
        """Returns the options that stand in the parameters of a rule."""
        return cls(**{name: params[name] for name in cls.__dataclass_fields__})


@dataclass(frozen=True, slots=True)
class Scanner:
    """Scans files.

    Attributes:
        csv: How delimited files are read.
        scratch: Where Arrow streams are kept as Arrow files.
    """

    csv: CsvOptions
    scratch: Path

    def scan(self, file: LoadedFile, plain: Path, *, as_text: Sequence[str] = ()) -> pl.LazyFrame:
        """Returns the rows of a file.

        Args:
            file: The file.
            plain: Where its text is in UTF-8.
            as_text: Columns of a delimited file that are read as text, whatever their values.

        Raises:
            TableError: It cannot be read in its format.
        """
        import polars as pl

        with self.telling(file, plain):
            if file.format in DELIMITED:
                return self._csv(file, plain, as_text)
            if file.format == "arrow":
                return pl.scan_ipc(as_arrow_file(plain, self.scratch), glob=False)
            suffix = {"text": ".txt"}.get(file.format, f".{file.format}")
            frame = scan_table(plain, suffix)
            if file.format in _JSON:
                _refuse_repeated_keys(plain, frame.collect_schema().names(), whole=file.format == "json")
            return frame

    @contextmanager
    def telling(self, file: LoadedFile, plain: Path) -> Iterator[None]:
        """Turns what is raised over a file into a `TableError` that names it and, where it can be found, the line."""
        import polars as pl

        try:
            yield
        except TableError as exc:
            raise TableError(exc.what, where=exc.where.replace(str(plain), str(file.path)), hint=exc.hint) from exc
        except OSError as exc:
            raise TableError(f"the file cannot be read: {exc.strerror or exc}", where=str(file.path)) from exc
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as exc:
            if fault := self.fault(file, plain):
                raise fault from exc
            reason = (str(exc).splitlines() or [type(exc).__name__])[0]
            raise TableError(f"not readable as {file.format}: {reason[:200]}", where=str(file.path)) from exc

    def fault(self, file: LoadedFile, plain: Path) -> TableError | None:
        """Returns what is wrong with a file of a text format, where a strict reader finds something."""
        found = None
        if file.format in _JSON:
            is_whole = file.format == "json"
            found = first_bad_json_row(plain, whole=is_whole) or first_mixed_json_row(plain, whole=is_whole)
        elif file.format in DELIMITED and not self.csv.skip_lines and not self.csv.comment and self.csv.quote == '"':
            found = first_bad_csv_row(plain, self._separator(file))
        return TableError(found.reason, where=found.at(file.path)) if found else None

    def _separator(self, file: LoadedFile) -> str:
        return self.csv.separator or DELIMITED[file.format]

    def _csv(self, file: LoadedFile, plain: Path, as_text: Sequence[str]) -> pl.LazyFrame:
        import polars as pl

        options, separator = self.csv, self._separator(file)
        scan = partial(
            pl.scan_csv,
            plain,
            glob=False,
            separator=separator,
            quote_char=options.quote,
            has_header=options.header,
            skip_lines=options.skip_lines,
            comment_prefix=options.comment,
            null_values=list(options.null_values) or None,
        )
        inferred = scan(infer_schema=options.infer_types, infer_schema_length=None).collect_schema()
        names = self._names(file, plain, inferred.names())
        called = dict(zip(inferred.names(), names, strict=True))
        types = {own: pl.String() if name in as_text else inferred[own] for own, name in called.items()}
        # a frame that infers holds all of the file in memory when it is collected (polars 2.1)
        return scan(schema=types).rename(called)

    def _names(self, file: LoadedFile, plain: Path, found: Sequence[str]) -> list[str]:
        """Returns the names of the columns: those of the header, those that are given, or numbers."""
        options = self.csv
        if options.header:
            return true_names(
                found,
                plain,
                self._separator(file),
                quote=options.quote,
                skip_lines=options.skip_lines,
                comment=options.comment,
            )
        if options.names and len(found) != len(options.names):
            raise TableError(
                f"the file has {len(found)} columns, and {len(options.names)} names are given",
                where=str(file.path),
                hint="give one name a column: names=[…]",
            )
        return list(options.names) or [f"column_{number}" for number in range(1, len(found) + 1)]


def _refuse_repeated_keys(plain: Path, names: Sequence[str], *, whole: bool) -> None:
    if (found := first_repeated_key(plain, names, whole=whole)) is not None:
        raise TableError(found.reason, where=found.at(plain), hint="rename one: columns are told apart by their names")
