"""Which names belong to a function, and which it takes from its module.

Contract: Python's own rules (parameters, assignments, imports, `global`, comprehensions, type parameters), but that
names bound in a class body are not hidden from it: a name that might come from the module counts as if it did.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import binds a name to.

    Attributes:
        module: The module, without the dots of a relative import.
        level: The number of those dots.
        name: What is taken of the module; None for the module itself, `*` for all.
    """

    module: str
    level: int = 0
    name: str | None = None

    def __str__(self) -> str:
        return ".".join([*([self.module] if self.module else []), *([self.name] if self.name else [])])


# What a name stands for inside a function: a plain local, or what a local import gave.
Locals = Mapping[str, Imported | None]


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a node stands.

    Attributes:
        locals: The names of all enclosing functions.
        is_eager: Whether the node is evaluated when its module is imported.
        declared_global: Names that the function says belong to the module.
    """

    locals: Locals
    is_eager: bool = True
    declared_global: frozenset[str] = frozenset()

    def inside(self, names: Locals, *, declared_global: Iterable[str] = (), is_eager: bool | None = None) -> Scope:
        """Returns the scope with more names of its own."""
        declared = frozenset(declared_global)
        own = {name: to for name, to in {**self.locals, **names}.items() if name not in declared}
        return replace(
            self,
            locals=own,
            declared_global=declared,
            is_eager=self.is_eager if is_eager is None else is_eager,
        )


def scopes_of(node: ast.AST, scope: Scope) -> Iterator[tuple[ast.AST, Scope]]:
    """Yields each child of a node with the scope it stands in, in the order of the source."""
    if isinstance(node, FUNCTIONS):
        yield from _of_function(node, scope)
    elif isinstance(node, COMPREHENSIONS):
        first = node.generators[0].iter
        inner = scope.inside(dict.fromkeys(bound_names([each.target for each in node.generators])))
        yield first, scope
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, ast.comprehension):
                yield child, inner
                continue
            for part in ast.iter_child_nodes(child):
                if part is not first:
                    yield part, inner
    else:
        inner = scope.inside(_type_params(node)) if getattr(node, "type_params", None) else scope
        for child in ast.iter_child_nodes(node):
            yield child, inner


def bound_names(nodes: Iterable[ast.AST]) -> dict[str, Imported | None]:
    """Returns the names that statements bind in the scope they stand in, not in functions and classes inside them."""
    found: dict[str, Imported | None] = {}
    waiting = list(nodes)[::-1]
    while waiting:
        node = waiting.pop()
        for name, imported in _binds(node):
            found[name] = imported or found.get(name)
        waiting.extend(list(_same_scope(node))[::-1])
    return found


def imports_of(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, Imported]]:
    """Yields each name that an import binds, with what it stands for."""
    for alias in node.names:
        if isinstance(node, ast.ImportFrom):
            yield alias.asname or alias.name, Imported(node.module or "", node.level, alias.name)
        elif alias.asname:
            yield alias.asname, Imported(alias.name)
        else:
            yield alias.name.partition(".")[0], Imported(alias.name.partition(".")[0])


def _of_function(node: Function, scope: Scope) -> Iterator[tuple[ast.AST, Scope]]:
    outer = scope.inside(_type_params(node))
    body = node.body if isinstance(node.body, list) else [node.body]
    parameters = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
    names = [parameter.arg for parameter in parameters if parameter is not None]
    declared = {name for each in _statements(body) if isinstance(each, ast.Global) for name in each.names}
    inner = outer.inside({**dict.fromkeys(names), **bound_names(body)}, declared_global=declared, is_eager=False)
    for decorator in getattr(node, "decorator_list", []):
        yield decorator, scope
    yield node.args, outer
    if returns := getattr(node, "returns", None):
        yield returns, outer
    for parameter in getattr(node, "type_params", []):
        yield parameter, outer
    for statement in body:
        yield statement, inner


def _statements(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    waiting = list(body)
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(_same_scope(node))


def _same_scope(node: ast.AST) -> Iterator[ast.AST]:
    """Yields the children of a node that bind names in the same scope as it does."""
    if isinstance(node, ast.Lambda):
        yield node.args
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield from node.decorator_list
        yield from [node.args] if not isinstance(node, ast.ClassDef) else [*node.bases, *node.keywords]
    elif isinstance(node, COMPREHENSIONS):
        # a target belongs to the comprehension, `:=` to the function around it
        yield from (each for each in ast.walk(node) if isinstance(each, ast.NamedExpr))
    else:
        yield from ast.iter_child_nodes(node)


def _binds(node: ast.AST) -> Iterator[tuple[str, Imported | None]]:
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        yield from imports_of(node)
    elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        yield node.id, None
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.ExceptHandler, ast.MatchAs)):
        if node.name:
            yield node.name, None
    elif isinstance(node, ast.MatchStar) and node.name:
        yield node.name, None
    elif isinstance(node, ast.MatchMapping) and node.rest:
        yield node.rest, None


def _type_params(node: ast.AST) -> dict[str, None]:
    """Returns the names in `[T, *Ts, **P]` of a definition (Python 3.12)."""
    return dict.fromkeys(parameter.name for parameter in getattr(node, "type_params", []))
