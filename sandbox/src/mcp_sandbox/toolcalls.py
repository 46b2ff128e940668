"""`call(...)` as the job sees it: a request over the worker's socket, answered by the server through the agent.

Any thread may call. Whoever waits and finds nobody reading reads for all, so that the usual job, with one thread, needs no reader thread.
"""

import asyncio
import functools
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from .frames import HEADER, MAX_CALL_BYTES, MAX_DEPTH, FrameError, decode, encode, too_deep

MAX_TOOL_NAME = 512
QUESTION = "$"
"""A tool whose name begins so is a question to the endpoint itself: search, describe, stubs. Never a name of a tool."""
MAX_QUESTIONS = 200
"""In one job. They are not counted as tool calls."""
MAX_IN_FLIGHT = 16
"""Calls that the agent lets wait for an answer at once; the job's next ones wait in the job."""


class ToolError(Exception):
    """A tool call failed. `code` tells why: 400 bad arguments, 403 not allowed, 404 unknown tool, 408 timeout, 429 over budget, 500/502 the tool failed."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.message} (code {self.code})"


class CallChannel:
    """The worker's end of the socket to the agent."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._send_lock = threading.Lock()
        self._state = threading.Condition()
        self._reading = False
        self._answers: dict[int | None, dict[str, Any]] = {}
        """By `seq`; what is no answer to a call, the next run, by None."""
        self._seq = 0
        self._threads: ThreadPoolExecutor | None = None

    def call(self, tool: str, /, **arguments: Any) -> Any:
        """Call `tool` ("server.tool") and return its value. Raises ToolError when the tool, or the way to it, fails."""
        if not isinstance(tool, str) or not 0 < len(tool) <= MAX_TOOL_NAME:
            raise TypeError(f'the first argument of call() is the tool\'s name, "server.tool", at most {MAX_TOOL_NAME} characters')
        with self._state:
            self._seq += 1
            seq = self._seq
        self.send(self._request(seq, tool, arguments))
        answer = self._wait_for(seq)
        if answer.get("ok"):
            return answer.get("value")
        error = answer.get("error") or {}
        raise ToolError(int(error.get("code", 500)), str(error.get("message", "the call failed")))

    async def acall(self, tool: str, /, **arguments: Any) -> Any:
        """The same for asyncio code; several may run at once."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(MAX_IN_FLIGHT)
        return await asyncio.get_running_loop().run_in_executor(self._threads, functools.partial(self.call, tool, **arguments))

    def send(self, frame: bytes) -> None:
        """Send one whole frame; frames of different threads do not mix."""
        with self._send_lock:
            self._sock.sendall(frame)

    def receive(self) -> dict[str, Any]:
        """Read one frame."""
        (length,) = HEADER.unpack(self._read(HEADER.size))
        return decode(self._read(length))

    def next_run(self) -> dict[str, Any]:
        """Wait for the frame of the next run, while threads of earlier ones may wait for answers."""
        return self._wait_for(None)

    @staticmethod
    def _request(seq: int, tool: str, arguments: dict[str, Any]) -> bytes:
        if too_deep(arguments):
            raise ValueError(f"arguments of {tool} are nested deeper than {MAX_DEPTH} levels")
        try:
            frame = encode({"type": "call", "seq": seq, "tool": tool, "arguments": arguments})
        except FrameError:
            frame = b""
        except (TypeError, ValueError) as error:
            raise TypeError(f"arguments of {tool} must be JSON values: {error}") from None
        if not frame or len(frame) > MAX_CALL_BYTES:
            raise ValueError(f"arguments of {tool} are over {MAX_CALL_BYTES} bytes of JSON")
        return frame

    def _wait_for(self, seq: int | None) -> dict[str, Any]:
        while True:
            with self._state:
                while self._reading and seq not in self._answers:
                    self._state.wait()
                if seq in self._answers:
                    return self._answers.pop(seq)
                self._reading = True
            answer: dict[str, Any] | None = None
            try:
                answer = self.receive()
            finally:
                with self._state:
                    self._reading = False
                    if answer is not None:
                        self._answers[answer.get("seq")] = answer
                    self._state.notify_all()

    def _read(self, size: int) -> bytes:
        data = self._sock.recv(size)
        if len(data) == size:
            return data
        parts = bytearray(data)
        while len(parts) < size:
            if not data:
                raise EOFError("the agent closed the channel")
            data = self._sock.recv(min(size - len(parts), 1 << 20))
            parts += data
        return bytes(parts)
