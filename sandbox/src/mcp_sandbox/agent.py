"""PID 1 of a sandbox Pod: one listening port, one job (one run, or the runs of one session), one end.

The latch is the whole claim protocol: the first `start` with the right token wins, everybody else is refused, and nothing outside this
process has to agree on who it was.
"""

import asyncio
import contextlib
import os
import random
import signal
import socket
from collections.abc import Callable

from .frames import encode
from .health import HealthEndpoint
from .isolation import NetworkOpenError, until_isolated
from .journal import log
from .owner import RETURN_SECONDS, Owner
from .processes import kill_all_others, reap
from .rehearsal import START, rehearse
from .request import Refusal, parse_start
from .settings import Settings
from .stream import FrameStream
from .supervision import RunningJob
from .worker import Worker

MAX_STRANGERS = 64
"""Connections that have not shown a token yet. The oldest gives way, so that silent ones cannot keep a claim out."""
MAX_STRANGE_BYTES = 12 * 1024 * 1024
"""What all of them together may make us hold. Whoever holds most gives way."""
STRANGER_SECONDS = 5.0
END_SECONDS = 5.0
EXIT_IDLE, EXIT_WORKER_DIED, EXIT_TERMINATED, EXIT_NETWORK_OPEN = 3, 5, 6, 7


class Agent:
    """The state of the Pod: warming, warm, claimed, over."""

    def __init__(self, settings: Settings, worker: Worker) -> None:
        self._settings = settings
        self._worker = worker
        self._strangers: dict[FrameStream, asyncio.TimerHandle] = {}
        """With the end of their patience, which goes with them: a timer would keep a closed connection in memory."""
        self._job: RunningJob | None = None
        self._owner: Owner | None = None
        self._channel = FrameStream(self)
        self._worker_ready = False
        self._open = False
        self._over: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._told_to_go = asyncio.Event()

    async def run(self) -> int:
        """Serve one job; the exit code."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGCHLD, self._child_ended)
        loop.add_signal_handler(signal.SIGTERM, self._terminate)
        await loop.create_unix_connection(lambda: self._channel, sock=self._worker.channel)
        opening = loop.create_task(self._open_when_isolated())
        opening.add_done_callback(self._opened)
        idle = loop.call_later(self._settings.idle_seconds, self._idle)
        try:
            exit_code = await self._over
            if self._job is not None:
                await self._linger()
        finally:
            idle.cancel()
            opening.cancel()
            kill_all_others()
        return exit_code

    async def _linger(self) -> None:
        """Stay a moment, each Pod another one, unless told to go."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(random.uniform(1 / 3, 1) * self._settings.linger_seconds):
                await self._told_to_go.wait()

    def stranger_came(self, stream: FrameStream) -> None:
        """Somebody connected."""
        if len(self._strangers) >= MAX_STRANGERS:
            self._forget(next(iter(self._strangers)))
        self._strangers[stream] = asyncio.get_running_loop().call_later(STRANGER_SECONDS, self._forget, stream)

    def stranger_sent(self, stream: FrameStream) -> None:
        """Somebody without a token has sent a part of a frame."""
        if stream in self._strangers and sum(each.held for each in self._strangers) > MAX_STRANGE_BYTES:
            self._forget(max(self._strangers, key=lambda each: each.held))

    def on_frame(self, stream: FrameStream, body: bytes) -> None:
        if stream is self._channel:
            self._from_worker(body)
        elif self._owner is not None and stream is self._owner.stream and self._job is not None:
            self._owner.heard()
            self._job.from_owner(body)
        elif self._known(stream):
            self._answer_start(stream, body)

    def on_garbage(self, stream: FrameStream, reason: str) -> None:
        if self._known(stream):
            _reject(stream, Refusal(400, f"malformed frame: {reason}"))
        elif self._job is not None:
            side = "job broke the protocol with its agent" if stream is self._channel else "server sent a malformed frame"
            self._job.fail("killed" if stream is self._channel else "cancelled", f"the {side}: {reason}")

    def on_lost(self, stream: FrameStream) -> None:
        self._known(stream)
        if self._job is None:
            if stream is self._channel:
                self._end(EXIT_WORKER_DIED)
        elif stream is self._channel:
            self._job.channel_closed()
        elif self._owner is not None and stream is self._owner.stream:
            self._owner_left(self._job, self._owner, stream)

    def on_pressure(self, stream: FrameStream, full: bool) -> None:
        if self._job is None or self._owner is None:
            return
        if stream is self._channel:
            self._job.pressure(stream, full)
        elif stream is self._owner.stream:
            self._job.pressure(self._owner, full)

    def _owner_left(self, job: RunningJob, owner: Owner, stream: FrameStream) -> None:
        """The job ends, unless the server may be on its way back: then it has a moment."""
        if not owner.may_return:
            job.owner_lost()
            return
        asyncio.get_running_loop().call_later(RETURN_SECONDS, lambda: job.owner_lost() if owner.stream is stream else None)

    def _why_not_ready(self) -> str | None:
        if self._job is not None:
            return "claimed: this Pod runs its one job"
        if self._over.done():
            return "ending: nobody claimed this Pod in its time"
        return None if self._worker_ready and self._open else "warming up"

    def _from_worker(self, body: bytes) -> None:
        if self._job is not None:
            self._job.from_worker(body)
        elif not self._worker_ready:
            self._worker_ready = True

    def _answer_start(self, stream: FrameStream, body: bytes) -> None:
        try:
            request = parse_start(body, self._settings.token_sha256)
            if self._job is not None and self._owner is not None:
                self._welcome_back(self._job, self._owner, stream, request.job)
                return
            if reason := self._why_not_ready():
                raise Refusal(409, reason, "warming")
        except Refusal as refusal:
            _reject(stream, refusal)
            return
        self._owner = Owner(stream)
        self._job = RunningJob(request, self._owner, self._channel, self._worker, self._end)
        self._job.begin()

    def _welcome_back(self, job: RunningJob, owner: Owner, stream: FrameStream, name: str) -> None:
        """A valid `start` after the claim: of the same job only from the server that has it, as nobody else knows its random id."""
        if name != job.name:
            raise Refusal(409, "claimed: this Pod runs its one job", "claimed")
        if not owner.may_return:
            raise Refusal(409, "claimed: this job ran here already, and its server has heard from it", "yours")
        log("server came back")
        owner.take_over(stream)
        job.pressure(owner, False)

    def _forget(self, stream: FrameStream) -> None:
        if self._known(stream):
            stream.abort()

    def _known(self, stream: FrameStream) -> bool:
        """Whether it was a stranger until now."""
        timer = self._strangers.pop(stream, None)
        if timer is not None:
            timer.cancel()
        return timer is not None

    async def _open_when_isolated(self) -> None:
        """Nothing listens before: where the Pod still gets out, its neighbours may still get in."""
        try:
            attempts = await until_isolated(self._settings.egress_probe, self._settings.egress_seconds)
        except NetworkOpenError:
            log("network open", afterSeconds=self._settings.egress_seconds)
            self._end(EXIT_NETWORK_OPEN)
            return
        log("isolated", probed=self._settings.egress_probe is not None, openProbes=attempts)
        health = HealthEndpoint(self._why_not_ready)
        port = await _listen(self._settings.bind, self._settings.port, lambda: _Stranger(self))
        health_port = await _listen(self._settings.bind, self._settings.health_port, health.connection)
        await _knock(self._settings.bind or "127.0.0.1", port)
        rehearse(self._worker)
        self._open = True
        log("listening", pod=self._settings.pod, port=port, healthPort=health_port)

    def _opened(self, opening: asyncio.Task[None]) -> None:
        if not opening.cancelled() and (error := opening.exception()) is not None and not self._over.done():
            self._over.set_exception(error)

    def _child_ended(self) -> None:
        exit_code = reap().get(self._worker.pid)
        if exit_code is None:
            if self._job is not None:
                self._job.child_changed()
            return
        if self._job is not None:
            self._job.worker_exited(exit_code)
        else:
            self._end(EXIT_WORKER_DIED)

    def _idle(self) -> None:
        if self._job is None:
            self._end(EXIT_IDLE)

    def _terminate(self) -> None:
        self._told_to_go.set()
        if self._job is None:
            self._end(EXIT_TERMINATED)
        else:
            self._job.fail("killed", "the job was lost: its sandbox Pod was told to end (deleted, evicted or pre-empted)")

    def _end(self, exit_code: int) -> None:
        if not self._over.done():
            self._over.set_result(exit_code)


class _Stranger(FrameStream):
    """A connection on the job port; announces itself."""

    def __init__(self, agent: Agent) -> None:
        super().__init__(agent)
        self._agent = agent

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._agent.stranger_came(self)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._agent.stranger_sent(self)


def _reject(stream: FrameStream, refusal: Refusal) -> None:
    state = {} if refusal.state is None else {"state": refusal.state}
    stream.end_with(encode({"type": "rejected", "code": refusal.code, "message": refusal.message, **state}))


async def _knock(host: str, port: int) -> None:
    """Come to our own port with a wrong token: the part of the rehearsal that needs a connection."""
    try:
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(encode(START))
        await reader.read()
        writer.close()
    except OSError as error:
        log("rehearsal failed", reason=str(error))


async def _listen(bind: str, port: int, factory: Callable[[], asyncio.BaseProtocol]) -> int:
    """Listen on `bind`, or on every address of both families; the port in use."""
    if bind or not socket.has_dualstack_ipv6():
        sock = socket.create_server((bind, port), backlog=128)
    else:
        sock = socket.create_server((bind, port), family=socket.AF_INET6, backlog=128, dualstack_ipv6=True)
    os.set_inheritable(sock.fileno(), False)
    await asyncio.get_running_loop().create_server(factory, sock=sock)
    return int(sock.getsockname()[1])
