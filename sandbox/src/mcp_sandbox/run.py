"""One run of the job's code, as the agent sees it: relays calls and output within the run's bounds, says how it ended.

Whatever comes from the worker may be forged by the job, which shares its process; every frame is therefore checked and built anew, and
carries the number that this side has given the run.
"""

import json
import time
from collections.abc import Sequence
from typing import Any

from .frames import MAX_CALL_BYTES, MAX_DEPTH, FrameError, decode, encode, frame_of, too_deep
from .output import OutputPump
from .owner import Owner
from .request import RunRequest
from .stream import FrameStream
from .toolcalls import MAX_IN_FLIGHT, MAX_QUESTIONS, MAX_TOOL_NAME, QUESTION
from .worker import Worker

MAX_TEXT = 16_000
REPORT_BYTES = 256 * 1024
"""What a result frame may hold besides the value. More is not even parsed: JSON in memory can take thirty times its size."""
KINDS = ("exception", "memory", "result_too_large", "result_not_json")
Outcome = dict[str, Any]


def failure(kind: str, message: str, trace: str = "") -> Outcome:
    """How a run failed, bounded."""
    return {"ok": False, "error": {"kind": kind, "message": message[:MAX_TEXT], "traceback": trace[-MAX_TEXT:]}}


class Run:
    """From its frame to its result."""

    def __init__(self, request: RunRequest, owner: Owner, channel: FrameStream, worker: Worker) -> None:
        self.request, self.number = request, request.number
        self._limits, self._owner, self._channel = request.limits, owner, channel
        self._in_flight: set[int] = set()
        self._calls = self._questions = 0
        self._started = time.monotonic()
        limit = request.limits.max_output_bytes
        self._stdout = OutputPump(worker.stdout, limit, lambda text: self._print("stdout", text))
        self._stderr = OutputPump(worker.stderr, limit, lambda text: self._print("stderr", text))

    def start(self) -> None:
        """Take what it prints."""
        self._stdout.start()
        self._stderr.start()

    def from_worker(self, body: bytes) -> Outcome | None:
        """Take a frame of the worker, or of a job that found its socket: the outcome when it is the result. FrameError: no worker of ours sent it."""
        if len(body) > max(MAX_CALL_BYTES, self._limits.max_result_bytes + REPORT_BYTES):
            raise FrameError(f"a frame of {len(body)} bytes")
        frame = decode(body)
        kind = frame.get("type")
        if kind == "call" and len(body) <= MAX_CALL_BYTES:
            self._relay_call(frame)
            return None
        if kind == "result" and frame.get("run") == self.number:
            return self._checked_result(frame)
        raise FrameError(f"type {str(kind)[:40]!r}, {len(body)} bytes")

    def answered(self, frame: dict[str, Any], body: bytes) -> None:
        """Hand the answer to a call over to the job; one to no call of this run is dropped."""
        if frame.get("run", 1) == self.number and frame.get("seq") in self._in_flight:
            self._in_flight.discard(frame["seq"])
            self._channel.send(frame_of(body))

    def regulate(self, *, channel_full: bool, owner_full: bool) -> None:
        """Read from the job only while its calls and output are taken."""
        self._channel.pause(channel_full or owner_full or len(self._in_flight) >= MAX_IN_FLIGHT)
        for pump in (self._stdout, self._stderr):
            pump.pause(owner_full)

    def finish(self, outcome: Outcome, *, session_open: bool, left_out: Sequence[dict[str, str]] = ()) -> bytes:
        """Take the last of its output; the frame that says how it ended. Calls that have no answer yet get one, for threads that live on."""
        self._stdout.finish()
        self._stderr.finish()
        if session_open:
            for seq in self._in_flight:
                self._refuse(seq, 408, "the run ended before the call was answered")
        return encode(
            {
                "type": "result",
                "run": self.number,
                **outcome,
                "open": session_open,
                "calls": self._calls,
                "durationMs": round((time.monotonic() - self._started) * 1000, 3),
                "stdoutTruncated": self._stdout.truncated,
                "stderrTruncated": self._stderr.truncated,
                "leftOut": list(left_out),
            }
        )

    def _relay_call(self, frame: dict[str, Any]) -> None:
        seq, tool, arguments = frame.get("seq"), frame.get("tool"), frame.get("arguments")
        if isinstance(seq, bool) or not isinstance(seq, int) or not 0 <= seq < 1 << 53 or seq in self._in_flight:
            raise FrameError("call without a fresh seq")
        if not isinstance(tool, str) or not 0 < len(tool) <= MAX_TOOL_NAME or not isinstance(arguments, dict):
            raise FrameError("call without tool and arguments")
        if too_deep(arguments):
            self._refuse(seq, 400, f"the arguments are nested deeper than {MAX_DEPTH} levels")
        elif self._is_spent(tool):
            self._refuse(
                seq, 429, f"the job has used up its {self._limits.max_calls} tool calls, or its {MAX_QUESTIONS} questions about tools"
            )
        else:
            self._in_flight.add(seq)
            self._owner.send(_rebuilt({"type": "call", "run": self.number, "seq": seq, "tool": tool, "arguments": arguments}))

    def _is_spent(self, tool: str) -> bool:
        """Whether the job has used up its calls, or its questions; counts this one otherwise."""
        if tool.startswith(QUESTION):
            self._questions += 1
            return self._questions > MAX_QUESTIONS
        if self._calls >= self._limits.max_calls:
            return True
        self._calls += 1
        return False

    def _refuse(self, seq: int, code: int, message: str) -> None:
        self._channel.send(encode({"type": "callResult", "seq": seq, "ok": False, "error": {"code": code, "message": message}}))

    def _checked_result(self, frame: dict[str, Any]) -> Outcome:
        if frame.get("ok") is True:
            return self._checked_value(frame.get("value"))
        error = frame.get("error")
        if not isinstance(error, dict) or error.get("kind") not in KINDS:
            raise FrameError("result without a known error")
        return failure(error["kind"], str(error.get("message", "")), str(error.get("traceback", "")))

    def _checked_value(self, value: Any) -> Outcome:
        limit = self._limits.max_result_bytes
        if too_deep(value):
            raise FrameError(f"result nested deeper than {MAX_DEPTH} levels")
        try:
            size = len(json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode())
        except ValueError:
            raise FrameError("result that is no JSON") from None
        if size > limit:
            raise FrameError(f"result of {size} bytes, the limit is {limit}")
        return {"ok": True, "value": value}

    def _print(self, stream: str, text: str) -> None:
        self._owner.send(encode({"type": "output", "run": self.number, "stream": stream, "data": text}))


def _rebuilt(frame: dict[str, Any]) -> bytes:
    try:
        return encode(frame)
    except FrameError:
        raise
    except ValueError as error:
        raise FrameError(str(error)) from None
