"""The canonical form of Python code: what of a syntax tree decides what the code does.

Contract: the form is the same on every Python that dreamsmk runs on (3.11 to 3.14) and blind to comments, formatting
and docstrings. Constants keep their type: `True`, `1` and `1.0` differ. `ast.dump` cannot serve: its text differs
between versions of Python, and so do the trees of f-strings.
"""

from __future__ import annotations

import ast
import hashlib
import warnings
from collections.abc import Iterable, Sequence

from dreamsmk.errors import SettingsError

# How a value was written, or where; `ctx` follows from the place in the tree.
_SKIPPED = frozenset({"lineno", "col_offset", "end_lineno", "end_col_offset", "ctx", "kind", "type_comment"})
_BLOCKS = frozenset({"body", "orelse", "finalbody"})
_CLOSE = object()


def parse(text: str, where: str) -> ast.Module:
    """Returns the syntax tree of a file.

    Raises:
        SettingsError: It is no valid Python.
    """
    try:
        with warnings.catch_warnings():
            # about "\d" in the user's file: Python says so when the file is imported
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except SyntaxError as exc:
        raise SettingsError(f"not valid Python: {exc.msg}", where=f"{where}, line {exc.lineno}") from exc
    except (ValueError, RecursionError) as exc:
        raise SettingsError(f"not valid Python: {exc}", where=where) from exc


def canonical_code(node: ast.AST, *, with_docstrings: bool = False) -> bytes:
    """Returns the canonical form of a node.

    Args:
        node: A statement or an expression.
        with_docstrings: Whether texts that stand alone count, for code that reads docstrings.
    """
    pieces: list[bytes] = []
    # A stack, for a chain of some hundred `+` is nested deeper than Python calls functions.
    waiting: list[object] = [node]
    while waiting:
        value = waiting.pop()
        if value is _CLOSE:
            pieces.append(b")")
        elif isinstance(value, ast.AST):
            pieces.append(f"({type(value).__name__}".encode())
            waiting.append(_CLOSE)
            for name, inner in reversed(_fields(value, with_docstrings)):
                waiting.extend((inner, name))
        elif isinstance(value, _Name):
            pieces.append(f" {value.text}=".encode())
        elif isinstance(value, list):
            pieces.append(b"([]")
            waiting.append(_CLOSE)
            waiting.extend(reversed(value))
        else:
            pieces.append(_constant(value))
    return b"".join(pieces)


def digest_code(pieces: Iterable[bytes | str]) -> str:
    """Returns the digest of canonical forms and texts, in order: `sha256:` and 64 hexadecimal digits."""
    hasher = hashlib.sha256()
    for piece in pieces:
        encoded = piece.encode("utf-8", "surrogatepass") if isinstance(piece, str) else piece
        hasher.update(b"%d:" % len(encoded))
        hasher.update(encoded)
    return f"sha256:{hasher.hexdigest()}"


class _Name:
    """The name of a field, told apart from a text in the code."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


def _fields(node: ast.AST, with_docstrings: bool) -> list[tuple[_Name, object]]:
    if isinstance(node, ast.Constant):
        return [(_Name("value"), node.value)]
    kept: list[tuple[_Name, object]] = []
    for name, value in ast.iter_fields(node):
        if name in _SKIPPED or value is None:
            continue
        decides = value
        if name in _BLOCKS and isinstance(value, list):
            decides = [each for each in value if not _is_idle(each, with_docstrings)]
        elif name == "values" and isinstance(node, ast.JoinedStr):
            decides = _joined(value)
        elif name == "format_spec" and not _joined(value.values):
            continue
        if decides != []:
            kept.append((_Name(name), decides))
    return kept


def _is_idle(statement: ast.stmt, with_docstrings: bool) -> bool:
    """Says whether a statement does nothing: `pass`, `...`, a text that stands alone."""
    if isinstance(statement, ast.Pass):
        return True
    if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
        return False
    return not (with_docstrings and isinstance(statement.value.value, str))


def _joined(values: Sequence[ast.expr]) -> list[ast.expr]:
    """Returns the parts of an f-string with adjacent texts merged and empty ones dropped."""
    merged: list[ast.expr] = []
    for value in values:
        if not isinstance(value, ast.Constant):
            merged.append(value)
        elif value.value == "":
            continue
        elif merged and isinstance(last := merged[-1], ast.Constant):
            merged[-1] = ast.Constant(str(last.value) + str(value.value))
        else:
            merged.append(ast.Constant(value.value))
    return merged


def _constant(value: object) -> bytes:
    """Returns a constant with its type and its length, so that none can be taken for another."""
    if isinstance(value, bytes):
        text = value
    elif isinstance(value, str):
        text = value.encode("utf-8", "surrogatepass")
    elif isinstance(value, int) and not isinstance(value, bool):
        text = hex(value).encode()  # the decimal digits of a very long integer are refused by Python
    else:
        text = repr(value).encode()
    return b"<%s %d:%s>" % (type(value).__name__.encode(), len(text), text)
