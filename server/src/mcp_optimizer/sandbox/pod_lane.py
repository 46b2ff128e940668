"""The lane of a server Pod in a cluster: each job gets a warm sandbox Pod of its own, claimed without a single API write."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from mcp_optimizer.errors import FORBIDDEN, UNAVAILABLE, CallFailure
from mcp_optimizer.lane import CallOutcome, JobOutcome, JobRequest, OnCall, OnOutput
from mcp_optimizer.ration import Ration
from mcp_optimizer.state.peers import Peers
from mcp_optimizer_api.config import SandboxConfig
from mcp_optimizer_api.job import CallError, JobError, JobLimits, SessionTerms
from mcp_optimizer_api.stats import SandboxEvent, SandboxStats

from .announcements import Announcements
from .claims import Claims, MayHaveRun, Watched, Watcher
from .conversation import Conversation
from .held import HeldPod
from .inquiry import answer_with, asking, nobody
from .job_slots import JobSlots
from .pods import SandboxPod
from .prober import Prober
from .session import CANCELLED, PodSession
from .starts import Starts

END_REASON_SECONDS = 2.0
"""How long a lost job waits for the watch to tell what became of its Pod."""
RATION_BYTES = 12 * 1024 * 1024
"""Of frames of all jobs in memory at once; parsed, they may take thirty times as much."""


@dataclass
class _Totals:
    jobs: int = 0
    succeeded: int = 0
    failed: int = 0
    timed_out: int = 0
    lost: int = 0
    refused: int = 0


class PodLane:
    """Implements `mcp_optimizer.lane.SandboxLane`."""

    def __init__(self, kube: Watcher, key_file: Path, replica: str = "", peers: Peers | None = None) -> None:
        self._config: SandboxConfig | None = None
        self._announcements = Announcements()
        self._claims = Claims(kube, key_file, replica, self._announcements)
        self._places = JobSlots()
        self._starts = Starts()
        self._ration = Ration(RATION_BYTES)
        self._totals = _Totals()
        self._busy = 0
        self._jobs: set[asyncio.Task[JobOutcome]] = set()
        self._sessions: set[PodSession] = set()
        self._prober = Prober(self._claims, self._run_probe, asking(peers) if peers is not None else nobody)
        self._claims.problem = self._prober.problem
        self._probing: asyncio.Task[None] | None = None
        if peers is not None:
            answer_with(self._prober, peers)

    def configure(self, config: SandboxConfig, namespace: str, owner_uid: str) -> None:
        """Take over new settings at once, without touching running jobs. Only Pods owned by `owner_uid` count."""
        self._config = config
        self._places.configure(config.max_concurrent, config.max_concurrent_per_client, config.queue_seconds)
        self._claims.follow(Watched(namespace, config.pod_selector, owner_uid) if config.enabled else None)
        if self._probing is None:
            self._probing = asyncio.create_task(self._prober.watch())

    async def run(self, job: JobRequest, on_call: OnCall, *, progress: OnOutput | None = None) -> JobOutcome:
        """Run one job to its end; cancelling this coroutine cancels the job. CallFailure: refused before it started."""
        config = self._enabled_config()
        deadline = time.monotonic() + config.queue_seconds

        async def in_turn() -> JobOutcome:
            async with self._starts.turn(job.client):
                return await self._run_admitted(job, config, deadline, on_call, progress)

        return await self._in_place(job, in_turn)

    def stats(self) -> SandboxStats:
        """Totals since the process started."""
        now = {"warm_seen": self._claims.pool.warm, "busy": self._busy, "sessions": len(self._sessions)}
        return SandboxStats(**now, conflicts=self._claims.conflicts, isolation=self._prober.reports(), **asdict(self._totals))

    def events(self) -> AsyncIterator[SandboxEvent]:
        """Claims and ends of jobs from now on, for one subscriber."""
        return self._announcements.listen()

    async def close(self) -> None:
        """Stop watching, cancel what still runs, end what is kept."""
        tasks = [task for task in (self._probing, *self._jobs) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, self._claims.close(), return_exceptions=True)
        for session in list(self._sessions):
            session.close("its replica was shut down")

    async def _in_place(self, job: JobRequest, run: Callable[[], Coroutine[Any, Any, JobOutcome]]) -> JobOutcome:
        """Run with a place among the jobs of this replica; cancelling this cancels the run and waits for its end."""
        try:
            await self._places.take(job.client)
        except CallFailure:
            self._totals.refused += 1
            raise
        try:
            task = asyncio.create_task(run())
            self._jobs.add(task)
            task.add_done_callback(self._jobs.discard)
            try:
                return await task
            except asyncio.CancelledError:
                task.cancel()
                await asyncio.wait([task])
                # It may have ended in the moment in which its client left: nobody would ever come for what it opened.
                if not task.cancelled() and task.exception() is None and (opened := task.result().session) is not None:
                    opened.close(CANCELLED)
                raise
        finally:
            self._places.give(job.client)

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
        terms = SessionTerms.model_validate(config.sessions.model_dump()) if job.session else None
        try:
            held = HeldPod(*await self._claims.one(job, limits, deadline, terms), self._claims.pool, self._announcements.tell)
        except CallFailure:
            self._totals.refused += 1
            raise
        except MayHaveRun as unknown:
            return self._lost_at_the_start(unknown)
        conversation = Conversation(held.wire, limits, on_call, progress, self._ration, job=job)
        outcome = await self._converse(conversation, held)
        if not conversation.kept:
            return outcome
        opened = PodSession(held, config.sessions, self._run_in_session, self._sessions.discard)
        self._sessions.add(opened)
        return replace(outcome, session=opened)

    async def _run_in_session(self, session: PodSession, job: JobRequest, on_call: OnCall, progress: OnOutput | None) -> JobOutcome:
        limits = _limits(job, self._enabled_config())
        job = replace(job, session=True)

        async def run() -> JobOutcome:
            await session.begin(job, limits)
            conversation = Conversation(session.held.wire, limits, on_call, progress, self._ration, job=job, number=session.number)
            outcome = await self._converse(conversation, session.held)
            return replace(outcome, session=session if conversation.kept else None)

        return await self._in_place(job, run)

    async def _converse(self, conversation: Conversation, held: HeldPod) -> JobOutcome:
        """One run to its end, counted. The Pod goes, unless a session keeps it."""
        self._totals.jobs += 1
        self._busy += 1
        try:
            outcome = await conversation.run()
        except BaseException:
            self._totals.failed += 1
            raise
        finally:
            self._busy -= 1
            if not conversation.kept:
                held.release()
        if outcome.error is not None and outcome.error.kind == "lost":
            outcome = await self._explain_loss(outcome, outcome.error, held.pod)
        self._count(outcome)
        return outcome

    async def _run_probe(self, job: JobRequest) -> tuple[SandboxPod, JobOutcome]:
        """A job of our own: in a Pod like any other, and counted among nobody's. CallFailure when there is none now."""
        if self._config is None or not self._config.enabled:
            raise CallFailure(UNAVAILABLE, "execute_code is switched off")
        limits = _limits(job, self._config)
        try:
            held = HeldPod(*await self._claims.one(job, limits, time.monotonic()), self._claims.pool, self._announcements.tell)
        except MayHaveRun as unknown:
            raise CallFailure(UNAVAILABLE, str(unknown)) from None
        try:
            return held.pod, await Conversation(held.wire, limits, _no_tool, None, self._ration, job=job).run()
        finally:
            held.release()

    def _lost_at_the_start(self, unknown: MayHaveRun) -> JobOutcome:
        """A job that may run in a Pod that does not answer: never in a second one."""
        self._totals.jobs += 1
        self._totals.lost += 1
        self._announcements.tell(SandboxEvent(type="claimed", pod=unknown.pod.name, uid=unknown.pod.uid))
        message = f"the job was lost with its sandbox Pod {unknown.pod.name} as it began; it may have run and was not run again ({unknown})"
        return JobOutcome(ok=False, error=JobError(kind="lost", message=message))

    def _refusal(self, message: str) -> CallFailure:
        self._totals.refused += 1
        return CallFailure(UNAVAILABLE, message)

    async def _explain_loss(self, outcome: JobOutcome, error: JobError, pod: SandboxPod) -> JobOutcome:
        reason = await self._claims.pool.end_of(pod, END_REASON_SECONDS)
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


async def _no_tool(tool: str, arguments: dict[str, Any]) -> CallOutcome:
    return CallOutcome(ok=False, error=CallError(code=FORBIDDEN, message="a probe calls nothing"))


def _limits(job: JobRequest, config: SandboxConfig) -> JobLimits:
    return JobLimits(
        timeout_seconds=min(job.timeout_s, config.timeout_seconds),
        max_processes=config.max_processes,
        memory_bytes=config.memory_bytes,
        max_calls=config.max_calls,
        max_output_bytes=config.max_output_bytes,
        max_result_bytes=config.max_result_bytes,
    )
