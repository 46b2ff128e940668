"""Runs the job's code and says how it ended, in the words of the job's author: only their own frames, errors that name the fix."""

import ast
import asyncio
import gc
import inspect
import json
import linecache
import traceback
from collections.abc import Callable
from typing import Any

from .frames import MAX_DEPTH, too_deep
from .hardening import grant_report_headroom
from .request import RunRequest
from .toolbox import install
from .toolcalls import CallChannel, ToolError

FILENAME = "<job>"
FILENAMES = (FILENAME, "<job run ")
LAST_VALUE = "__last_value__"
MAX_MESSAGE = 4000
MAX_TRACEBACK = 16000
Report = dict[str, Any]


def run(request: RunRequest, channel: CallChannel, namespace: dict[str, Any], memory_bytes: int) -> Report:
    """Run the code in `namespace`: `{"ok": True, "value": ...}`, or `{"ok": False, "error": {...}}`. Never raises."""
    filename = _filename(request.number)
    linecache.cache[filename] = (len(request.code), None, request.code.splitlines(keepends=True), filename)
    namespace.update(params=request.params, call=channel.call, acall=channel.acall, ToolError=ToolError)
    if request.number == 1:  # later in a session these names may be the code's own
        namespace.update(install(channel))
    namespace[LAST_VALUE] = None
    before, assigned = namespace.get("result"), request.number == 1
    try:
        assigned = execute(request.code, namespace, filename)
    except SystemExit as end:
        if end.code not in (None, 0):
            return _failure("exception", f"SystemExit: {_text(end.code)}", _traceback_of(end))
    except MemoryError as error:
        return _out_of_memory(error, memory_bytes, namespace)
    except BaseException as error:
        return _failure("exception", _describe(error), _traceback_of(error))
    value, result = namespace.get(LAST_VALUE), namespace.get("result")
    # That of an earlier run is no answer of this one.
    if value is None and (assigned or result is not before):
        value = result
    return report_value(value, request.limits.max_result_bytes)


def execute(code: str, namespace: dict[str, Any], filename: str = FILENAME) -> bool:
    """Compile and run `code`; the value of a last expression statement lands in LAST_VALUE. `await` works at the top level.

    True when the code assigns the name `result`.
    """
    tree = ast.parse(code, filename)
    assigned = any(isinstance(node, ast.Name) and node.id == "result" and isinstance(node.ctx, ast.Store) for node in ast.walk(tree))
    if tree.body and isinstance(last := tree.body[-1], ast.Expr):
        target = ast.copy_location(ast.Name(LAST_VALUE, ast.Store()), last)
        tree.body[-1] = ast.copy_location(ast.Assign([target], last.value), last)
    compiled = compile(tree, filename, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    outcome = eval(compiled, namespace)  # noqa: S307 -- running the given code is what this process exists for
    if compiled.co_flags & inspect.CO_COROUTINE:
        asyncio.run(outcome)
    return assigned


def _filename(number: int) -> str:
    """What tracebacks call the code of a run: each has its own lines."""
    return FILENAME if number == 1 else f"<job run {number}>"


def report_value(value: Any, limit: int) -> Report:
    """The report of a job that returned `value`."""
    try:
        if too_deep(value):
            return _failure("result_not_json", f"the result is nested deeper than {MAX_DEPTH} levels: return a flatter value")
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        size = len(text.encode())
    except MemoryError as error:
        return _out_of_memory(error, 0, {})
    except UnicodeEncodeError:
        return _failure(
            "result_not_json",
            "the result has text with lone surrogates, which UTF-8 cannot carry: clean it with .encode('utf-8', 'replace')",
        )
    except BaseException as error:
        return _failure(
            "result_not_json",
            f"the result is no JSON value ({_describe(error)}): return dicts, lists, strings, finite numbers, booleans or None",
        )
    if size > limit:
        return _failure(
            "result_too_large", f"the result has {size} bytes of JSON, the limit is {limit}: return less, for example a summary or a slice"
        )
    return {"ok": True, "value": value}


def _out_of_memory(error: MemoryError, limit: int, namespace: dict[str, Any]) -> Report:
    text = _quietly(lambda: _traceback_of(error))
    error.__traceback__ = None
    namespace.clear()
    gc.collect()
    grant_report_headroom()
    bound = f" of {limit} bytes" if limit else ""
    return _failure("memory", f"the job ran out of its memory{bound}: keep less at once", text)


def _failure(kind: str, message: str, trace: str = "") -> Report:
    return {"ok": False, "error": {"kind": kind, "message": message[:MAX_MESSAGE], "traceback": trace[-MAX_TRACEBACK:]}}


def _describe(error: BaseException) -> str:
    """`ValueError: bad`; of a syntax error, which prints its line first, the last line and its number."""
    if isinstance(error, SyntaxError):
        return _quietly(lambda: f"{type(error).__name__}: {error.msg} (line {error.lineno})")
    return _quietly(lambda: "".join(traceback.format_exception_only(error)).strip()) or type(error).__name__


def _text(value: object) -> str:
    return _quietly(lambda: str(value)) or "?"


def _traceback_of(error: BaseException) -> str:
    """The traceback with the job's own frames only, causes included."""
    report = traceback.TracebackException.from_exception(error, limit=-100, compact=True)
    pending: list[traceback.TracebackException] = [report]
    while pending:
        part = pending.pop()
        part.stack = traceback.StackSummary.from_list([frame for frame in part.stack if frame.filename.startswith(FILENAMES)])
        pending += [cause for cause in (part.__cause__, part.__context__, *(part.exceptions or ())) if cause]
    return "".join(report.format())


def _quietly(produce: Callable[[], str]) -> str:
    """The job's own classes run here (`__str__`, `__repr__`), so anything may be raised; a report must come out all the same."""
    try:
        return produce()
    except BaseException:
        return ""
