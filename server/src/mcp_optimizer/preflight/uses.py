"""Where a program uses tools in a way that can be judged without running it."""

import ast
import math
from collections.abc import Sequence
from typing import Any, Final

from .scopes import PACKAGES, Path, meanings

Use = dict[str, Any]
"""{"line", "path", "maybe"}: a tool or server is named; with "call": {"positional", "given": {name: [value] or null}, "all"} it is called.

`path` is ["call", "server.tool"] or ["tools", "server", "tool"]. `given` has a value where the code has a literal. `all`: no `**`.
"""
MAX_USES: Final = 200
MAX_LITERAL_DEPTH: Final = 20
_PASSING: Final = frozenset(
    {"open", "ThreadPoolExecutor", "ProcessPoolExecutor", "timeout", "timeout_at", "TaskGroup", "TemporaryDirectory"}
)
"""Context managers that let exceptions through; of others nobody knows."""
_ASIDE: Final = frozenset(
    {"exception", "wait", "as_completed", "add_done_callback", "Thread", "Process", "submit", "create_task", "ensure_future", "call_soon"}
)
"""Ways to see a failure, or not to, other than by an exception where the call is."""


def uses(tree: ast.Module) -> list[Use]:
    """All uses that nothing in the program could expect to fail, in order."""
    names = meanings(tree)
    if not names:
        return []
    finder = _Finder(names)
    finder.body(tree.body, _Place())
    catches = finder.catches or any(_sees_failures(node) for node in ast.walk(tree))
    certain = [use for use in finder.found if not (catches and use["later"])]
    return sorted(certain, key=lambda use: int(use["line"]))[:MAX_USES]


class _Place:
    """Where in a program: `guarded`, an exception may be caught here; `maybe`, it may be known not to come here; `later`, run by others."""

    __slots__ = ("guarded", "later", "maybe")

    def __init__(self, guarded: bool = False, maybe: bool = False, later: bool = False) -> None:
        self.guarded, self.maybe, self.later = guarded, maybe, later

    def but(self, *, guarded: bool = False, maybe: bool = False, later: bool = False) -> "_Place":
        """The same with more doubts."""
        return _Place(self.guarded or guarded, self.maybe or maybe, self.later or later)


class _Finder:
    def __init__(self, names: dict[str, Path]) -> None:
        self._names = names
        self.found: list[Use] = []
        self.catches = False

    def body(self, nodes: Sequence[ast.AST | None], place: _Place) -> None:
        """Look at these."""
        for node in nodes:
            if node is not None:
                self._visit(node, place)

    def _visit(self, node: ast.AST, place: _Place) -> None:
        if isinstance(node, ast.Try) or type(node).__name__ == "TryStar":
            self._try(node, place)
        elif isinstance(node, ast.With | ast.AsyncWith):
            caught = not all(_lets_through(item.context_expr) for item in node.items)
            self.catches |= caught
            self.body(node.items, place)
            self.body(node.body, place.but(guarded=caught))
        elif isinstance(node, ast.If | ast.While | ast.IfExp):
            self.body([node.test], place)
            after = [part for name in ("body", "orelse") for part in _listed(getattr(node, name))]
            self.body(after, place.but(maybe=True))
        elif isinstance(node, ast.BoolOp):
            self.body(node.values[:1], place)
            self.body(node.values[1:], place.but(maybe=True))
        elif isinstance(node, ast.Match):
            self.body([node.subject], place)
            self.body(node.cases, place.but(maybe=True))
        elif isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp):
            lazy = isinstance(node, ast.GeneratorExp)
            self.body(list(ast.iter_child_nodes(node)), place.but(maybe=any(part.ifs for part in node.generators), later=lazy))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            self.body(list(ast.iter_child_nodes(node)), place.but(later=True))
        else:
            self._expression(node, place)

    def _try(self, node: Any, place: _Place) -> None:
        self.catches |= bool(node.handlers)
        self.body(node.body, place.but(guarded=bool(node.handlers)))
        self.body([*node.handlers, *node.orelse, *node.finalbody], place)

    def _expression(self, node: ast.AST, place: _Place) -> None:
        if isinstance(node, ast.Import | ast.ImportFrom):
            self._import(node, place)
        elif isinstance(node, ast.Await) and isinstance(node.value, ast.Call):
            self._call(node.value, place, awaited=True)
        elif isinstance(node, ast.Call):
            self._call(node, place, awaited=False)
        elif (path := self._path(node)) is not None:
            self._note(node, path, place)
        else:
            self.body(list(ast.iter_child_nodes(node)), place)

    def _path(self, node: ast.AST) -> Path | None:
        """`tools.server` or `tools.server.tool`, however it is called here; what comes behind it is nobody's business."""
        if isinstance(node, ast.Name):
            path = self._names.get(node.id)
            return path if path is not None and path[0] in PACKAGES and len(path) > 1 else None
        if not isinstance(node, ast.Attribute) or node.attr.startswith("__"):
            return None
        known = self._names.get(node.value.id) if isinstance(node.value, ast.Name) else self._path(node.value)
        return (*known, node.attr) if known is not None and known[0] in PACKAGES and len(known) < 3 else None

    def _import(self, node: ast.Import | ast.ImportFrom, place: _Place) -> None:
        if isinstance(node, ast.ImportFrom) and node.level:
            return
        for alias in node.names:
            name = f"{node.module}.{alias.name}" if isinstance(node, ast.ImportFrom) else alias.name
            path = tuple(name.split("."))
            if path[0] in self._names and path[0] in PACKAGES and 1 < len(path) <= 3 and not path[-1].startswith("__"):
                self._note(node, path, place)

    def _call(self, node: ast.Call, place: _Place, *, awaited: bool) -> None:
        if not awaited and self._is_async(node.func):
            place = place.but(later=True)
        path = self._path(node.func)
        arguments = node.args
        if path is None and isinstance(node.func, ast.Name) and self._names.get(node.func.id) in (("call",), ("acall",)):
            first = arguments[0] if arguments else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                path, arguments = (self._names[node.func.id][0], first.value), arguments[1:]
        if path is None:
            self._visit(node.func, place)
        else:
            self._note(node, path, place, _arguments(arguments, node.keywords) if path[0] not in PACKAGES or len(path) == 3 else None)
        self.body([*node.args, *node.keywords], place)

    def _is_async(self, node: ast.expr) -> bool:
        while isinstance(node, ast.Attribute):
            node = node.value
        return isinstance(node, ast.Name) and self._names.get(node.id, ("",))[0] in ("acall", "atools")

    def _note(self, node: Any, path: Path, place: _Place, call: dict[str, Any] | None = None) -> None:
        if not place.guarded:
            use: Use = {"line": node.lineno, "path": list(path), "maybe": place.maybe, "later": place.later}
            self.found.append(use if call is None else {**use, "call": call})


def _listed(part: Any) -> list[ast.AST]:
    return part if isinstance(part, list) else [part]


def _lets_through(manager: ast.expr) -> bool:
    function = manager.func if isinstance(manager, ast.Call) else None
    name = function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    return name in _PASSING


def _sees_failures(node: ast.AST) -> bool:
    if isinstance(node, ast.keyword):
        return node.arg == "return_exceptions"
    return (isinstance(node, ast.Attribute) and node.attr in _ASIDE) or (isinstance(node, ast.Name) and node.id in _ASIDE)


def _arguments(positional: Sequence[ast.expr], keywords: Sequence[ast.keyword]) -> dict[str, Any]:
    return {
        "positional": sum(not isinstance(item, ast.Starred) for item in positional),
        "given": {item.arg: _literal(item.value) for item in keywords if item.arg is not None},
        "all": all(item.arg is not None for item in keywords) and not any(isinstance(item, ast.Starred) for item in positional),
    }


def _literal(node: ast.expr) -> list[Any] | None:
    """The value as JSON has it, in a list; None where it is no literal, or none that JSON has."""
    try:
        return [_value(node, 0)]
    except ValueError:
        return None


def _value(node: ast.expr, depth: int) -> Any:
    if depth > MAX_LITERAL_DEPTH:
        raise ValueError
    if isinstance(node, ast.Constant) and (node.value is None or isinstance(node.value, str | bool | int)):
        return node.value
    if isinstance(node, ast.Constant) and isinstance(node.value, float) and math.isfinite(node.value):
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and type(value := _value(node.operand, depth + 1)) in (int, float):
        return -value
    if isinstance(node, ast.List | ast.Tuple):
        return [_value(item, depth + 1) for item in node.elts]
    if isinstance(node, ast.Dict) and all(isinstance(key, ast.Constant) and isinstance(key.value, str) for key in node.keys):
        return {key.value: _value(value, depth + 1) for key, value in zip(node.keys, node.values, strict=True)}  # type: ignore[union-attr]
    raise ValueError
