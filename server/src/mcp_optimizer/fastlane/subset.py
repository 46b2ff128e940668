"""Which code may go the fast lane: the Python that means the same there and in a Pod, by a list of what is allowed.

The interpreter of the fast lane is young: what is not on the list goes to a Pod without being tried. A test runs programs in both.
"""

import ast
from typing import Final

MAX_CODE = 32 * 1024
"""Characters. Longer code is no glue, and looking at it would cost other requests their time."""
GIVEN: Final = frozenset({"params", "call", "acall", "ToolError"})
BUILTINS: Final = frozenset(
    [
        "abs",
        "all",
        "any",
        "bool",
        "dict",
        "divmod",
        "enumerate",
        "float",
        "int",
        "isinstance",
        "len",
        "list",
        "map",
        "max",
        "min",
        "print",
        "range",
        "repr",
        "reversed",
        "round",
        "set",
        "sorted",
        "str",
        "sum",
        "tuple",
        "zip",
        "Exception",
        "ValueError",
        "TypeError",
        "KeyError",
        "IndexError",
        "RuntimeError",
        "ZeroDivisionError",
        "LookupError",
    ]
)
MODULES: Final[dict[str, frozenset[str]]] = {
    "asyncio": frozenset({"gather", "run"}),
    "json": frozenset({"dumps", "loads"}),
    "math": frozenset(
        ["ceil", "floor", "sqrt", "log", "log10", "log2", "exp", "pow", "fabs", "hypot", "pi", "e", "inf", "isnan", "isinf", "trunc"]
    ),
    "re": frozenset(["findall", "search", "match", "fullmatch", "sub", "split", "escape", "IGNORECASE", "MULTILINE", "I", "M"]),
}
METHODS: Final = frozenset(
    [
        "append",
        "extend",
        "insert",
        "pop",
        "remove",
        "index",
        "count",
        "sort",
        "reverse",
        "copy",
        "clear",
        "get",
        "items",
        "keys",
        "values",
        "update",
        "setdefault",
        "add",
        "discard",
        "union",
        "intersection",
        "difference",
        "issubset",
        "issuperset",
        "strip",
        "lstrip",
        "rstrip",
        "split",
        "rsplit",
        "splitlines",
        "join",
        "replace",
        "startswith",
        "endswith",
        "lower",
        "upper",
        "title",
        "capitalize",
        "find",
        "rfind",
        "isdigit",
        "isalpha",
        "isalnum",
        "isspace",
        "islower",
        "isupper",
        "format",
        "zfill",
        "ljust",
        "rjust",
        "center",
        "partition",
        "rpartition",
        "removeprefix",
        "removesuffix",
        "encode",
        "decode",
        "group",
        "groups",
        "start",
        "end",
        "span",
    ]
)
CONSUMERS: Final = frozenset({"sum", "list", "tuple", "set", "sorted", "min", "max", "dict", "join"})
"""They take all of what they are given. Elsewhere a generator would be seen to be a list: it is one there."""
NODES: Final[tuple[type[ast.AST], ...]] = (
    ast.Module, ast.Expr, ast.Assign, ast.AugAssign, ast.AnnAssign, ast.If, ast.For, ast.While, ast.Break, ast.Continue, ast.Pass, ast.Try,
    ast.ExceptHandler, ast.Raise, ast.Assert, ast.FunctionDef, ast.AsyncFunctionDef, ast.Return, ast.Lambda, ast.arguments, ast.arg,
    ast.Import, ast.ImportFrom, ast.alias, ast.Global, ast.Nonlocal, ast.Await, ast.Call, ast.keyword, ast.Attribute, ast.Subscript, ast.Slice,
    ast.Name, ast.Constant, ast.JoinedStr, ast.FormattedValue, ast.List, ast.Tuple, ast.Dict, ast.Set, ast.ListComp, ast.SetComp, ast.DictComp,
    ast.GeneratorExp, ast.comprehension, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.NamedExpr, ast.Starred,
    ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop,
)  # fmt: skip
REFUSED: Final[tuple[type[ast.AST], ...]] = (ast.MatMult,)


class Unfit(Exception):
    """This code goes to a Pod. The argument is one of `REASONS`."""


REASONS: Final = ("length", "syntax", "statement", "import", "name", "attribute", "exception", "generator", "call", "constant")


def why_not(code: str) -> str:
    """One of `REASONS`, or "" for code that may go the fast lane."""
    if len(code) > MAX_CODE:
        return "length"
    try:
        tree = ast.parse(code)
        _check(tree)
    except Unfit as unfit:
        return str(unfit)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return "syntax"
    return ""


def _check(tree: ast.Module) -> None:
    nodes = list(ast.walk(tree))
    modules = _modules(nodes)
    bound = _bound(nodes)
    if bound & GIVEN or bound & BUILTINS or bound & modules.keys():
        raise Unfit("name")
    known = GIVEN | BUILTINS | bound | modules.keys()
    lawful = _lawful_generators(nodes) | _lawful_mentions(nodes)
    caught = {node.name for node in nodes if isinstance(node, ast.ExceptHandler) and node.name}
    for node in nodes:
        if not isinstance(node, NODES) or isinstance(node, REFUSED):
            raise Unfit("statement")
        if isinstance(node, ast.Name):
            _check_name(node, known, caught, lawful)
        elif isinstance(node, ast.Attribute):
            _check_attribute(node, modules)
        elif isinstance(node, ast.GeneratorExp) and id(node) not in lawful:
            raise Unfit("generator")
        else:
            _check_shape(node)


def _check_name(node: ast.Name, known: frozenset[str], caught: set[str], lawful: set[int]) -> None:
    if node.id not in known or node.id.startswith("__"):
        raise Unfit("name")
    # Exceptions have no attributes there and another class: only their text is the same.
    if node.id in caught and id(node) not in lawful:
        raise Unfit("exception")
    if node.id == "ToolError" and id(node) not in lawful:
        raise Unfit("exception")


def _check_attribute(node: ast.Attribute, modules: dict[str, frozenset[str]]) -> None:
    if not isinstance(node.ctx, ast.Load):
        raise Unfit("attribute")
    members = modules.get(node.value.id) if isinstance(node.value, ast.Name) else None
    if node.attr not in (METHODS if members is None else members):
        raise Unfit("attribute")


def _check_shape(node: ast.AST) -> None:
    """What is allowed in one form only."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (node.decorator_list or node.args.posonlyargs):
        raise Unfit("statement")
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "gather" and node.keywords:
        raise Unfit("call")
    if isinstance(node, ast.Constant) and isinstance(node.value, bytes | complex):
        raise Unfit("constant")
    if isinstance(node, ast.AnnAssign) and not isinstance(node.target, ast.Name):
        raise Unfit("statement")
    if isinstance(node, ast.comprehension) and node.is_async:
        raise Unfit("statement")


def _modules(nodes: list[ast.AST]) -> dict[str, frozenset[str]]:
    """Plain `import name` of modules on the list."""
    found: dict[str, frozenset[str]] = {}
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            raise Unfit("import")
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name not in MODULES or alias.asname:
                    raise Unfit("import")
                found[alias.name] = MODULES[alias.name]
    return found


def _bound(nodes: list[ast.AST]) -> frozenset[str]:
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            names.add(node.name)
    return frozenset(names)


def _lawful_generators(nodes: list[ast.AST]) -> set[int]:
    found: set[int] = set()
    for node in nodes:
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr if isinstance(node.func, ast.Attribute) else ""
            if name in CONSUMERS and node.args:
                found.add(id(node.args[0]))
    return found


def _lawful_mentions(nodes: list[ast.AST]) -> set[int]:
    """Names of exceptions where only their text counts, and `ToolError` where it is caught."""
    found: set[int] = set()
    for node in nodes:
        if isinstance(node, ast.ExceptHandler) and node.type is not None:
            found.update(id(kind) for kind in (node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]))
        elif isinstance(node, ast.FormattedValue) and node.conversion in (-1, ord("s")) and node.format_spec is None:
            found.add(id(node.value))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("str", "print"):
            found.update(id(argument) for argument in node.args)
    return found
