"""What a rule's example says of columns: those of the files that it reads, and those that come of them.

Contract: the example is read as text, and nothing of it runs. What does not stand there literally is left out.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dreamsmk.errors import DreamsmkError
from dreamsmk.settings import validate_params
from dreamsmk.smk import rules_folder
from dreamsmk.smk.meta import RuleMeta
from dreamsmk.tables import column_names, is_table_path


def example_of(meta: RuleMeta) -> Path:
    """Returns the Snakefile of a rule's example."""
    return rules_folder() / meta.name / "example" / "Snakefile"


def example_columns(meta: RuleMeta) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Returns the columns of the tables that a rule's example reads, and of those that it makes, as far as known."""
    path = example_of(meta)
    block = re.search(rf"^use rule {meta.name} from .*\n((?:(?: +.*)?\n)+)", path.read_text(encoding="utf-8"), re.M)
    if block is None:
        return {}, {}
    read = _columns_read(meta, path.parent, _directive(block[1], "input"))
    work_out = meta.load_columns()
    if work_out is None:
        return read, {}
    try:
        params = validate_params(meta.params, _directive(block[1], "params")[1], where=meta.name)
        made = work_out(params, read)
    except DreamsmkError:
        return read, {}  # it says something that is no literal
    return read, {role: columns for role, columns in made.items() if columns}


# Any: literals of Python.
def _columns_read(meta: RuleMeta, folder: Path, given: tuple[list[Any], Mapping[str, Any]]) -> dict[str, list[str]]:
    positional, named = given
    files = {**dict(zip(meta.inputs, positional, strict=False)), **named}
    found = {}
    for role, file in files.items():
        path = folder / str(file[0] if isinstance(file, list) and file else file)
        if role in meta.inputs and meta.inputs[role].kind == "table" and path.is_file() and is_table_path(path):
            found[role] = column_names(path)
    return found


# Any: literals of Python.
def _directive(block: str, name: str) -> tuple[list[Any], dict[str, Any]]:
    """Returns the literals of a directive, by position and by name."""
    found = re.search(rf"^    {name}:(.*\n(?:(?:     +.*)?\n)*)", block, re.M)
    if found is None:
        return [], {}
    call = ast.parse(f"given({found[1]})", mode="eval").body
    assert isinstance(call, ast.Call)
    positional = [value.value for value in call.args if isinstance(value, ast.Constant)]
    named = {}
    for keyword in call.keywords:
        try:
            named[str(keyword.arg)] = ast.literal_eval(keyword.value)
        except ValueError:
            continue
    return positional, named
