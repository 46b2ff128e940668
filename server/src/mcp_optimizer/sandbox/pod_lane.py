"""The lane of a server Pod in a cluster: each job gets a warm sandbox Pod of its own, claimed without a single API write."""

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Protocol

from mcp_optimizer.errors import BAD_REQUEST, UNAVAILABLE, CallFailure
from mcp_optimizer.kube import Event
from mcp_optimizer.lane import JobOutcome, JobRequest, OnCall, OnOutput
from mcp_optimizer.ration import Ration
from mcp_optimizer_api.config import SandboxConfig
from mcp_optimizer_api.job import FileNotice, JobError, JobLimits, Start
from mcp_optimizer_api.stats import SandboxEvent, SandboxStats

from .announcements import Announcements
from .claim import Refused, claim
from .conversation import Conversation
from .job_slots import JobSlots
from .key import KeyMissing, PoolKey
from .pods import SandboxPod
from .pool import WarmPool
from .unreachable import Failures
from .wire import Unsendable, Wire

log = logging.getLogger(__name__)

END_REASON_SECONDS = 2.0
"""How long a lost job waits for the watch to tell what became of its Pod."""
RATION_BYTES = 12 * 1024 * 1024
"""Of frames of all jobs in memory at once; parsed, they may take thirty times as much."""
LAST_WORDS_SECONDS = 1.0
"""How long what a Pod sent before its end may be under way."""


class Watcher(Protocol):
    """What is used of `kube.KubeClient`."""

    def list_and_watch(self, path: str, params: Mapping[str, str] | None = None) -> AsyncGenerator[Event, None]:
        """The state of a path, then every change."""


@dataclass
class _Totals:
    jobs: int = 0
    succeeded: int = 0
    failed: int = 0
    timed_out: int = 0
    lost: int = 0
    refused: int = 0
    conflicts: int = 0


@dataclass(frozen=True, slots=True)
class _Pool:
    namespace: str
    selector: str
    owner_uid: str


class PodLane:
    """Implements `mcp_optimizer.lane.SandboxLane`."""

    def __init__(self, kube: Watcher, key_file: Path) -> None:
        self._kube = kube
        self._key = PoolKey(key_file)
        self._config: SandboxConfig | None = None
        self._watched: _Pool | None = None
        self._watch: asyncio.Task[None] | None = None
        self._pool = WarmPool(self._is_ours)
        self._places = JobSlots()
        self._announcements = Announcements()
        self._unreachable = Failures()
        self._ration = Ration(RATION_BYTES)
        self._totals = _Totals()
        self._busy = 0
        self._jobs: set[asyncio.Task[JobOutcome]] = set()

    def configure(self, config: SandboxConfig, namespace: str, owner_uid: str) -> None:
        """Take over new settings at once, without touching running jobs. Only Pods owned by `owner_uid` count."""
        self._config = config
        self._places.configure(config.max_concurrent, config.queue_seconds)
        wanted = _Pool(namespace, config.pod_selector, owner_uid) if config.enabled else None
        if wanted == self._watched:
            return
        self._watched = wanted
        if self._watch is not None:
            self._watch.cancel()
        self._pool.clear()
        self._watch = asyncio.create_task(self._follow(wanted)) if wanted is not None else None

    async def run(self, job: JobRequest, on_call: OnCall, *, progress: OnOutput | None = None) -> JobOutcome:
        """Run one job to its end; cancelling this coroutine cancels the job. CallFailure: refused before it started."""
        config = self._enabled_config()
        deadline = time.monotonic() + config.queue_seconds
        try:
            await self._places.take()
        except CallFailure:
            self._totals.refused += 1
            raise
        try:
            task = asyncio.create_task(self._run_admitted(job, config, deadline, on_call, progress))
            self._jobs.add(task)
            task.add_done_callback(self._jobs.discard)
            try:
                return await task
            except asyncio.CancelledError:
                task.cancel()
                await asyncio.wait([task])
                raise
        finally:
            self._places.give()

    def stats(self) -> SandboxStats:
        """Totals since the process started."""
        return SandboxStats(warm_seen=self._pool.warm, busy=self._busy, **asdict(self._totals))

    def events(self) -> AsyncIterator[SandboxEvent]:
        """Claims and ends of jobs from now on, for one subscriber."""
        return self._announcements.listen()

    async def close(self) -> None:
        """Stop watching, cancel what still runs."""
        tasks = [task for task in (self._watch, *self._jobs) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _enabled_config(self) -> SandboxConfig:
        if self._config is None:
            raise self._refusal("no configuration yet: try again in a moment")
        if not self._config.enabled:
            raise self._refusal(f"execute_code is switched off: {self._config.disabled_reason or 'the sandbox is disabled'}")
        return self._config

    async def _run_admitted(
        self, job: JobRequest, config: SandboxConfig, deadline: float, on_call: OnCall, progress: OnOutput | None
    ) -> JobOutcome:
        limits = _limits(job, config)
        pod, wire = await self._claim_one(job, limits, deadline)
        self._totals.jobs += 1
        self._busy += 1
        self._announcements.tell(SandboxEvent(type="claimed", pod=pod.name, uid=pod.uid))
        vigil = asyncio.create_task(self._hang_up_after_the_end(pod, wire))
        try:
            outcome = await Conversation(wire, limits, on_call, progress, self._ration, files=job.files, artifacts=job.artifacts).run()
        except BaseException:
            self._totals.failed += 1
            raise
        finally:
            vigil.cancel()
            self._busy -= 1
            self._announcements.tell(SandboxEvent(type="finished", pod=pod.name, uid=pod.uid))
        if outcome.error is not None and outcome.error.kind == "lost":
            outcome = await self._explain_loss(outcome, outcome.error, pod)
        self._count(outcome)
        return outcome

    async def _claim_one(self, job: JobRequest, limits: JobLimits, deadline: float) -> tuple[SandboxPod, Wire]:
        """The first warm Pod that accepts, or CallFailure(503) at the deadline."""
        name, first, tried = secrets.token_hex(8), False, "no sandbox Pod is warm"
        while (pod := await self._pool.take(max(deadline - time.monotonic(), 0), first=first)) is not None:
            first = True
            try:
                answer = await claim(pod, _start(job, name, self._key.token(pod.name), limits))
            except KeyMissing as error:
                raise self._refusal(str(error)) from None
            except Unsendable as error:
                self._totals.refused += 1
                raise CallFailure(BAD_REQUEST, f"code and params together are too large for a sandbox: {error}") from None
            if isinstance(answer, Wire):
                return pod, answer
            tried = f"the last of the warm Pods tried, {pod.name}, refused ({answer.message})"
            self._note_refusal(pod, answer)
        problem = "" if self._key_is_there() else " (the pool key is missing)"
        raise self._refusal(
            f"{tried}{problem}: none came within {self._wait_text()}. Try again later, or raise spec.sandbox.pool.min and max"
        )

    def _note_refusal(self, pod: SandboxPod, answer: Refused) -> None:
        if answer.why == "taken":
            self._totals.conflicts += 1
            return
        log.warning("a sandbox Pod could not be claimed", extra={"sandbox": pod.name, "why": answer.message})
        # Never for ever: what it refused may have been this one job.
        self._pool.penalise(pod)
        if answer.why == "unreachable" and self._unreachable.note(pod.uid):
            self._announcements.tell(SandboxEvent(type="unreachable", pod=pod.name, uid=pod.uid))

    def _refusal(self, message: str) -> CallFailure:
        self._totals.refused += 1
        return CallFailure(UNAVAILABLE, message)

    def _wait_text(self) -> str:
        return f"{self._config.queue_seconds if self._config else 0} s"

    def _key_is_there(self) -> bool:
        try:
            return bool(self._key.token(""))
        except KeyMissing:
            return False

    def _is_ours(self, pod: SandboxPod) -> bool:
        """Made by our operator for our pool: the digest proves the pool's key, the owner is a second look."""
        owned = self._watched is not None and pod.owner_uid == self._watched.owner_uid
        return owned and self._key.fits(pod.name, pod.token_digest)

    async def _hang_up_after_the_end(self, pod: SandboxPod, wire: Wire) -> None:
        """A Pod that is gone may leave its connection open for ever: hang up when the watch says so and nothing more can be on its way."""
        if await self._pool.end_of(pod, None):
            await asyncio.sleep(LAST_WORDS_SECONDS)
            wire.close()

    async def _explain_loss(self, outcome: JobOutcome, error: JobError, pod: SandboxPod) -> JobOutcome:
        reason = await self._pool.end_of(pod, END_REASON_SECONDS)
        if reason.startswith("OOMKilled"):
            message = "the job's sandbox Pod ran out of memory and was killed: keep less at once, or raise spec.sandbox.resources.memory"
            return replace(outcome, error=JobError(kind="memory", message=message))
        return replace(outcome, error=JobError(kind="lost", message=f"{error.message} (Pod {pod.name}: {reason or 'unreachable'})"))

    def _count(self, outcome: JobOutcome) -> None:
        kind = outcome.error.kind if outcome.error is not None else ""
        if not kind:
            self._totals.succeeded += 1
        elif kind == "timeout":
            self._totals.timed_out += 1
        elif kind == "lost":
            self._totals.lost += 1
        else:
            self._totals.failed += 1

    async def _follow(self, pool: _Pool) -> None:
        path = f"/api/v1/namespaces/{pool.namespace}/pods"
        async with contextlib.aclosing(self._kube.list_and_watch(path, {"labelSelector": pool.selector})) as events:
            async for event in events:
                self._pool.apply(event)


def _start(job: JobRequest, name: str, token: str, limits: JobLimits) -> Start:
    files = [FileNotice(name=file.name, size=len(file.data)) for file in job.files]
    return Start(
        token=token, job=name, code=job.code, params=job.params, limits=limits, seed=job.seed, files=files, artifacts=job.artifacts
    )


def _limits(job: JobRequest, config: SandboxConfig) -> JobLimits:
    return JobLimits(
        timeout_seconds=min(job.timeout_s, config.timeout_seconds),
        max_processes=config.max_processes,
        memory_bytes=config.memory_bytes,
        max_calls=config.max_calls,
        max_output_bytes=config.max_output_bytes,
        max_result_bytes=config.max_result_bytes,
    )
