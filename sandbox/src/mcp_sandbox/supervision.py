"""The agent's side of one running job: relays calls and output, enforces the bounds, ends everything, reports once.

Whatever comes from the worker may be forged by the job, which shares its process; every frame is therefore checked and built anew.
"""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

from .census import Census
from .frames import MAX_CALL_BYTES, MAX_DEPTH, FrameError, decode, encode, frame_of, too_deep
from .memory import oom_kills
from .output import OutputPump
from .processes import kill_all_others, kill_group
from .request import JobRequest
from .stream import FrameStream
from .toolcalls import MAX_IN_FLIGHT, MAX_TOOL_NAME
from .worker import Worker, start_frame

MAX_TEXT = 16_000
REPORT_BYTES = 256 * 1024
"""What a result frame may hold besides the value. More is not even parsed: JSON in memory can take thirty times its size."""
CHANNEL_GRACE_SECONDS = 1.0
KINDS = ("exception", "memory", "result_too_large", "result_not_json")
DELIVERED, UNDELIVERED = 0, 4


class RunningJob:
    """Created by the claim, lives until the Pod ends."""

    def __init__(
        self, request: JobRequest, owner: FrameStream, channel: FrameStream, worker: Worker, finished: Callable[[int], None]
    ) -> None:
        self._request, self._owner, self._channel, self._worker, self._finished = request, owner, channel, worker, finished
        self._in_flight: set[int] = set()
        self._calls = 0
        self._ending = False
        self._full: set[FrameStream] = set()
        self._started = time.monotonic()
        self._oom_kills = oom_kills()
        self._exit_code: int | None = None
        limit = request.limits.max_output_bytes
        self._census = Census(request.limits.max_processes, self._too_many_processes)
        self._stdout = OutputPump(worker.stdout, limit, lambda text: self._print("stdout", text))
        self._stderr = OutputPump(worker.stderr, limit, lambda text: self._print("stderr", text))

    def begin(self) -> None:
        """Tell both sides, start the clock."""
        self._owner.send(encode({"type": "accepted", "job": self._request.job}))
        self._channel.send(start_frame(self._request))
        self._stdout.start()
        self._stderr.start()
        self._census.start()
        asyncio.get_running_loop().call_later(self._request.limits.timeout_seconds, self._time_is_up)

    def from_owner(self, body: bytes) -> None:
        """A frame of the server that owns this Pod."""
        try:
            frame = decode(body)
        except FrameError as error:
            self.fail("cancelled", f"the server sent a malformed frame: {error}")
            return
        if frame.get("type") == "cancel":
            self.fail("cancelled", "the job was cancelled")
        elif frame.get("type") == "callResult" and frame.get("seq") in self._in_flight:
            self._in_flight.discard(frame["seq"])
            self._channel.send(frame_of(body))
            self._regulate()

    def from_worker(self, body: bytes) -> None:
        """A frame of the worker, or of a job that found its socket."""
        if self._ending:
            return
        try:
            if len(body) > max(MAX_CALL_BYTES, self._request.limits.max_result_bytes + REPORT_BYTES):
                raise FrameError(f"a frame of {len(body)} bytes")
            frame = decode(body)
            kind = frame.get("type")
            if kind == "call" and len(body) <= MAX_CALL_BYTES:
                self._relay_call(frame)
            elif kind == "result":
                self._end(self._checked_result(frame))
            else:
                raise FrameError(f"type {str(kind)[:40]!r}, {len(body)} bytes")
        except FrameError as error:
            self.fail("killed", f"the job broke the protocol with its agent: {error}")

    def worker_exited(self, exit_code: int) -> None:
        """The worker is gone. Its last frames may still be unread: end its children, so that the channel runs dry and closes."""
        self._exit_code = exit_code
        if not self._ending:
            kill_all_others()
            asyncio.get_running_loop().call_later(CHANNEL_GRACE_SECONDS, self.channel_closed)

    def channel_closed(self) -> None:
        """Nothing more will come from the worker."""
        if self._ending:
            return
        code = self._exit_code if self._exit_code is not None else kill_all_others().get(self._worker.pid)
        if oom_kills() > self._oom_kills:
            self.fail("memory", "the job was killed because its Pod ran out of memory: keep less at once, start fewer processes")
        elif code is not None and code < 0:
            self.fail("killed", f"the job was killed by signal {-code}")
        else:
            self.fail("killed", f"the job's process ended before its code did (exit code {code})")

    def owner_lost(self) -> None:
        """Nobody waits for the result any more."""
        if not self._ending:
            self._ending = True
            self._census.stop()
            kill_group(self._worker.pid)
            kill_all_others()
            self._finished(UNDELIVERED)

    def pressure(self, stream: FrameStream, full: bool) -> None:
        """A reader is slow: stop producing for it."""
        (self._full.add if full else self._full.discard)(stream)
        self._regulate()

    def fail(self, kind: str, message: str, trace: str = "") -> None:
        """End the job with an error."""
        self._end({"ok": False, "error": {"kind": kind, "message": message[:MAX_TEXT], "traceback": trace[-MAX_TEXT:]}})

    def _time_is_up(self) -> None:
        seconds = self._request.limits.timeout_seconds
        self.fail(
            "timeout", f"the job did not finish within {seconds:g} seconds and was killed: do less, or raise spec.sandbox.timeoutSeconds"
        )

    def _too_many_processes(self, count: int) -> None:
        self.fail("killed", f"the job had {count} processes, the limit is {self._request.limits.max_processes}: start fewer at once")

    def _end(self, outcome: dict[str, Any]) -> None:
        if self._ending:
            return
        self._ending = True
        self._census.stop()
        kill_group(self._worker.pid)
        self._stdout.finish()
        self._stderr.finish()
        last = {
            "type": "result",
            **outcome,
            "calls": self._calls,
            "duration_ms": round((time.monotonic() - self._started) * 1000, 3),
            "stdout_truncated": self._stdout.truncated,
            "stderr_truncated": self._stderr.truncated,
        }
        last = {_camel(name): value for name, value in last.items()}
        self._owner.end_with(encode(last), self._owner_closed)
        kill_all_others()

    def _owner_closed(self) -> None:
        self._finished(DELIVERED)

    def _relay_call(self, frame: dict[str, Any]) -> None:
        seq, tool, arguments = frame.get("seq"), frame.get("tool"), frame.get("arguments")
        if isinstance(seq, bool) or not isinstance(seq, int) or not 0 <= seq < 1 << 53 or seq in self._in_flight:
            raise FrameError("call without a fresh seq")
        if not isinstance(tool, str) or not 0 < len(tool) <= MAX_TOOL_NAME or not isinstance(arguments, dict):
            raise FrameError("call without tool and arguments")
        if too_deep(arguments):
            self._refuse(seq, 400, f"the arguments are nested deeper than {MAX_DEPTH} levels")
        elif self._calls >= self._request.limits.max_calls:
            self._refuse(seq, 429, f"the job has used up its {self._request.limits.max_calls} tool calls")
        else:
            self._calls += 1
            self._in_flight.add(seq)
            self._owner.send(_rebuilt({"type": "call", "seq": seq, "tool": tool, "arguments": arguments}))
            self._regulate()

    def _refuse(self, seq: int, code: int, message: str) -> None:
        self._channel.send(encode({"type": "callResult", "seq": seq, "ok": False, "error": {"code": code, "message": message}}))

    def _checked_result(self, frame: dict[str, Any]) -> dict[str, Any]:
        if frame.get("ok") is True:
            return self._checked_value(frame.get("value"))
        error = frame.get("error")
        if not isinstance(error, dict) or error.get("kind") not in KINDS:
            raise FrameError("result without a known error")
        texts = {name: str(error.get(name, ""))[:MAX_TEXT] for name in ("message", "traceback")}
        return {"ok": False, "error": {"kind": error["kind"], **texts}}

    def _checked_value(self, value: Any) -> dict[str, Any]:
        limit = self._request.limits.max_result_bytes
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
        self._owner.send(encode({"type": "output", "stream": stream, "data": text}))

    def _regulate(self) -> None:
        """Read from the job only while its calls and output are taken."""
        if self._ending:
            return
        self._channel.pause(bool(self._full) or len(self._in_flight) >= MAX_IN_FLIGHT)
        for pump in (self._stdout, self._stderr):
            pump.pause(self._owner in self._full)


def _rebuilt(frame: dict[str, Any]) -> bytes:
    try:
        return encode(frame)
    except FrameError:
        raise
    except ValueError as error:
        raise FrameError(str(error)) from None


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)
