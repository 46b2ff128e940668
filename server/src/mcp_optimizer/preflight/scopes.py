"""Which names in a program still mean the endpoint's `call`, `acall`, `tools` and `atools`, and what else imports call after them."""

import ast
import builtins
from collections import Counter
from collections.abc import Iterator
from typing import Final

Path = tuple[str, ...]
"""What a name stands for: ("call",), ("tools", "github"), ("tools", "github", "create_issue")."""
ROOTS: Final = ("call", "acall", "tools", "atools")
PACKAGES: Final = ("tools", "atools")
_REACHES_ALL: Final = frozenset(
    {"exec", "eval", "globals", "locals", "vars", "setattr", "delattr", "__import__", "importlib", "builtins", "__builtins__"}
)
"""Whoever uses one of these can give any name another meaning."""
_ATTRIBUTES: Final = frozenset({"modules", "meta_path", "__dict__", "__builtins__"})


def meanings(tree: ast.Module) -> dict[str, Path]:
    """What names stand for, as far as that is certain in all of the program; empty where nothing is."""
    nodes = list(ast.walk(tree))
    if any(_is_magic(node) for node in nodes):
        return {}
    bound = Counter(name for node in nodes for name in _bindings(node))
    imports = [(name, path) for node in nodes if isinstance(node, ast.Import | ast.ImportFrom) for name, path in _imported(node)]
    # `import tools` gives a name that means it already.
    harmless = Counter(name for name, path in imports if path == (name,))
    found: dict[str, Path] = {root: (root,) for root in ROOTS if bound[root] == harmless[root]}
    at_the_top = [(name, path) for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom) for name, path in _imported(node)]
    found.update({name: path for name, path in at_the_top if bound[name] == 1 and name not in ROOTS and not hasattr(builtins, name)})
    return {name: path for name, path in found.items() if path[0] in found}


def _is_magic(node: ast.AST) -> bool:
    if isinstance(node, ast.ImportFrom):
        return any(alias.name == "*" for alias in node.names) or node.module in _REACHES_ALL
    if isinstance(node, ast.Import):
        return any(alias.name.partition(".")[0] in _REACHES_ALL for alias in node.names)
    if isinstance(node, ast.Attribute):
        # Something is given to a module of tools, or to anything that could be one.
        return node.attr in _ATTRIBUTES or (not isinstance(node.ctx, ast.Load) and _root(node) in PACKAGES)
    return isinstance(node, ast.Name) and node.id in _REACHES_ALL


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _bindings(node: ast.AST) -> Iterator[str]:
    """Names that this node itself gives a meaning, in whatever scope."""
    if isinstance(node, ast.Name):
        if not isinstance(node.ctx, ast.Load):
            yield node.id
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.ExceptHandler | ast.MatchAs | ast.MatchStar):
        if node.name:
            yield node.name
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, ast.MatchMapping):
        if node.rest:
            yield node.rest
    elif type(node).__name__ in ("TypeVar", "ParamSpec", "TypeVarTuple"):  # type parameters, of Python 3.12 and later
        yield str(getattr(node, "name", ""))


def _imported(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, Path]]:
    """Names that an import of our packages gives, and what they stand for."""
    if isinstance(node, ast.ImportFrom):
        path = tuple((node.module or "").split("."))
        if path[0] in PACKAGES and not node.level and len(path) <= 2:
            yield from ((alias.asname or alias.name, (*path, alias.name)) for alias in node.names)
        return
    for alias in node.names:
        path = tuple(alias.name.split("."))
        if path[0] in PACKAGES and len(path) <= 2:
            yield (alias.asname, path) if alias.asname else (path[0], path[:1])
