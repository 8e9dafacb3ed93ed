"""A model of the Hub as a folder, or one file of it.

Contract: the commit is resolved first and stands in the record; every file is of that commit. The folder holds plain
files, without links, and loads as `provider: transformers, model: <folder>`. Weights are safetensors unless pickled
ones are allowed. What was downloaded whole outlives a killed job in the Hub's own cache; a connection that drops goes
on where it was.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dreamsmk.errors import RequestRejected, SettingsError
from dreamsmk.tasks.context import Context
from dreamsmk.tasks.sources import hub_repo
from dreamsmk.tasks.sources.hub_errors import telling
from dreamsmk.tasks.sources.hub_repo import Repository
from dreamsmk.tasks.sources.model_files import choose_files, one_file


def download_model(context: Context) -> None:
    """Downloads the files of a model."""
    params = context.params
    _check_outputs(params["file"], context.outputs)
    with hub_repo.client(context.settings):
        repository = hub_repo.find("model", params["name"], params["revision"])
        context.progress.note(f"{repository.name} at {repository.commit[:12]}")
        have = _files(repository)
        rules = {"allow_pickle": params["allow_pickle"], "name": repository.name}
        if params["file"]:
            chosen = [one_file(params["file"], have, **rules)]
        else:
            chosen = choose_files(have, allow=params["allow"], ignore=params["ignore"], **rules)
        size_bytes = 0
        for done, name in enumerate(chosen):
            context.progress.update(done, len(chosen), file=name)
            size_bytes += _copy(repository, name, _target(context, name))
        hub_repo.remember(repository)
        about = repository.about()
    context.facts["source"] = about | {"files": len(chosen), "size_bytes": size_bytes}


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of each output role: files have none.

    Raises:
        SettingsError: One file is wanted, and patterns are given too.
    """
    if params["file"] and (params["allow"] or params["ignore"]):
        raise SettingsError("one file needs no patterns", where="params.file", hint="give file, or allow and ignore")
    return {"model": None, "file": None}


# Any: JSON.
def rows(params: Mapping[str, Any], inputs: Mapping[str, int | None]) -> dict[str, int | None]:
    """Returns that a model has no rows."""
    return {"model": None, "file": None}


def _check_outputs(file: str | None, outputs: Mapping[str, Path]) -> None:
    role = "file" if file and "file" in outputs else "model"
    if set(outputs) != {role}:
        raise SettingsError(
            "the output is a folder, or with file=… one file",
            where="output",
            hint='output: directory("models/name"), or output: file="models/name.gguf"',
        )


def _files(repository: Repository) -> list[str]:
    """Returns the files of a repository; offline those that the cache has."""
    if repository.files is not None:
        return list(repository.files)
    snapshot = hub_repo.cached_folder("model", repository.name) / "snapshots" / repository.commit
    return [path.relative_to(snapshot).as_posix() for path in sorted(snapshot.rglob("*")) if path.is_file()]


def _target(context: Context, name: str) -> Path:
    if "file" in context.outputs:
        return context.output("file")
    return context.output("model") / name


def _copy(repository: Repository, name: str, target: Path) -> int:
    """Downloads a file into the cache and copies it; returns its size in bytes."""
    from huggingface_hub import hf_hub_download

    with telling("model", repository.name, repository.commit):
        path = Path(hf_hub_download(repository.name, name, revision=repository.commit))
    size_bytes = path.stat().st_size
    expected = (repository.files or {}).get(name, size_bytes)
    if size_bytes != expected:
        raise RequestRejected(
            f"the cached {name} has {size_bytes} bytes, and the Hub's {expected}",
            where=str(path),
            hint="remove it from the cache and run again",
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, target)  # neither link nor mode: the cache may be read-only, and is not ours
    return size_bytes
