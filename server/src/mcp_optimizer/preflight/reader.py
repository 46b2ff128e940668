"""The other end of the child process: started when code first comes, ended when it takes too long, never a reason to refuse anything."""

import asyncio
import contextlib
import json
import logging
import socket
import subprocess
import sys
from typing import Any, Final

from .child import HEADER
from .known import Known, key_of

log = logging.getLogger(__name__)

MAX_CODE: Final = 64 * 1024
"""Characters: the worst program of this size takes a third of a second, one of 512 KiB takes 2.7 s and 250 MB."""
SECONDS: Final = 2.0
"""For one program."""
TURN_SECONDS: Final = 0.2
"""For those before it. Whoever sends the worst programs makes others' jobs wait so long, and no longer: they run without the look."""
MAX_ANSWER: Final = 1024 * 1024
END_SECONDS: Final = 5.0


class Reader:
    """One per process."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._turn = asyncio.Lock()
        self._known = Known()

    async def read(self, code: str) -> dict[str, Any] | None:
        """What `reading.read` says; None when it was not read: too large, or not in time."""
        if len(code) > MAX_CODE:
            return None
        key = key_of(code)
        if (known := self._known.get(key)) is not None:
            return dict(json.loads(known))
        try:
            await asyncio.wait_for(self._turn.acquire(), TURN_SECONDS)
        except TimeoutError:
            return None
        try:
            async with asyncio.timeout(SECONDS):
                # Of a burst the first one asks for all.
                answer = self._known.get(key) or await self._ask(code)
            found = dict(json.loads(answer))
            if found:  # nothing is what a reader short of memory says
                self._known.keep(key, answer)
            return found
        except (TimeoutError, OSError, EOFError, ValueError, TypeError) as error:
            log.warning("code was not read before it ran", extra={"why": type(error).__name__})
            return None
        finally:
            self._turn.release()

    async def close(self) -> None:
        """End the child."""
        streams, child = self._streams, self._child
        self._streams = self._child = None
        if streams is not None:
            streams[1].close()
        if child is not None:
            child.kill()
            await asyncio.to_thread(child.wait, END_SECONDS)

    async def _ask(self, code: str) -> bytes:
        whole = False
        try:
            reader, writer = self._streams or await self._start()
            body = json.dumps(code).encode()
            writer.write(HEADER.pack(len(body)) + body)
            await writer.drain()
            (length,) = HEADER.unpack(await reader.readexactly(HEADER.size))
            if length > MAX_ANSWER:
                raise ValueError(f"an answer of {length} bytes")
            answer = await reader.readexactly(length)
            whole = True
            return answer
        finally:
            if not whole:  # also when this request was cancelled: its answer would be taken for the next one's
                with contextlib.suppress(subprocess.TimeoutExpired):
                    await asyncio.shield(asyncio.ensure_future(self.close()))

    async def _start(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        ours, theirs = socket.socketpair()
        starting = asyncio.ensure_future(asyncio.to_thread(_child, theirs.fileno()))
        try:
            self._child = await asyncio.shield(starting)
        except asyncio.CancelledError:
            self._child = await starting  # else nobody would ever end it
            ours.close()
            raise
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        ours.setblocking(False)
        self._streams = await asyncio.open_connection(sock=ours)
        return self._streams


def _child(descriptor: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-I", "-m", f"{__package__}.child", str(descriptor)]
    nothing = subprocess.DEVNULL
    return subprocess.Popen(command, pass_fds=[descriptor], stdin=nothing, stdout=nothing, stderr=nothing, env={})
