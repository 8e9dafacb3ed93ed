"""A module of user code, taken apart into its statements and what each of them binds.

Contract: what a module is made of depends on its text alone, so that it is taken apart once for each content. What
runs only when the file is run as a script, or only for type checkers, is no part of it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from dreamsmk.hashing.code_facts import Facts, facts_of, imports_in
from dreamsmk.hashing.code_scopes import Imported, bound_names, imports_of
from dreamsmk.hashing.code_syntax import canonical_code, parse

# Through these a module can bind names that do not stand in its text.
_NAME_MAKERS = frozenset({"globals()", "locals()", "vars()", "exec()", "eval()", "sys.modules"})


@dataclass(slots=True)
class Unit:
    """One statement at the top of a module, the smallest part that is told apart.

    Attributes:
        node: The statement.
        names: What it binds in its module.
        imports: What it binds names to by imports; a name may stand for several things.
        is_import: Whether it is nothing but an import, which counts through what it leads to.
    """

    node: ast.stmt
    names: tuple[str, ...]
    imports: dict[str, list[Imported]]
    is_import: bool
    facts: Facts
    _forms: dict[bool, bytes] = field(default_factory=dict)

    def form(self, *, with_docstrings: bool) -> bytes:
        """Returns the canonical form of the statement."""
        if with_docstrings not in self._forms:
            self._forms[with_docstrings] = canonical_code(self.node, with_docstrings=with_docstrings)
        return self._forms[with_docstrings]


@dataclass(slots=True)
class Module:
    """A module, taken apart.

    Attributes:
        text: The source.
        units: Its statements, in order.
        bindings: The units that bind each name, in order.
        stars: What it imports all names of.
        imported: Everything that it imports anywhere.
        required: Modules that it imports without a fallback.
        futures: Its `from __future__` imports.
        makes_names: Whether it may bind names that do not stand in its text.
    """

    text: str
    units: list[Unit]
    bindings: dict[str, list[int]]
    stars: list[Imported]
    imported: list[Imported]
    required: frozenset[str]
    futures: tuple[str, ...]
    makes_names: bool

    def source(self, index: int) -> str:
        """Returns the source of a unit, decorators included."""
        node = self.units[index].node
        decorators = getattr(node, "decorator_list", [])
        first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
        return "\n".join(self.text.splitlines()[first - 1 : node.end_lineno])


@lru_cache(maxsize=512)
def take_apart(text: str, where: str) -> Module:
    """Returns a module from its source.

    Args:
        text: The source.
        where: What to name in errors.

    Raises:
        SettingsError: It is no valid Python.
    """
    tree = parse(text, where)
    units: list[Unit] = []
    futures: list[str] = []
    for statement in _executed(tree.body):
        if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
            futures.extend(alias.name for alias in statement.names)
        else:
            units.append(_unit(statement))
    bindings: dict[str, list[int]] = {}
    for index, unit in enumerate(units):
        for name in unit.names:
            bindings.setdefault(name, []).append(index)
    found = list(imports_in(tree))
    return Module(
        text=text,
        units=units,
        bindings=bindings,
        stars=[imported for unit in units for imported in unit.imports.get("*", [])],
        imported=[imported for imported, _ in found],
        required=frozenset(imported.module for imported, is_optional in found if not is_optional),
        futures=tuple(sorted(futures)),
        makes_names=any(what in _NAME_MAKERS for unit in units if unit.facts.runs for what, _ in unit.facts.blind),
    )


def _unit(statement: ast.stmt) -> Unit:
    facts = facts_of(statement)
    bound = bound_names([statement])
    imports: dict[str, list[Imported]] = {}
    for node in _imports_in_module(statement):
        for name, imported in imports_of(node):
            imports.setdefault(name, []).append(imported)
    return Unit(
        node=statement,
        names=tuple(dict.fromkeys([*(name for name in bound if name != "*"), *facts.binds_globally])),
        imports=imports,
        is_import=isinstance(statement, (ast.Import, ast.ImportFrom)),
        facts=facts,
    )


def _executed(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Yields the statements of a module that are executed when it is imported."""
    for statement in body:
        if isinstance(statement, ast.If) and _is_never_true(statement.test):
            yield from _executed(statement.orelse)
        elif not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
            yield statement


def _is_never_true(test: ast.expr) -> bool:
    """Says whether a test is `__name__ == "__main__"` or `TYPE_CHECKING`."""
    if isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq):
        sides = [test.left, test.comparators[0]]
        names = {side.id for side in sides if isinstance(side, ast.Name)}
        return names == {"__name__"} and any(isinstance(s, ast.Constant) and s.value == "__main__" for s in sides)
    return (test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")) == "TYPE_CHECKING"


def _imports_in_module(statement: ast.stmt) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yields the imports that bind names of the module, not of functions and classes in it."""
    waiting: list[ast.AST] = [statement]
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            waiting.extend(list(ast.iter_child_nodes(node))[::-1])
