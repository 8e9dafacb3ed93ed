"""Files stay small, and their names say what they hold."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("dreamsmk", "rules", "tests")
SUFFIXES = {".py", ".smk", ".yaml", ".yml", ".toml", ".md", ".sh", ".j2"}
MOST_LINES = 600
NO_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "core", "manager"}


def files() -> Iterator[Path]:
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            inside = path.relative_to(ROOT)
            # What a run of an example leaves is hidden (`.snakemake`, `.dreamsmk`) and not ours.
            is_ours = not any(part.startswith((".", "__pycache__")) for part in inside.parts)
            if is_ours and path.is_file() and (path.suffix in SUFFIXES or path.name == "Snakefile"):
                yield path


def test_no_file_is_longer_than_six_hundred_lines():
    lengths = {path.relative_to(ROOT): len(path.read_text(encoding="utf-8").splitlines()) for path in files()}
    assert {str(path): length for path, length in lengths.items() if length > MOST_LINES} == {}


def test_no_module_has_a_name_that_says_nothing():
    modules = [path.relative_to(ROOT) for path in files() if path.suffix in (".py", ".smk")]
    assert [str(path) for path in modules if NO_NAMES & {path.stem, *path.parts[:-1]}] == []


def test_no_module_imports_a_star():
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in files()
        if path.suffix == ".py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names)
    ]
    assert found == []
