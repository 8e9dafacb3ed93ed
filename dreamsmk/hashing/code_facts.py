"""What one statement of a module refers to, may change, and hides from whoever reads it.

Contract: every name that is taken from the module, or imported, is a reference, in the order of the source. Whatever
cannot be known from the text alone (`globals()`, `eval`, a computed attribute or module) is listed as blind.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from dreamsmk.hashing.code_scopes import Imported, Scope, bound_names, imports_of, scopes_of

# Methods that leave their object as it is; of others whose result nobody takes, the opposite is assumed.
_READERS = frozenset(
    {
        "get",
        "items",
        "keys",
        "values",
        "copy",
        "index",
        "count",
        "format",
        "join",
        "split",
        "strip",
        "startswith",
        "endswith",
        "encode",
        "decode",
        "replace",
        "match",
        "search",
        "sub",
        "findall",
        "finditer",
        "fullmatch",
        "render",
        "exists",
        "read_text",
        "read_bytes",
        "debug",
        "info",
        "warning",
        "error",
        "exception",
    }
)
_MUTATORS = frozenset(
    {
        "append",
        "extend",
        "insert",
        "add",
        "update",
        "setdefault",
        "pop",
        "popitem",
        "remove",
        "discard",
        "clear",
        "sort",
        "reverse",
        "appendleft",
        "extendleft",
        "register",
    }
)
_DOCSTRING_READERS = frozenset({"__doc__", "getdoc", "getsource", "getsourcelines"})
_ALWAYS_BLIND = frozenset({"globals", "eval", "exec"})
_BLIND_IN_MODULE = frozenset({"locals", "vars"})


@dataclass(frozen=True, slots=True)
class Reference:
    """A name, what is taken of it, and what a local import bound it to: `text.clean` is `text`, `(clean,)`."""

    name: str
    attributes: tuple[str, ...] = ()
    imported: Imported | None = None

    def __str__(self) -> str:
        return ".".join([self.name, *self.attributes])


@dataclass(slots=True)
class Facts:
    """What a statement does, as far as its text tells.

    Attributes:
        references: What it takes from its module and by imports of its own.
        mutations: What it may change, itself or in functions that it defines; True for what it surely changes.
        blind: What nobody can follow, in words, with the module or object concerned where one is named.
        binds_globally: Names of the module that its functions bind by `global`.
        runs: Whether it does more, when its module is imported, than define something.
        reads_docstrings: Whether docstrings decide what it does.
    """

    references: dict[Reference, None] = field(default_factory=dict)
    mutations: dict[Reference, bool] = field(default_factory=dict)
    blind: dict[tuple[str, Reference | None], None] = field(default_factory=dict)
    binds_globally: dict[str, None] = field(default_factory=dict)
    runs: bool = False
    reads_docstrings: bool = False

    @property
    def is_blind_to_names(self) -> bool:
        """Whether it may bind names that do not stand in the text."""
        return any(reference is None for _, reference in self.blind)


def facts_of(statement: ast.stmt) -> Facts:
    """Returns the facts of a statement of a module."""
    facts = Facts()
    own = bound_names([statement])
    waiting: list[tuple[ast.AST, Scope]] = [(statement, Scope({}))]
    while waiting:
        node, scope = waiting.pop()
        skipped = _note(node, scope, facts, own)
        waiting.extend([(child, inner) for child, inner in scopes_of(node, scope) if child not in skipped][::-1])
    return facts


def _note(node: ast.AST, scope: Scope, facts: Facts, own: dict[str, Imported | None]) -> list[ast.AST]:
    """Notes what a node does, and returns those of its children that need not be looked at."""
    if isinstance(node, (ast.Name, ast.Attribute)):
        return _note_name(node, scope, facts)
    if isinstance(node, ast.Call):
        facts.runs |= scope.is_eager
        return _note_call(node, scope, facts)
    if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
        facts.runs |= scope.is_eager
        _mutate(node.value, scope, facts, is_certain=True)
    elif isinstance(node, ast.Expr):
        _note_discarded(node.value, scope, facts)
    elif isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
        # another name for the same object, by which it may be changed
        if _reference(node.value, scope) is not None:
            _mutate(node.value, scope, facts, is_certain=False)
    elif isinstance(node, (ast.AugAssign, ast.Delete)):
        facts.runs |= scope.is_eager
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        _note_definition(node, scope, facts)
    elif isinstance(node, (ast.Import, ast.ImportFrom)) and scope.is_eager:
        for name, imported in imports_of(node):
            if name not in own and name != "*":  # in a class body
                facts.references[Reference(name, (), imported)] = None
    return []


def _note_name(node: ast.Name | ast.Attribute, scope: Scope, facts: Facts) -> list[ast.AST]:
    last = node.attr if isinstance(node, ast.Attribute) else node.id
    facts.reads_docstrings |= last in _DOCSTRING_READERS
    if last == "__globals__":
        facts.blind["__globals__", None] = None
    is_load = isinstance(node.ctx, ast.Load)
    if isinstance(node, ast.Attribute) and is_load and last in _MUTATORS:
        _mutate(node.value, scope, facts, is_certain=False)
    reference = _reference(node, scope)
    if isinstance(node, ast.Name) and not is_load:
        if node.id in scope.declared_global:
            facts.binds_globally[node.id] = None
            facts.references[Reference(node.id)] = None
            facts.mutations[Reference(node.id)] = True
        return []
    if not is_load:
        facts.runs |= scope.is_eager
        _mutate(node, scope, facts, is_certain=True)
    if reference is None:
        return []
    facts.references[reference] = None
    if reference.imported is None:
        _note_blind_name(reference, scope, facts)
    return list(ast.iter_child_nodes(node))


def _note_blind_name(reference: Reference, scope: Scope, facts: Facts) -> None:
    if not reference.attributes and (
        reference.name in _ALWAYS_BLIND or (reference.name in _BLIND_IN_MODULE and scope.is_eager)
    ):
        facts.blind[f"{reference.name}()", None] = None
    if reference.name == "sys" and reference.attributes[:1] == ("modules",):
        facts.blind["sys.modules", None] = None


def _note_call(node: ast.Call, scope: Scope, facts: Facts) -> list[ast.AST]:
    called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    is_builtin = isinstance(node.func, ast.Name) and called not in scope.locals
    if called == "import_module" or (called == "__import__" and is_builtin):
        _note_import(node, facts)
    elif called in ("getattr", "setattr", "delattr") and is_builtin and len(node.args) > 1:
        return _note_attribute(node, called, scope, facts)
    return []


def _note_import(node: ast.Call, facts: Facts) -> None:
    first = node.args[0] if node.args else None
    if isinstance(first, ast.Constant) and isinstance(first.value, str):
        module = first.value.lstrip(".")
        imported = Imported(module, len(first.value) - len(module))
        facts.references[Reference("import_module", (), imported)] = None
    else:
        facts.blind["an import of a module whose name is computed", None] = None


def _note_attribute(node: ast.Call, called: str, scope: Scope, facts: Facts) -> list[ast.AST]:
    """Notes `getattr(x, "name")` as `x.name`."""
    target, name = node.args[:2]
    reference = _reference(target, scope)
    if called != "getattr":
        facts.runs |= scope.is_eager
        _mutate(target, scope, facts, is_certain=True)
    if not (isinstance(name, ast.Constant) and isinstance(name.value, str)):
        facts.blind[f"{called} with a computed name", reference] = None
        return [] if reference is None else [target]
    if reference is None:
        return []
    facts.references[Reference(reference.name, (*reference.attributes, name.value), reference.imported)] = None
    return [target]


def _note_discarded(value: ast.expr, scope: Scope, facts: Facts) -> None:
    """Notes a call whose result nobody takes: it is made for what it changes."""
    if isinstance(value, ast.Await):
        value = value.value
    if not isinstance(value, ast.Call):
        return
    if isinstance(value.func, ast.Attribute) and value.func.attr not in _READERS:
        _mutate(value.func.value, scope, facts, is_certain=True)
    if isinstance(value.func, ast.Name) and value.func.id == "print":
        return
    for argument in [*value.args, *(keyword.value for keyword in value.keywords)]:
        _mutate(argument, scope, facts, is_certain=False)


def _note_definition(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, scope: Scope, facts: Facts) -> None:
    bases = isinstance(node, ast.ClassDef) and (node.bases or node.keywords)
    facts.runs |= scope.is_eager and bool(node.decorator_list or bases)
    for decorator in node.decorator_list:
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        if isinstance(called, ast.Attribute):
            _mutate(called.value, scope, facts, is_certain=False)


def _mutate(node: ast.expr, scope: Scope, facts: Facts, *, is_certain: bool) -> None:
    """Notes that the object that an expression begins with may change."""
    while not isinstance(node, ast.Name) and _reference(node, scope) is None:
        if isinstance(node, (ast.Attribute, ast.Subscript, ast.Starred)):
            node = node.value
        elif isinstance(node, ast.Call):
            node = node.func
        else:
            return
    reference = _reference(node, scope)
    if reference is not None:
        facts.mutations[reference] = facts.mutations.get(reference, False) or is_certain


def _reference(node: ast.AST, scope: Scope) -> Reference | None:
    """Returns what a name, or attributes of one, refers to; None for a local, and for other expressions."""
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    if node.id not in scope.locals:
        return Reference(node.id, tuple(reversed(attributes)))
    imported = scope.locals[node.id]
    return None if imported is None else Reference(node.id, tuple(reversed(attributes)), imported)


def imports_in(tree: ast.AST) -> Iterator[tuple[Imported, bool]]:
    """Yields everything that is imported anywhere in a tree, and whether the code goes on without it."""
    optional = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.Try) and node.handlers
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((Imported(alias.name), node in optional) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((imported, node in optional) for _, imported in imports_of(node))
