"""`dreamsmk init DIR`: a new workflow that runs."""

from __future__ import annotations

import argparse
import shlex
import shutil
import sys
from importlib import resources
from pathlib import Path

from dreamsmk.errors import SettingsError


# Any: argparse publishes no name for the type of its subparsers.
def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command."""
    about = "make a new workflow that runs"
    parser = commands.add_parser("init", help=about, description=f"{about.capitalize()}.")
    parser.add_argument("folder", type=Path, help="where; it must be new or empty")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Copies the template."""
    folder: Path = given.folder
    if folder.exists() and not folder.is_dir():
        raise SettingsError("this is a file, not a folder", where=str(folder), hint="give a new folder")
    if folder.exists() and any(folder.iterdir()):
        raise SettingsError("the folder is not empty", where=str(folder), hint="give a new one")
    try:
        with resources.as_file(resources.files("dreamsmk.cli") / "template") as template:
            shutil.copytree(template, folder, dirs_exist_ok=True)
        (folder / "gitignore").rename(folder / ".gitignore")
    except OSError as exc:
        raise SettingsError(f"cannot write here: {exc.strerror or exc}", where=str(folder)) from exc
    enter = "" if folder.resolve() == Path.cwd() else f"\n  cd {shlex.quote(str(folder))}"
    print(f"Made a workflow in {folder}. Next:{enter}\n  snakemake --cores 2", file=sys.stderr)
    return 0
