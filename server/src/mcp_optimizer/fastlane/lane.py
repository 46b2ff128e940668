"""The fast lane before the lane of Pods: takes the jobs it may, and hands on what it cannot do, unless that job has called a tool."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, fields, replace
from typing import Any, Final, Literal

from mcp_optimizer.errors import BAD_REQUEST, CallFailure
from mcp_optimizer.lane import CallOutcome, JobOutcome, JobRequest, OnCall, OnOutput, SandboxLane
from mcp_optimizer.ration import Ration
from mcp_optimizer.sandbox.conversation import KINDS, Conversation
from mcp_optimizer.sandbox.wire import Unsendable, Wire, encode
from mcp_optimizer_api.config import FastLaneConfig, SandboxConfig
from mcp_optimizer_api.job import JobError, JobLimits, Start
from mcp_optimizer_api.stats import SandboxEvent, SandboxStats

from .child import Child, ChildDown
from .metrics import FastLaneMetrics
from .subset import why_not

MAX_JOBS = 4
"""At once in one replica: the child shares the memory of the server's Pod."""
SEND_SECONDS = 25.0
"""For the child to take a job: a little longer than a worker may take to start."""
RATION_BYTES = 4 * 1024 * 1024
OWN_FIELDS: Final = frozenset({"code", "params", "timeout_s", "timeout_chosen", "lane", "artifacts", "client"})
"""Of a job: what this lane understands (code that opens no files leaves none behind). A job with anything else set goes to a Pod."""
HANDED_ON: Final = {"unsupported": "unsupported", "memory": "memory", "timeout": "timeout", "killed": "crashed", "lost": "lost"}
"""Kinds of ends that a Pod may still turn into a result, by the reason that is counted."""
Fallback = Callable[[str, str, str], None]


@dataclass(frozen=True, slots=True)
class Unfit(Exception):
    """This job is one for a Pod; `fallback` when the fast lane was meant to take it."""

    reason: str
    fallback: bool = False


class FastLane:
    """Implements `mcp_optimizer.lane.SandboxLane` around another."""

    def __init__(self, pods: SandboxLane, metrics: FastLaneMetrics, fallback: Fallback) -> None:
        self._pods = pods
        self._metrics = metrics
        self._fallback = fallback
        self._config: SandboxConfig | None = None
        self._child: Child | None = None
        self._memory: int | None = None
        self._retired: set[asyncio.Task[None]] = set()
        self._jobs: dict[Child, int] = {}
        self._ration = Ration(RATION_BYTES)

    def configure(self, config: SandboxConfig, namespace: str, owner_uid: str) -> None:
        """Take over new settings at once, without touching running jobs."""
        self._pods.configure(config, namespace, owner_uid)
        self._config = config
        fast = config.fast_lane
        memory = fast.memory_bytes if fast is not None and config.enabled else None
        if memory == self._memory:
            return
        self._memory = memory
        if self._child is not None:
            self._retire(self._child)
        self._child = Child(memory) if memory is not None else None

    async def run(self, job: JobRequest, on_call: OnCall, *, progress: OnOutput | None = None) -> JobOutcome:
        """Run one job to its end, here or in a Pod; cancelling this coroutine cancels the job."""
        config = self._config
        if self._child is None or config is None or config.fast_lane is None:
            return await self._pods.run(job, on_call, progress=progress)
        try:
            return await self._run_here(self._child, job, config, config.fast_lane, on_call, progress)
        except Unfit as unfit:
            if unfit.fallback:
                self._fallback("fast_lane", "pod", unfit.reason)
            else:
                self._metrics.unfit(unfit.reason)
            return await self._pods.run(job, on_call, progress=progress)

    def stats(self) -> SandboxStats:
        """Of the Pods; jobs of this lane took none."""
        return self._pods.stats().model_copy(update={"fast_jobs": self._metrics.jobs, "fast_starts": self._metrics.starts})

    @property
    def child_pid(self) -> int | None:
        """Of the child process, when one runs."""
        return self._child.pid if self._child is not None else None

    def events(self) -> AsyncIterator[SandboxEvent]:
        """Of the Pods."""
        return self._pods.events()

    async def close(self) -> None:
        """End both lanes."""
        children = [self._child] if self._child is not None else []
        await asyncio.gather(self._pods.close(), *self._retired, *(child.close() for child in children))

    async def _run_here(
        self, child: Child, job: JobRequest, config: SandboxConfig, fast: FastLaneConfig, on_call: OnCall, progress: OnOutput | None
    ) -> JobOutcome:
        _check_request(job, fast)
        if reason := why_not(job.code):
            raise Unfit(reason)
        if sum(self._jobs.values()) >= MAX_JOBS:
            raise Unfit("busy", fallback=True)
        self._jobs[child] = self._jobs.get(child, 0) + 1
        started = time.perf_counter()
        output = _HeldOutput(progress)
        try:
            limits = _limits(job, config, fast)
            outcome = await self._converse(child, job, limits, output.releasing(on_call), output.take)
        finally:
            self._jobs[child] -= 1
            if not self._jobs[child]:
                del self._jobs[child]
        outcome = _judged(outcome, job, fast)
        await output.release()
        self._metrics.job(outcome.error.kind if outcome.error is not None else "ok", time.perf_counter() - started)
        return replace(outcome, lane="fast")

    async def _converse(self, child: Child, job: JobRequest, limits: JobLimits, on_call: OnCall, progress: OnOutput) -> JobOutcome:
        starts = child.starts
        try:
            sock = await child.connection()
        except ChildDown:
            raise Unfit("down", fallback=True) from None
        finally:
            self._metrics.starts += child.starts - starts
        reader, writer = await asyncio.open_unix_connection(sock=sock, limit=256 * 1024)
        wire = Wire(reader, writer)
        sent = False
        try:
            start = encode(Start(token="", job=secrets.token_hex(8), code=job.code, params=job.params, limits=limits))
            async with asyncio.timeout(SEND_SECONDS):
                await wire.send(start)
            sent = True
        except Unsendable as error:
            raise CallFailure(BAD_REQUEST, f"code and params together are too large for a sandbox: {error}") from None
        except OSError:
            raise Unfit("lost", fallback=True) from None
        finally:
            if not sent:
                wire.abort()
        return await Conversation(
            wire, limits, on_call, progress, self._ration, job=replace(job, artifacts=None), kinds=KINDS | {"unsupported"}
        ).run()

    def _retire(self, child: Child) -> None:
        task = asyncio.create_task(self._close_when_idle(child))
        self._retired.add(task)
        task.add_done_callback(self._retired.discard)

    async def _close_when_idle(self, child: Child) -> None:
        while child in self._jobs:  # noqa: ASYNC110 -- rare, and bounded by the timeout of its jobs
            await asyncio.sleep(0.1)
        await child.close()


class _HeldOutput:
    """Output on its way to the client, held back while the job may still run again in a Pod: nothing is shown twice."""

    def __init__(self, progress: OnOutput | None) -> None:
        self._progress = progress
        self._held: list[tuple[Literal["stdout", "stderr"], str]] | None = []

    async def take(self, stream: Literal["stdout", "stderr"], data: str) -> None:
        """The job printed."""
        if self._held is not None:
            self._held.append((stream, data))
        elif self._progress is not None:
            await self._progress(stream, data)

    async def release(self) -> None:
        """From here on it is this run that counts."""
        held, self._held = self._held or [], None
        if self._progress is not None:
            with contextlib.suppress(Exception):
                for stream, data in held:
                    await self._progress(stream, data)

    def releasing(self, on_call: OnCall) -> Callable[[str, dict[str, Any]], Awaitable[CallOutcome]]:
        """The same calls, the first of which lets the output go."""

        async def call(tool: str, arguments: dict[str, Any]) -> CallOutcome:
            await self.release()
            return await on_call(tool, arguments)

        return call


def _check_request(job: JobRequest, fast: FastLaneConfig) -> None:
    if job.lane == "pod":
        raise Unfit("asked")
    if job.timeout_chosen and job.timeout_s > fast.timeout_seconds:
        raise Unfit("timeout_s")
    plain = JobRequest(code="")
    if any(getattr(job, field.name) != getattr(plain, field.name) for field in fields(job) if field.name not in OWN_FIELDS):
        raise Unfit("feature")


def _limits(job: JobRequest, config: SandboxConfig, fast: FastLaneConfig) -> JobLimits:
    return JobLimits(
        timeout_seconds=min(job.timeout_s, fast.timeout_seconds),
        max_processes=1,
        memory_bytes=fast.memory_bytes,
        max_calls=min(config.max_calls, fast.max_calls),
        max_output_bytes=config.max_output_bytes,
        max_result_bytes=config.max_result_bytes,
    )


def _judged(outcome: JobOutcome, job: JobRequest, fast: FastLaneConfig) -> JobOutcome:
    """The outcome as it is told, or `Unfit` when a Pod may do better and nothing has happened yet."""
    error = outcome.error
    if error is None or error.kind not in HANDED_ON:
        return outcome
    within_ours = error.kind == "timeout" and job.timeout_s <= fast.timeout_seconds
    if within_ours:
        return outcome
    if not outcome.calls:
        raise Unfit(HANDED_ON[error.kind], fallback=True)
    return replace(outcome, error=_explained(error, outcome.calls, fast))


def _explained(error: JobError, calls: int, fast: FastLaneConfig) -> JobError:
    """Why this is the end although a Pod might have done it."""
    kind = "exception" if error.kind == "unsupported" else error.kind
    limit = {
        "timeout": f" (spec.sandbox.fastLane.timeoutSeconds is {fast.timeout_seconds:g})",
        "memory": " (spec.sandbox.fastLane.maxMemory)",
        "lost": "",
    }.get(error.kind, "")
    message = "the job was lost with the fast lane's process" if error.kind == "lost" else error.message
    advice = f'The fast lane ran it, and after {calls} tool calls it is not run again by itself: to run it in a Pod pass lane: "pod"'
    return JobError(kind=kind, message=f"{message}{limit}. {advice}", traceback=error.traceback)
