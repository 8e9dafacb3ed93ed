"""`dreamsmk init DIR`: a new workflow that runs."""

from __future__ import annotations

import argparse
import shutil
import sys
from importlib import resources
from pathlib import Path

from dreamsmk.errors import SettingsError


# Any: argparse publishes no name for the type of its subparsers.
def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command."""
    parser = commands.add_parser("init", help="make a new workflow that runs")
    parser.add_argument("folder", type=Path, help="where; it must be new or empty")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Copies the template."""
    folder: Path = given.folder
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SettingsError("the folder is not empty", where=str(folder), hint="give a new one")
    with resources.as_file(resources.files("dreamsmk.cli") / "template") as template:
        shutil.copytree(template, folder, dirs_exist_ok=True)
    (folder / "gitignore").rename(folder / ".gitignore")
    print(f"Made {folder}. Next:\n  cd {folder}\n  snakemake --cores 2", file=sys.stderr)
    return 0
