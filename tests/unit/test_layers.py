"""Imports go downward only, those inside functions too."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "dreamsmk"

LAYERS = (
    {"errors"},
    {"hashing", "settings"},
    {"requests", "tables", "store"},
    {"providers"},
    {"calls"},
    {"tasks"},
    {"cards"},
    {"bundles", "hub"},
    {"smk"},
    {"cli"},
)
LEVELS = {name: level for level, names in enumerate(LAYERS) for name in names}

# What `dreamsmk/__init__.py` has of its own, so that taking it is no import of the top.
OF_THE_TOP = {"__version__"}


def imported_modules(source: str, module: str, *, is_package: bool = False) -> Iterator[tuple[int, str]]:
    """Yields the line and the dotted name of everything of dreamsmk that a source imports."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name != "dreamsmk" or alias.asname]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = module.split(".")
                parts = parts[: len(parts) - node.level + is_package]
                base = ".".join([*parts, *([node.module] if node.module else [])])
            names = [f"{base}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call) and called_name(node) in ("import_module", "__import__"):
            names = [arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            # After `import dreamsmk`, what is taken of it counts.
            names = [f"{node.value.id}.{node.attr}"]
        else:
            continue
        yield from ((node.lineno, name) for name in names if name.split(".")[0] == "dreamsmk")


def called_name(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def faults(source: str, module: str, *, is_package: bool = False) -> list[str]:
    """Returns what is wrong with the imports of one module."""
    own = module.split(".")[1]
    if own not in LEVELS:
        return [f"{module} is in no layer"]
    found = []
    for line, name in imported_modules(source, module, is_package=is_package):
        target = [*name.split("."), ""][1]
        if target == own or target in OF_THE_TOP:
            continue
        if target not in LEVELS:
            found.append(f"{module}:{line} imports {name}, which is in no layer")
        elif LEVELS[target] >= LEVELS[own]:
            way = "sideways" if LEVELS[target] == LEVELS[own] else "up"
            found.append(f"{module}:{line} imports {name}, which goes {way}")
    return found


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name not in ("dreamsmk", "dreamsmk.__main__"):
            yield name, path


def test_every_import_goes_downward():
    wrong = [
        fault
        for name, path in modules()
        for fault in faults(path.read_text(encoding="utf-8"), name, is_package=path.name == "__init__.py")
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("source", "module", "way"),
    [
        ("from dreamsmk.smk import rules", "dreamsmk.tasks.load", "up"),
        ("def f():\n    from dreamsmk.cli import main", "dreamsmk.store.blobs", "up"),
        ("import dreamsmk.hashing", "dreamsmk.settings.config", "sideways"),
        ("from dreamsmk import tables", "dreamsmk.store.blobs", "sideways"),
        ("from ..tables import read_table", "dreamsmk.store.blobs", "sideways"),
        ("from .. import tables", "dreamsmk.store.blobs", "sideways"),
        ("if TYPE_CHECKING:\n    from dreamsmk.calls import answer", "dreamsmk.providers.base", "up"),
        ("importlib.import_module('dreamsmk.cli')", "dreamsmk.errors", "up"),
        ("import dreamsmk as d", "dreamsmk.cli", "no layer"),
        ("import dreamsmk\nx = dreamsmk.rules()", "dreamsmk.cli", "no layer"),
        ("import dreamsmk\nx = dreamsmk.cli.main()", "dreamsmk.smk.job", "up"),
        ("from dreamsmk import rules", "dreamsmk.cli", "no layer"),
        ("", "dreamsmk.extras", "no layer"),
    ],
)
def test_an_import_that_goes_wrong_is_found(source, module, way):
    (fault,) = faults(source, module)
    assert way in fault


@pytest.mark.parametrize(
    ("source", "module"),
    [
        ("from dreamsmk.errors import TableError", "dreamsmk.cli"),
        ("from dreamsmk import __version__", "dreamsmk.store.records"),
        ("import dreamsmk\nx = dreamsmk.__version__", "dreamsmk.store.records"),
        ("from dreamsmk.store.blobs import put", "dreamsmk.store.actions"),
        ("from .blobs import put", "dreamsmk.store.actions"),
        ("import polars, json", "dreamsmk.tables.reading"),
    ],
)
def test_an_import_that_goes_downward_is_let_through(source, module):
    assert faults(source, module) == []


def test_a_relative_import_in_a_package_starts_at_the_package():
    assert faults("from .blobs import put", "dreamsmk.store", is_package=True) == []
    assert list(imported_modules("from .a import b", "dreamsmk.store", is_package=True)) == [(1, "dreamsmk.store.a.b")]
