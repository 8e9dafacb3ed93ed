from pathlib import Path

import polars
import pytest

from dreamsmk.cards import RowChanges, row_changes

ROWS = polars.DataFrame({"text": ["a", "b", "b", None], "tags": [["x"], [], ["y"], None]})


def changes(folder: Path, after: polars.DataFrame) -> RowChanges | None:
    # what the store keeps has no suffix
    ROWS.write_parquet(folder / "table")
    after.write_parquet(folder / "after.parquet")
    return row_changes(folder / "table", folder / "after.parquet")


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (ROWS.reverse(), "the same rows in another order"),
        (ROWS.head(3), "1 row removed"),
        (ROWS.vstack(ROWS.head(2)), "2 rows added"),
        (ROWS.with_columns(text=polars.lit("c")), "4 rows removed, 4 rows added"),
        (ROWS.rename({"text": "tweet"}), "without the column text, with the column tweet"),
    ],
)
def test_what_happened_to_a_table_is_said(tmp_path, after, said):
    assert str(changes(tmp_path, after)) == said


def test_nothing_is_said_of_a_table_that_is_gone_or_none(tmp_path):
    (tmp_path / "text.parquet").write_text("no table")
    assert row_changes(tmp_path / "gone", tmp_path / "text.parquet") is None
    assert row_changes(tmp_path / "text.parquet", tmp_path / "text.parquet") is None
