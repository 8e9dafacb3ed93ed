"""Finds the GGUF file that a model spec means: by itself, in a folder, or in a repository on the Hub."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from dreamsmk.errors import MissingExtra, RequestRejected, SettingsError, nearest
from dreamsmk.providers.http_status import one_line
from dreamsmk.providers.identity import is_local_path
from dreamsmk.settings import ModelSpec

# llama.cpp's own way to write a model in several files: it opens the others by the name of the first.
PART = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$")


@dataclass(frozen=True, slots=True)
class GgufFile:
    """A GGUF file on this machine; `commit` says where on the Hub it is from."""

    path: Path
    commit: str | None = None


def check_file_name(spec: ModelSpec) -> None:
    """Raises `SettingsError` for a file that can be no model by its name alone; looks at no file."""
    part = PART.search(spec.model)
    if part:
        # the digest of one part would say nothing of the others
        raise SettingsError(
            f"{spec.model!r} is one of {int(part[2])} files of a model",
            where="model",
            hint="give their folder as `model`, and the first of them as `options: {file: …}`",
        )
    is_file = spec.model.endswith(".gguf")
    if is_file and "file" in spec.options:
        raise SettingsError("`model` is a file already", where="options: file", hint="leave it out")
    if not is_file and "file" not in spec.options and not is_local_path(spec.model):
        raise SettingsError(
            f"{spec.model!r} is no GGUF file",
            where="model",
            hint="a model of the Hub needs `options: {file: …}`",
        )


def find_file(spec: ModelSpec) -> GgufFile:
    """Returns the file of a spec, downloaded where it is one of the Hub.

    Raises:
        RequestRejected: There is no such file, or the Hub cannot be reached.
        MissingExtra: The Hub's client is not installed.
    """
    path, name = Path(spec.model).expanduser(), spec.options.get("file")
    if path.is_dir():
        return GgufFile(_in_folder(path, name))
    if path.is_file():
        return GgufFile(path)
    if is_local_path(spec.model) or name is None:
        raise RequestRejected(f"the model file {spec.model!r} is not there")
    return _from_hub(spec, name)


def _in_folder(folder: Path, name: str | None) -> Path:
    found = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.gguf"))
    if name is not None:
        if name not in found:
            raise RequestRejected(
                f"the model folder has no file {name!r}", where=str(folder), hint=nearest(name, found)
            )
        return folder / name
    models = [file for file in found if (part := PART.search(file)) is None or int(part[1]) == 1]
    if len(models) != 1:
        raise RequestRejected(
            f"the model folder has {len(models)} GGUF models", where=str(folder), hint="name one: options: {file: …}"
        )
    return folder / models[0]


def _from_hub(spec: ModelSpec, name: str) -> GgufFile:
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise MissingExtra("huggingface_hub", "llamacpp") from error
    try:
        folder = Path(
            snapshot_download(spec.model, revision=spec.revision, allow_patterns=[PART.sub(r"-*-of-\2.gguf", name)])
        )
    # what the Hub's client raises is of these two kinds
    except (OSError, ValueError) as error:
        raise RequestRejected(f"the model {spec.model!r} cannot be loaded: {one_line(str(error))}") from error
    if not (folder / name).is_file():
        raise RequestRejected(f"the repository {spec.model!r} has no file {name!r}")
    return GgufFile(folder / name, folder.name)
