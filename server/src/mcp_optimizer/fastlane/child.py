"""Keeps one child process for the fast lane: started when first needed, again when it died, never more often than its past allows.

The child is as hostile as what it runs: nothing of the server's environment or files reaches it, and all it ever gets of us are the ends
of socket pairs, one for each job.
"""

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
import time
from asyncio.subprocess import DEVNULL, Process
from typing import Final

log = logging.getLogger(__name__)

START_SECONDS = 30.0
END_SECONDS = 2.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 300.0
CALM_SECONDS = 60.0
"""A child that lived this long is no sign of trouble."""
MAX_STATUS_BYTES = 1024
ENVIRONMENT: Final = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONSAFEPATH": "1", "PYTHONDONTWRITEBYTECODE": "1"}
"""All that the child is told: no secret is in it, whatever the server's own has."""


class ChildDown(Exception):
    """No child now; the message says why."""


class Child:
    """One process and its successors."""

    def __init__(self, memory_bytes: int) -> None:
        """`memory_bytes` is that of each job."""
        self.starts = 0
        self._memory_bytes = memory_bytes
        self._process: Process | None = None
        self._control: socket.socket | None = None
        self._watch: asyncio.Task[None] | None = None
        self._starting: asyncio.Task[None] | None = None
        self._failures = 0
        self._not_before = 0.0
        self._why = ""

    @property
    def pid(self) -> int | None:
        """Of the process that runs now."""
        return self._process.pid if self._process is not None else None

    async def connection(self) -> socket.socket:
        """A connection to a session of the interpreter that nobody had before. ChildDown when there is no child."""
        control = self._control or await self._started()
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                socket.send_fds(control, [b"job"], [theirs.fileno()])
            except OSError as error:
                ours.close()
                raise ChildDown(f"its child process takes no job: {error}") from None
        ours.setblocking(False)
        return ours

    async def close(self) -> None:
        """End the process, and with it every job in it."""
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.wait([self._starting])
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._watch is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._watch), END_SECONDS)
            self._kill()
            await asyncio.wait([self._watch])

    async def _started(self) -> socket.socket:
        if self._starting is None:
            if time.monotonic() < self._not_before:
                raise ChildDown(self._why)
            self._starting = asyncio.create_task(self._start_or_say_why())
        # Of nobody's request: one that is cancelled meanwhile would leave a process that nobody knows.
        await asyncio.shield(self._starting)
        if self._control is None:
            raise ChildDown(self._why)
        return self._control

    async def _start_or_say_why(self) -> None:
        try:
            self._control = await self._start()
        except (ChildDown, OSError) as error:
            self._failed(str(error))
        finally:
            self._starting = None

    async def _start(self) -> socket.socket:
        self.starts += 1
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        ready = False
        try:
            with theirs:
                settings = {"memory_bytes": self._memory_bytes, "parent": os.getpid()}
                program = [sys.executable, "-m", "mcp_optimizer.fastlane.host", str(theirs.fileno()), json.dumps(settings)]
                self._process = await asyncio.create_subprocess_exec(
                    *program,
                    pass_fds=[theirs.fileno()],
                    env=ENVIRONMENT,
                    start_new_session=True,
                    stdin=DEVNULL,
                    stdout=DEVNULL,
                    stderr=DEVNULL,
                )
            self._watch = asyncio.create_task(self._until_its_end(self._process, ours))
            await self._until_ready(ours)
            ready = True
            return ours
        finally:
            if not ready:
                ours.close()
                self._kill()

    async def _until_ready(self, control: socket.socket) -> None:
        try:
            async with asyncio.timeout(START_SECONDS):
                status = await asyncio.get_running_loop().sock_recv(control, MAX_STATUS_BYTES)
        except TimeoutError:
            raise ChildDown(f"its child process was not ready within {START_SECONDS:g} s") from None
        if status != b'{"ready":true}':
            raise ChildDown(_reason(status))

    async def _until_its_end(self, process: Process, control: socket.socket) -> None:
        started = time.monotonic()
        code = await process.wait()
        # Its workers are of its session. They end by themselves when their pipes close, unless a job keeps them from reading.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        if self._control is control:
            self._control = None
            control.close()
            if time.monotonic() - started > CALM_SECONDS:
                self._failures = 0
            self._failed(f"its child process ended with code {code}")
        if self._process is process:
            self._process = None

    def _failed(self, why: str) -> None:
        self._failures += 1
        pause = min(FIRST_PAUSE_SECONDS * 2 ** (self._failures - 1), LONGEST_PAUSE_SECONDS)
        self._not_before = time.monotonic() + pause
        self._why = why
        log.warning("the fast lane is down, its jobs go to Pods", extra={"why": why, "pause_seconds": pause})

    def _kill(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)


def _reason(status: bytes) -> str:
    """What the child said; it is shown in our log, so only as text of a bounded size."""
    try:
        said = json.loads(status)["error"]
    except (ValueError, KeyError, TypeError):
        said = "no reason was given"
    return f"its child process could not start: {str(said)[:500]!r}"
