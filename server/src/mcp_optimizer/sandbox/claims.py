"""Which warm Pod a job gets: what this replica knows of the Pods, kept from one watch, and the asking until one of them accepts."""

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mcp_optimizer.errors import BAD_REQUEST, UNAVAILABLE, CallFailure
from mcp_optimizer.kube import Event
from mcp_optimizer.lane import JobRequest
from mcp_optimizer_api.job import JobLimits, SessionTerms, Start
from mcp_optimizer_api.stats import SandboxEvent

from .announcements import Announcements
from .claim import Refused, claim
from .files import notices
from .key import KeyMissing, PoolKey
from .pods import SandboxPod
from .pool import WarmPool
from .replicas import Replicas
from .unreachable import Failures
from .wire import Unsendable, Wire

log = logging.getLogger(__name__)

END_SECONDS = 5.0
"""How long the end of a Pod may take to be seen: the kubelet's report and the watch."""
DELIVERED = "exit code 0"
"""The agent's exit code for a result that its server took, as `SandboxPod.end` has it."""
REFILL_SECONDS = 5
"""What a client that found no warm Pod is told to wait: a Pod takes about as long to become warm."""


class Watcher(Protocol):
    """What is used of `kube.KubeClient`."""

    def list_and_watch(self, path: str, params: Mapping[str, str] | None = None) -> AsyncGenerator[Event, None]:
        """The state of a path, then every change."""


@dataclass(frozen=True, slots=True)
class Watched:
    """Whose Pods are looked at."""

    namespace: str
    selector: str
    owner_uid: str


class MayHaveRun(Exception):
    """A Pod was sent the job, and nobody can tell any more whether it ran: it must not run elsewhere. The message is for people."""

    def __init__(self, pod: SandboxPod, message: str) -> None:
        super().__init__(message)
        self.pod = pod


class Claims:
    """The Pods of one pool, and the replicas that share it."""

    def __init__(self, kube: Watcher, key_file: Path, replica: str, announcements: Announcements) -> None:
        self.conflicts = 0
        """How often another replica was first."""
        self.replicas = Replicas(replica)
        self.pool = WarmPool(self._is_ours, mine=self.replicas.mine)
        self.problem: Callable[[str], str] = lambda template: ""
        """Why Pods of a template may have no job, see `Prober`."""
        self._kube = kube
        self._key = PoolKey(key_file)
        self._announcements = announcements
        self._unreachable = Failures()
        self._watched: Watched | None = None
        self._watch: asyncio.Task[None] | None = None

    def follow(self, wanted: Watched | None) -> None:
        """These Pods from now on; None for none."""
        if wanted == self._watched:
            return
        self._watched = wanted
        if self._watch is not None:
            self._watch.cancel()
        self.pool.clear()
        self._watch = asyncio.create_task(self._follow(wanted)) if wanted is not None else None

    async def close(self) -> None:
        """Stop watching."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)

    async def one(
        self, job: JobRequest, limits: JobLimits, deadline: float, session: SessionTerms | None = None
    ) -> tuple[SandboxPod, Wire]:
        """The first warm Pod that accepts. CallFailure: 400 for a job that fits into no frame, 503 at the deadline. `MayHaveRun`."""
        name, first, tried, begun = secrets.token_hex(8), False, "no sandbox Pod is warm", time.monotonic()
        while (pod := await self.pool.take(max(deadline - time.monotonic(), 0), client=job.client, first=first)) is not None:
            first = True
            try:
                answer = await claim(pod, _start(job, name, self._key.token(pod.name), limits, session))
            except KeyMissing as error:
                self.pool.give_back(pod)
                raise CallFailure(UNAVAILABLE, str(error)) from None
            except Unsendable as error:
                self.pool.give_back(pod)
                raise CallFailure(BAD_REQUEST, f"code and params together are too large for a sandbox: {error}") from None
            except asyncio.CancelledError:
                # It may never have heard of us, and would be warm for nobody then. If it has, it says so to the next.
                self.pool.penalise(pod)
                raise
            if isinstance(answer, Wire):
                return pod, answer
            if answer.why == "unknown" and not await self._ran_another(pod):
                raise MayHaveRun(pod, answer.message)
            tried = f"the last of the warm Pods tried, {pod.name}, refused ({answer.message})"
            self._note_refusal(pod, answer)
            # Taken Pods are never offered again. Unusable ones are: of enough of them there would always be one more to try.
            if answer.why in ("unfit", "unreachable") and time.monotonic() >= deadline:
                break
        unsafe = next(filter(None, map(self.problem, self.pool.templates())), "")
        problem = (
            f" (refused: a sandbox was probed, and {unsafe})" if unsafe else "" if self._key_is_there() else " (the pool key is missing)"
        )
        raise CallFailure(
            UNAVAILABLE,
            f"{tried}{problem}: none came within {max(deadline - begun, 0):.0f} s. Try again later, or raise spec.sandbox.pool.min and max",
            retry_after_s=REFILL_SECONDS,
        )

    async def _ran_another(self, pod: SandboxPod) -> bool:
        """Whether a Pod that does not answer any more delivered a result: to somebody else then, as we read none.

        Its agent was at its end when our `start` came. Only its exit code tells that from a connection that broke.
        """
        return (await self.pool.end_of(pod, END_SECONDS)).endswith(DELIVERED)

    def _note_refusal(self, pod: SandboxPod, answer: Refused) -> None:
        if answer.why in ("taken", "unknown"):
            self.conflicts += 1
            return
        log.warning("a sandbox Pod could not be claimed", extra={"sandbox": pod.name, "why": answer.message})
        # Never for ever: what it refused may have been this one job.
        self.pool.penalise(pod)
        if answer.why == "unreachable" and self._unreachable.note(pod.uid):
            self._announcements.tell(SandboxEvent(type="unreachable", pod=pod.name, uid=pod.uid))

    def _key_is_there(self) -> bool:
        try:
            return bool(self._key.token(""))
        except KeyMissing:
            return False

    def _is_ours(self, pod: SandboxPod) -> bool:
        """Made by our operator for our pool: the digest proves the pool's key, the owner is a second look."""
        owned = self._watched is not None and pod.owner_uid == self._watched.owner_uid
        return owned and not self.problem(pod.template) and self._key.fits(pod.name, pod.token_digest)

    async def _follow(self, watched: Watched) -> None:
        path = f"/api/v1/namespaces/{watched.namespace}/pods"
        async with contextlib.aclosing(self._kube.list_and_watch(path, {"labelSelector": watched.selector})) as events:
            async for event in events:
                if self.replicas.apply(event):
                    self.pool.share_out()
                self.pool.apply(event)


def _start(job: JobRequest, name: str, token: str, limits: JobLimits, session: SessionTerms | None) -> Start:
    return Start(
        token=token,
        job=name,
        code=job.code,
        params=job.params,
        limits=limits,
        session=session,
        seed=job.seed,
        files=notices(job.files),
        artifacts=job.artifacts,
    )
