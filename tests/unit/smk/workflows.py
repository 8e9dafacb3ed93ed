"""Snakemake's own objects, made in this process: workflows that are read and not run, and lists of files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from snakemake.api import SnakemakeApi
from snakemake.iocontainers import Namedlist
from snakemake.settings.types import OutputSettings, Quietness, ResourceSettings

HEADER = """
import dreamsmk

config.update({config!r})

module dream:
    snakefile: dreamsmk.rules()
    config: config
"""


@contextmanager
def read_workflow(snakefile: Path) -> Iterator[Any]:
    """Reads a workflow in the working folder."""
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        yield api.workflow(resource_settings=ResourceSettings(cores=8), snakefile=snakefile)._workflow


@contextmanager
def workflow_of(rules: str, config: dict[str, Any]) -> Iterator[Any]:
    """Reads a workflow that imports our rules, written into the working folder."""
    snakefile = Path("Snakefile").absolute()
    snakefile.write_text(HEADER.format(config=config) + rules)
    with read_workflow(snakefile) as workflow:
        yield workflow


# Any: Snakemake's Namedlist, which has no published types.
def files(*positional: str, **named: str | list[str]) -> Any:
    """Returns files as a job of Snakemake has them; a named list is one name for several files."""
    listed = Namedlist(positional)
    for name, value in named.items():
        if isinstance(value, str):
            listed.append(value)
            listed._add_name(name)
        else:
            start = len(listed)
            listed.extend(value)
            listed._set_name(name, start, end=len(listed))
    return listed
