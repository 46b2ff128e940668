"""What a program says, without running it: where its syntax is wrong, else where it uses tools. Runs in the child process only."""

import ast
import json
import warnings
from typing import Any, Final

from .uses import uses

MAX_FACTS: Final = 512 * 1024
"""Bytes of JSON. Who passes more in literals is told by the call itself what is wrong with it."""
MAX_LINE: Final = 200


def read(code: str) -> dict[str, Any]:
    """{"syntax": {"line", "message", "text"}}, {"uses": [...]}, or {} where nothing is certain. Never raises."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(code)
            # `return` outside a function and the like are found by the compiler only.
            compile(tree, "<job>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        facts = {"uses": uses(tree) if any(word in code for word in ("call", "tools")) else []}
        return facts if len(json.dumps(facts)) <= MAX_FACTS else {}
    except SyntaxError as error:
        return {"syntax": {"line": error.lineno or 0, "message": f"{type(error).__name__}: {error.msg}"[:500], "text": _line(code, error)}}
    except (ValueError, RecursionError, MemoryError):  # null bytes, half letters; too deep or too large for this parser
        return {}


def _line(code: str, error: SyntaxError) -> str:
    """The line as it is in the program: the compiler's own copy is missing at times."""
    lines = code.split("\n")
    number = error.lineno or 0
    return lines[number - 1].strip()[:MAX_LINE] if 0 < number <= len(lines) else ""
