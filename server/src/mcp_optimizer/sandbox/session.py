"""A session: a Pod that is kept between runs. Its agent ends it in time by itself; so does this side, which hears of both."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from mcp_optimizer.errors import BAD_REQUEST, NOT_FOUND, CallFailure
from mcp_optimizer.lane import JobOutcome, JobRequest, OnCall, OnOutput
from mcp_optimizer.visible import visible_text
from mcp_optimizer_api.config import SessionsConfig
from mcp_optimizer_api.job import Ended, Run, RunLimits

from .conversation import MAX_REASON
from .files import notices
from .held import HeldPod
from .wire import ProtocolError, Unsendable, encode

MAX_ENDED_BYTES = 128 * 1024
LIFE_GRACE_SECONDS = 5.0
"""The agent ends a session at the end of its life, and says so to a run under way. This side waits a little for that."""
SEND_SECONDS = 5.0
"""An agent of ours takes what it is to run at once."""
CANCELLED = "its last run was cancelled"
Converse = Callable[["PodSession", JobRequest, OnCall, OnOutput | None], Awaitable[JobOutcome]]
"""One more run on the session's Pod, with a place among the jobs that run."""


class PodSession:
    """Implements `mcp_optimizer.lane.OpenSession`. Made after a run that left the connection open; one run at a time."""

    def __init__(self, held: HeldPod, terms: SessionsConfig, converse: Converse, on_end: Callable[["PodSession"], None]) -> None:
        self.held = held
        self.number = 1
        """Of the last run."""
        self.ended: str | None = None
        self._terms = terms
        self._converse = converse
        self._on_end = on_end
        self._closing = False
        loop = asyncio.get_running_loop()
        left = terms.max_seconds + LIFE_GRACE_SECONDS - (time.monotonic() - held.since)
        self._life = loop.call_later(left, self.close, f"it has lived its {terms.max_seconds} s (spec.sandbox.sessions.maxSeconds)")
        self._idle: asyncio.TimerHandle | None = None
        self._listening: asyncio.Task[None] | None = None
        self._rest()

    async def run(self, job: JobRequest, on_call: OnCall, *, progress: OnOutput | None = None) -> JobOutcome:
        """The next run. CallFailure 404 when the session is over, others as refused by the lane: then it goes on."""
        if self.ended is not None or self._closing:
            raise CallFailure(NOT_FOUND, f"the session has ended: {self.ended or 'its sandbox said so'}")
        self._wake()
        try:
            outcome = await self._converse(self, job, on_call, progress)
        except CallFailure:
            self._rest()
            raise
        except BaseException:
            self.close(CANCELLED)
            raise
        if outcome.session is None:
            self.close(f"its last run ended with {outcome.error.kind if outcome.error is not None else 'the session'}")
        else:
            self._rest()
        return outcome

    async def begin(self, job: JobRequest, limits: RunLimits) -> None:
        """Send the code of the next run. CallFailure 400 when it fits into no frame."""
        try:
            files = notices(job.files)
            frame = encode(Run(run=self.number + 1, code=job.code, params=job.params, limits=limits, files=files, artifacts=job.artifacts))
        except Unsendable as error:
            raise CallFailure(BAD_REQUEST, f"code and params together are too large for a sandbox: {error}") from None
        self.number += 1
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self.held.wire.send(frame)
        except OSError:
            pass  # also when it was not taken in time: whoever reads hears of it, or waits for its own deadline

    def close(self, reason: str) -> None:
        """End it now. Harmless when repeated."""
        if self.ended is not None:
            return
        self.ended = reason
        self._life.cancel()
        self._wake()
        self.held.release()
        self._on_end(self)

    def _rest(self) -> None:
        """Nothing runs: from now on the wait counts, and the agent may say that it is over."""
        if self.ended is None:
            seconds = self._terms.idle_seconds
            reason = f"it had no run for {seconds} s (spec.sandbox.sessions.idleSeconds)"
            self._idle = asyncio.get_running_loop().call_later(seconds, self.close, reason)
            self._listening = asyncio.create_task(self._listen())

    def _wake(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        if self._listening is not None and not self._closing:
            self._listening.cancel()

    async def _listen(self) -> None:
        """Between runs an agent of ours sends nothing but the end. What has begun to come is read by nobody else."""
        reason = "its sandbox Pod was lost"
        try:
            size = await self.held.wire.next_size(MAX_ENDED_BYTES)
            self._closing = True
            frame = await self.held.wire.receive(size)
            if isinstance(frame, Ended):
                reason = visible_text(frame.message[:MAX_REASON])
        except (OSError, EOFError, ProtocolError):
            pass
        self._closing = True
        self.close(reason)
