"""Which files a load reads, how each is called, and in which format it is.

Contract: files come in the order that they are given in; those of a folder by the bytes of their names relative to it,
with `/`. The format is told by the suffix, also before `.gz`, unless it is given. Nothing here reads content.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dreamsmk.errors import SettingsError, TableError, nearest

SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".txt": "text",
    ".arrow": "arrow",
    ".ipc": "arrow",
    ".feather": "arrow",
}
COMPRESSED = ".gz"


@dataclass(frozen=True, slots=True)
class LoadedFile:
    """One file to read.

    Attributes:
        path: Where it is.
        name: How it is called: the file's name, or its path in the folder that was given.
        format: One of the values of `SUFFIXES`.
    """

    path: Path
    name: str
    format: str


def list_files(paths: Sequence[Path], glob: str | None, format_name: str | None) -> list[LoadedFile]:
    """Returns the files to read.

    Args:
        paths: Files and folders.
        glob: What files of the folders are read, as `**/*.csv`; else those whose suffix is that of a format.
        format_name: The format of all files; else told by each suffix.

    Raises:
        SettingsError: There is a pattern and no folder.
        TableError: A folder has no such file, or a suffix is that of no format.
    """
    if glob is not None and not any(path.is_dir() for path in paths):
        raise SettingsError("there is no folder to look for files in", where="params.glob", hint="give a folder")
    found: list[LoadedFile] = []
    for path in paths:
        inside = _in_folder(path, glob, format_name) if path.is_dir() else [(path, path.name)]
        found += [LoadedFile(file, name, format_name or _format(file)) for file, name in inside]
    return found


def format_of(path: Path) -> str | None:
    """Returns the format that a file's suffix stands for; None where it stands for none."""
    name = path.name.lower().removesuffix(COMPRESSED)
    return SUFFIXES.get(Path(name).suffix)


def _format(path: Path) -> str:
    found = format_of(path)
    if found is None:
        raise TableError(
            f"the suffix of {path.name!r} is that of no format",
            where=str(path),
            hint=f"give format=…: {nearest(path.suffix.lstrip('.'), set(SUFFIXES.values()))}",
        )
    return found


def _in_folder(folder: Path, glob: str | None, format_name: str | None) -> list[tuple[Path, str]]:
    files = [(path, path.relative_to(folder).as_posix()) for path in _matching(folder, glob) if path.is_file()]
    seen = [(path, name) for path, name in files if not any(part.startswith(".") for part in name.split("/"))]
    if glob is None:
        wanted = {format_name} if format_name else set(SUFFIXES.values())
        seen = [(path, name) for path, name in seen if format_of(path) in wanted]
    if not seen:
        looked_for = f"that matches {glob!r}" if glob else f"in the format {format_name}" if format_name else "to read"
        raise TableError(f"the folder has no file {looked_for}", where=str(folder), hint=_some(folder))
    return sorted(seen, key=lambda entry: entry[1].encode("utf-8", "surrogateescape"))


def _matching(folder: Path, glob: str | None) -> Iterable[Path]:
    try:
        return folder.glob(glob or "**/*")
    except (ValueError, NotImplementedError) as exc:
        raise SettingsError(f"not a pattern: {exc}", where="params.glob", hint="as **/*.csv") from exc


def _some(folder: Path) -> str:
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    names = [name for name in names if not name.startswith(".")]
    return f"it has {', '.join(names[:5])}{', …' if len(names) > 5 else ''}" if names else "it is empty"
