"""One job in one session of the interpreter: its code, its calls, its value, in the words a sandbox Pod would use.

What only a Pod can do ends as kind `unsupported`, which the server never shows: it takes the job to a Pod, or says why it cannot.
"""

import collections
import json
import os
import re
import time
from typing import Any

from pydantic_monty import (
    FunctionSnapshot,
    FutureSnapshot,
    MontyComplete,
    MontyCrashedError,
    MontyError,
    MontyRuntimeError,
    MontySession,
    MontySyntaxError,
    NameLookupSnapshot,
)

from .deadline import ENDED, Watch
from .frames import MAX_CALL_BYTES, MAX_DEPTH, Channel, encode, too_deep

Report = dict[str, Any]
STAND_IN = "binascii.Incomplete"
"""The interpreter knows no classes of exceptions but its own; this one means nothing else in code that may run here."""
PRELUDE = "from binascii import Incomplete as ToolError"
UNSUPPORTED = ("SyntaxError", "NotImplementedError", "ImportError", "ModuleNotFoundError", "AttributeError", "NameError", "TypeError")
"""How the interpreter says that it lacks something. A mistake of the job's author looks the same: then a Pod says it in full."""
MAX_TOOL_NAME = 512
MAX_OPEN_CALLS = 16
MAX_MESSAGE = 4000
MAX_TRACEBACK = 16000
_INPUT_FILE = re.compile(r'File "<python-input-\d+>"')


class Job:
    """Runs once."""

    def __init__(self, session: MontySession, channel: Channel, start: dict[str, Any]) -> None:
        self._session = session
        self._channel = channel
        self._code: str = start["code"]
        self._params: dict[str, Any] = start["params"]
        self._limits: dict[str, Any] = start["limits"]
        self._left = {"stdout": self._limits["maxOutputBytes"], "stderr": self._limits["maxOutputBytes"]}
        self._dropped = {"stdout": 0, "stderr": 0}
        self._seq = 0
        self._open: dict[int, int] = {}
        self._waiting: collections.deque[bytes] = collections.deque()
        self._settled: dict[int, Any] = {}
        pid = session.worker_pid
        assert pid is not None
        self._worker = os.pidfd_open(pid)
        self._watch = Watch(channel, self._worker, self._limits["timeoutSeconds"])

    def run(self) -> None:
        """To the end, its report included. OSError when the server is gone."""
        started = time.monotonic()
        self._watch.start()
        try:
            report = self._reported()
        finally:
            self._watch.stop()
            os.close(self._worker)
        report["durationMs"] = round((time.monotonic() - started) * 1000, 3)
        report.update(type="result", calls=self._seq, stdoutTruncated=self._dropped["stdout"], stderrTruncated=self._dropped["stderr"])
        self._channel.send(encode(report))

    def _reported(self) -> Report:
        try:
            value = self._drive(self._code, {"params": self._params})
            if value is None:
                value = self._variable("result")
            return self._value(value)
        except (MontyCrashedError, _Ended):
            return self._killed()
        except MontySyntaxError as error:
            return _failure("unsupported", str(error), error.display())
        except MontyRuntimeError as error:
            return self._failed(error)
        except MontyError as error:
            return _failure("unsupported", str(error))

    def _drive(self, code: str, inputs: dict[str, Any]) -> Any:
        state = self._session.feed_start(code, inputs=inputs, print_callback=self._print)
        while not isinstance(state, MontyComplete):
            if isinstance(state, FunctionSnapshot):
                state = state.resume(self._call(state))
            elif isinstance(state, FutureSnapshot):
                state = state.resume(self._await_some(state.pending_call_ids))
            else:
                # Every name that a job may use is there already.
                state = state.resume()
        return state.output

    def _variable(self, name: str) -> Any:
        state = self._session.feed_start(name, print_callback=self._print)
        if isinstance(state, NameLookupSnapshot):
            return None
        return state.output if isinstance(state, MontyComplete) else None

    def _call(self, asked: FunctionSnapshot) -> Any:
        name = asked.function_name
        if asked.is_os_function:
            return {"exc_type": "NotImplementedError", "message": f"{name} is not there"}
        if name not in ("call", "acall"):
            return {"exc_type": "NameError", "message": f"name {name!r} is not defined"}
        try:
            frame = self._request(asked.args, asked.kwargs)
        except (TypeError, ValueError) as error:
            return {"exc_type": type(error).__name__, "message": str(error)}
        if self._seq >= self._limits["maxCalls"]:
            return _tool_error(429, f"the job has used up its {self._limits['maxCalls']} tool calls")
        self._begin(asked.call_id, frame)
        if name == "acall":
            return {"future": ...}
        while asked.call_id not in self._settled:
            self._settle_one()
        return self._settled.pop(asked.call_id)

    def _request(self, args: tuple[Any, ...], arguments: dict[str, Any]) -> bytes:
        if len(args) != 1 or not isinstance(tool := args[0], str) or not 0 < len(tool) <= MAX_TOOL_NAME:
            raise TypeError(f'the first argument of call() is the tool\'s name, "server.tool", at most {MAX_TOOL_NAME} characters')
        if too_deep(arguments):
            raise ValueError(f"arguments of {tool} are nested deeper than {MAX_DEPTH} levels")
        try:
            frame = encode({"type": "call", "seq": self._seq + 1, "tool": tool, "arguments": arguments})
        except (TypeError, ValueError) as error:
            raise TypeError(f"arguments of {tool} must be JSON values: {error}") from None
        if len(frame) > MAX_CALL_BYTES:
            raise ValueError(f"arguments of {tool} are over {MAX_CALL_BYTES} bytes of JSON")
        return frame

    def _begin(self, call_id: int, frame: bytes) -> None:
        self._seq += 1
        self._open[self._seq] = call_id
        self._waiting.append(frame)
        self._send_some()

    def _send_some(self) -> None:
        while self._waiting and len(self._open) - len(self._waiting) < MAX_OPEN_CALLS:
            self._channel.send(self._waiting.popleft())

    def _await_some(self, pending: list[int]) -> Any:
        while not (ready := [call_id for call_id in pending if call_id in self._settled]):
            self._settle_one()
        return {call_id: self._settled.pop(call_id) for call_id in ready}

    def _settle_one(self) -> None:
        answer = self._watch.answers.get()
        if answer is ENDED:
            raise _Ended
        call_id = self._open.pop(answer["seq"])
        if answer.get("ok"):
            self._settled[call_id] = {"return_value": answer.get("value")}
        else:
            error = answer.get("error") or {}
            self._settled[call_id] = _tool_error(error.get("code", 500), error.get("message", "the call failed"))
        self._send_some()

    def _print(self, stream: str, text: str) -> None:
        data = text.encode("utf-8", "replace")
        kept = data[: self._left[stream]]
        self._left[stream] -= len(kept)
        self._dropped[stream] += len(data) - len(kept)
        if kept:
            self._channel.send(encode({"type": "output", "stream": stream, "data": kept.decode("utf-8", "ignore")}))

    def _value(self, value: Any) -> Report:
        if too_deep(value):
            return _failure("result_not_json", f"the result is nested deeper than {MAX_DEPTH} levels: return a flatter value")
        try:
            size = len(json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode())
        except (TypeError, ValueError, RecursionError) as error:
            fix = "return dicts, lists, strings, finite numbers, booleans or None"
            return _failure("result_not_json", f"the result is no JSON value ({type(error).__name__}: {error}): {fix}")
        limit = self._limits["maxResultBytes"]
        if size > limit:
            message = f"the result has {size} bytes of JSON, the limit is {limit}: return less, for example a summary or a slice"
            return _failure("result_too_large", message)
        return {"ok": True, "value": value}

    def _failed(self, error: MontyRuntimeError) -> Report:
        kind = error.display("type-msg").partition(":")[0]
        message = f"{kind}: {error.exception()}"
        trace = _INPUT_FILE.sub('File "<job>"', error.display("traceback"))
        if self._watch.why:
            return self._killed()
        if kind in UNSUPPORTED:
            return _failure("unsupported", message, trace)
        if kind == "MemoryError":
            return _failure("memory", f"the job ran out of its memory of {self._limits['memoryBytes']} bytes: keep less at once", trace)
        if kind == "TimeoutError" and "time limit exceeded" in str(error):
            return self._killed("timeout")
        return _failure("exception", _renamed(message), _renamed(trace))

    def _killed(self, why: str = "") -> Report:
        why = why or self._watch.why
        if why == "timeout":
            return _failure("timeout", f"not finished within {self._limits['timeoutSeconds']:g} s")
        if why == "cancelled":
            return _failure("cancelled", "the caller went away")
        return _failure("killed", "the interpreter ended by itself")


class _Ended(Exception):
    """No answer will come any more."""


def _tool_error(code: int, message: str) -> Any:
    return {"exc_type": STAND_IN, "message": f"{message} (code {code})"}


def _renamed(text: str) -> str:
    """With the name that the job knows."""
    return text.replace(f"{STAND_IN}: ", "ToolError: ")


def _failure(kind: str, message: str, trace: str = "") -> Report:
    return {"ok": False, "error": {"kind": kind, "message": message[:MAX_MESSAGE], "traceback": trace[-MAX_TRACEBACK:]}}
