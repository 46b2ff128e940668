"""What a job prints, as MCP progress of its call: gathered, so that a job that prints line by line sends no message per line."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeVar

from mcp_optimizer.lane import OnOutput

T = TypeVar("T")

EVERY_SECONDS: Final = 0.1
"""At most one message in this time."""


class Reporter(Protocol):
    """What is used of the SDK's session."""

    async def report_progress(self, progress: float, total: float | None = None, message: str | None = None) -> None: ...


async def reporting(session: Reporter | None, call: Callable[[OnOutput | None], Awaitable[T]]) -> T:
    """The result of `call`, which is given where to tell what its job prints; None when the client gave no token."""
    if session is None:
        return await call(None)
    progress = JobProgress(session)
    try:
        result = await call(progress.report)
    except BaseException:
        progress.drop()
        raise
    await progress.finish()
    return result


class JobProgress:
    """One call's. What waits to be sent is bounded by what a job may print."""

    def __init__(self, session: Reporter) -> None:
        self._session = session
        self._printed = 0
        self._gathered: list[str] = []
        self._not_before = 0.0
        self._later: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()

    async def report(self, stream: str, data: str) -> None:
        """The job printed."""
        self._gathered.append(data)
        wait = self._not_before - asyncio.get_running_loop().time()
        if wait <= 0:
            await self._send()
        elif self._later is None or self._later.done():
            self._later = asyncio.create_task(self._send_after(wait))

    async def finish(self) -> None:
        """Send the rest, before the result goes out."""
        self._hurry.set()
        if self._later is not None:
            await self._later
        await self._send()

    def drop(self) -> None:
        """Nobody listens any more."""
        if self._later is not None:
            self._later.cancel()

    async def _send_after(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._hurry.wait()
        await self._send()

    async def _send(self) -> None:
        if not self._gathered:
            return
        text = "".join(self._gathered)
        self._gathered.clear()
        self._printed += len(text)
        self._not_before = asyncio.get_running_loop().time() + EVERY_SECONDS
        await self._session.report_progress(float(self._printed), None, text)
