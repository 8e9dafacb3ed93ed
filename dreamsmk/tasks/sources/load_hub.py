"""A data set of the Hub as a table.

Contract: the commit is resolved before anything is loaded and stands in the record; every file is read at it. Where no
revision is given, the commit is that of the first build: a rerun finds the table in the store and asks the Hub nothing,
until the rule is forced (`snakemake --forcerun`) or a revision is given. No code of a data set is run, and nothing is
unpickled. Rows are read from Arrow files in bounded memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from dreamsmk.errors import DreamsmkError, MissingExtra, RequestRejected, ServiceUnavailable, SettingsError, TableError
from dreamsmk.tasks.context import Context
from dreamsmk.tasks.sources import hub_repo
from dreamsmk.tasks.sources.dataset_rows import choose_split, write_rows
from dreamsmk.tasks.sources.hub_errors import telling
from dreamsmk.tasks.sources.hub_repo import Repository

# The readers of `datasets` that unpickle what they read.
_UNSAFE = ("pandas", "spark")


def load_hub(context: Context) -> None:
    """Writes the rows of one split of a data set."""
    params = context.params
    with hub_repo.client(context.settings), _quiet_datasets():
        repository = hub_repo.find("dataset", params["name"], params["revision"])
        context.progress.note(f"{repository.name} at {repository.commit[:12]}")
        about = repository.about()
        with _telling(repository, params["config"]):
            rows = _load(repository, params)
        where = f"{repository.name}, split {rows.split}"
        with _telling(repository, params["config"]):
            made = write_rows(rows, context.output(), columns=params["columns"], labels=params["labels"], where=where)
        hub_repo.remember(repository)
    context.facts |= {
        "rows": made,
        "source": about | {"config": params["config"], "split": str(rows.split)},
    }


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns, where they are chosen."""
    return {"table": list(params["columns"]) or None}


# Any: JSON.
def rows(params: Mapping[str, Any], inputs: Mapping[str, int | None]) -> dict[str, int | None]:
    """Returns that the rows are not known before the data set is loaded."""
    return {"table": None}


@contextmanager
def _quiet_datasets() -> Iterator[None]:
    """Keeps the progress bars and warnings of `datasets` out of the log of a job."""
    try:
        from datasets.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars, logging
    except ImportError as exc:
        raise MissingExtra("datasets", "hub") from exc
    had_bars, verbosity = not are_progress_bars_disabled(), logging.get_verbosity()
    disable_progress_bars()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if had_bars:
            enable_progress_bars()


# Any: JSON, and datasets publishes no types.
def _load(repository: Repository, params: Mapping[str, Any]) -> Any:
    """Returns the rows of the split that is wanted, a `Dataset` or an `IterableDataset`."""
    from datasets import Dataset, load_dataset_builder

    builder = load_dataset_builder(repository.name, params["config"], revision=repository.commit)
    # when anything goes wrong, datasets falls back to whatever commit its cache has (datasets 5.2, load.py)
    if builder.hash != repository.commit:
        raise ServiceUnavailable(
            f"the cache has {repository.name!r} only at {builder.hash}",
            where=f"revision {repository.commit}",
            hint="try again with a network, or give that revision",
        )
    reader = type(builder).__module__.removeprefix("datasets.packaged_modules.").partition(".")[0]
    if reader in _UNSAFE:
        raise RequestRejected(f"the files of {repository.name!r} hold pickled objects, which may run code when read")
    if params["streaming"]:
        names = list(builder.config.data_files or builder.info.splits or ())
        streamed = builder.as_streaming_dataset(split=choose_split(names, params["split"], repository.name))
        return streamed if streamed.features else streamed._resolve_features()
    if builder.config.data_files:
        choose_split(list(builder.config.data_files), params["split"], repository.name)  # before the download
    builder.download_and_prepare()
    split = choose_split(list(builder.info.splits), params["split"], repository.name)
    if builder.info.splits[split].num_examples == 0:  # datasets refuses to open it
        features = builder.info.features
        return Dataset.from_dict({name: [] for name in features}, features=features, split=split)
    return builder.as_dataset(split=split)


@contextmanager
def _telling(repository: Repository, config: str | None) -> Iterator[None]:
    """Turns what `datasets` raises into our errors."""
    from datasets.exceptions import DatasetsError, SplitsVerificationError

    try:
        with telling("dataset", repository.name, repository.commit):
            yield
    except DreamsmkError:
        raise
    except SplitsVerificationError as exc:
        what = f"{repository.name!r} is not what its card says: {_reason(exc)}"
        raise TableError(what, where=f"revision {repository.commit}") from exc
    except (DatasetsError, OSError, ValueError, RuntimeError, NotImplementedError) as exc:
        _raise_if_of_the_hub(exc, repository)
        if "config" in _reason(exc).lower():  # BuilderConfig 'x' not found; Config name is missing
            what = f"{repository.name!r} has no configuration {config!r}" if config else "the data set has several"
            raise SettingsError(what, where="params.config", hint=_choices(exc)) from exc
        raise TableError(
            f"{repository.name!r} cannot be read: {_reason(exc)}", where=f"revision {repository.commit}"
        ) from exc


def _raise_if_of_the_hub(exc: BaseException, repository: Repository) -> None:
    """Raises the error of the Hub that another was raised from."""
    cause: BaseException | None = exc
    while cause is not None:
        with telling("dataset", repository.name, repository.commit):
            from huggingface_hub import errors

            if isinstance(cause, (errors.HfHubHTTPError, errors.LocalEntryNotFoundError, ConnectionError)):
                raise cause
        cause = cause.__cause__ or cause.__context__


def _reason(exc: BaseException) -> str:
    cause = exc.__cause__ if type(exc).__name__.startswith("DatasetGeneration") and exc.__cause__ else exc
    return " ".join(str(cause).split())[:200] or type(cause).__name__


def _choices(exc: BaseException) -> str:
    said = " ".join(str(exc).split())
    start = said.find("[")
    return f"choose one of: {said[start + 1 : said.find(']')]}" if start >= 0 else said[:200]
