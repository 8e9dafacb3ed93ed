"""The images that are shown beside the texts of a table: files in a folder that is an input.

Contract: every image is read once before the first call, by which its digest is known; a path that leaves the folder is
refused, since the fingerprint covers the folder alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from dreamsmk.errors import RequestRejected, SettingsError, TableError
from dreamsmk.requests import Image
from dreamsmk.tables import read_table
from dreamsmk.tasks.context import Context

ROLE = "images"


def read_images(context: Context) -> list[tuple[Image, ...]] | None:
    """Returns the images of each row; None where the rule shows none.

    Raises:
        SettingsError: There is a folder without a column, or a column without a folder.
        TableError: An image is not there, or is none.
    """
    column, folders = context.params[ROLE], context.inputs.get(ROLE)
    if column is None and not folders:
        return None
    if column is None or not folders:
        fault = "a column of images, and no folder" if column is not None else "a folder of images, and no column"
        raise SettingsError(
            f"there is {fault}", where="images", hint="give both input: images=folder and params: images=column"
        )
    table, known = context.input(), dict[str, Image]()
    return [
        tuple(_image(folders[0], name, known, f"{table}, column {column!r}, row {row} (from 0)") for name in names)
        for row, names in enumerate(_names(table, column))
    ]


def _names(table: Path, column: str) -> Iterator[Sequence[str]]:
    """Yields the paths that stand in each row."""
    import polars

    values = read_table(table, columns=[column])[column]
    if values.dtype not in (polars.String, polars.List(polars.String), polars.Null):
        raise TableError(
            f"the column {column!r} is of type {values.dtype}", where=str(table), hint="it names images: text, or lists"
        )
    for cell in values.to_list():
        yield [name for name in ([cell] if isinstance(cell, str) else cell or []) if name]


def _image(folder: Path, name: str, known: dict[str, Image], where: str) -> Image:
    if name not in known:
        inside = PurePosixPath(name)
        if inside.is_absolute() or ".." in inside.parts:
            raise TableError(
                f"the image {name!r} is not inside the folder", where=where, hint=f"it is read from {folder}"
            )
        try:
            known[name] = Image.of(folder / name)
        except RequestRejected as exc:
            raise TableError(f"{exc.what}: {exc.where}", where=where) from exc
    return known[name]
