"""Functions of the user's, loaded from `scripts/steps.py:name`.

Contract: only a job's process, and the worker processes that it starts, execute user code. Its imports are found as
its identity found them: from the package the script is in, from the script's folder, from the project's root. Those
folders stay importable, for a function may import something when it is called. Their modules are always compiled from
the source: Python takes the bytecode of an earlier version for current when size and time of the file are the same.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.machinery import EXTENSION_SUFFIXES, SOURCE_SUFFIXES, ExtensionFileLoader, FileFinder, SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from dreamsmk.errors import SettingsError, nearest
from dreamsmk.hashing.code import locate_function
from dreamsmk.hashing.code_files import import_roots

# Any: what a user's function takes and returns.
Function = Callable[..., Any]


@cache
def load_function(reference: str, base: Path) -> Function:
    """Returns a user's function.

    Args:
        reference: `path/to/file.py:name`, the path relative to `base`.
        base: The project's root.

    Raises:
        SettingsError: There is no such file or function, or the file cannot be imported.
    """
    root = base.absolute()
    script, name = locate_function(reference, base=root)
    roots = import_roots(script, root)
    known = [str(folder) for folder in roots]
    sys.path[:] = [*known, *(folder for folder in sys.path if folder not in known)]
    _import_from_source(known)
    try:
        module = _import(script, roots[0])
    except Exception as exc:  # user code may raise anything; translated here, once
        place, reason = failure_of(exc, root)
        raise SettingsError(f"the file cannot be imported: {reason}", where=place or reference) from exc
    function = getattr(module, name, None)
    if not callable(function):
        what = f"{reference!r} is no function" if hasattr(module, name) else f"there is no function {name!r}"
        names = [each for each, value in vars(module).items() if callable(value) and not each.startswith("_")]
        raise SettingsError(what, where=reference, hint=nearest(name, names))
    loaded: Function = function
    return loaded


def failure_of(error: BaseException, base: Path) -> tuple[str, str]:
    """Returns where in the project an exception of user code arose, and the last line of its trace."""
    root = str(base.absolute())
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(root)]
    own = [frame for frame in frames if "site-packages" not in frame.filename]
    place = f"{own[-1].filename[len(root) :].lstrip('/')}, line {own[-1].lineno}" if own else ""
    return place, traceback.format_exception_only(error)[-1].strip()


class _FromSource(SourceFileLoader):
    """Compiles a module anew at each import, and leaves no bytecode."""

    def path_stats(self, path: Any) -> Any:  # Any: as in the base class
        """Says that there is nothing to compare bytecode with."""
        raise OSError


def _import_from_source(folders: list[str]) -> None:
    """Makes imports from some folders, and from those in them, compile the source."""

    def finder(path: str) -> FileFinder:
        is_ours = any(path == folder or path.startswith(folder + os.sep) for folder in folders)
        if not is_ours or "site-packages" in path or not os.path.isdir(path):
            raise ImportError
        return FileFinder(path, (ExtensionFileLoader, EXTENSION_SUFFIXES), (_FromSource, SOURCE_SUFFIXES))

    sys.path_hooks.insert(0, finder)
    for path in list(sys.path_importer_cache):
        if path.startswith(tuple(folders)):
            del sys.path_importer_cache[path]


def _import(script: Path, root: Path) -> ModuleType:
    """Imports a script by the name that other modules of the project import it by, where that is free."""
    parts = script.relative_to(root).with_suffix("").parts
    if len(parts) > 1 and (script.parent / "__init__.py").is_file():
        return import_module(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    name = script.stem
    loaded = sys.modules.get(name)
    if loaded is not None and getattr(loaded, "__file__", None) == str(script):
        return loaded
    if loaded is not None or name in sys.stdlib_module_names or not name.isidentifier():
        name = f"dreamsmk_user_{name}"
    spec = spec_from_file_location(name, script, loader=_FromSource(name, str(script)))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[name] = module  # before it runs: dataclasses and pickle look their module up by its name
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
