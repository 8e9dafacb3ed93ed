"""Tables in and out: Parquet, and the text formats that users bring."""

from dreamsmk.tables.sources import (
    TABLE_SUFFIXES,
    column_names,
    column_types,
    is_table_path,
    read_table,
    require_columns,
    row_count,
    scan_table,
)
from dreamsmk.tables.streaming import TableWriter
from dreamsmk.tables.writer import write_table

__all__ = [
    "TABLE_SUFFIXES",
    "TableWriter",
    "column_names",
    "column_types",
    "is_table_path",
    "read_table",
    "require_columns",
    "row_count",
    "scan_table",
    "write_table",
]
