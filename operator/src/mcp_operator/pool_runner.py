"""Carries out what `pool.plan` decides: reads the pool's Pods, creates and deletes, and remembers what the cache does not show yet.

Two writes of ours per job: one Pod created, one deleted. Creations start slowly (1, 2, 4, …), so that a namespace without quota costs
one refused request, not fifty. When the outcome of a write is unknown, or the cache has failed to show one for too long, the pool
is read from the API server before anything else is decided.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from mcp_optimizer_api.stats import SandboxEvent
from mcp_optimizer_api.status import Reason

from .cache import Cache, controller_uid
from .client import Client
from .clock import Clock
from .context import PoolReport
from .desired.code_switch import why_code_is_off
from .desired.sandbox_pod import PoolTemplate, sandbox_pod, sandbox_pod_name
from .errors import ConflictError, NamespaceTerminatingError, TerminalError, TransientError
from .events import Tell, silent
from .expectations import Expectations
from .gather import sandbox_pods
from .kinds import POD, Key, Manifest, key_of
from .pool import SLOW_SECONDS, Plan, PoolTarget, plan
from .pool_hold import FAILED_STARTS, Hold, hold_after
from .pool_pod import PodState, PoolPod, Problem, pool_pod
from .pool_refusal import refusal
from .pool_verdict import NETWORK_OPEN, UNREADY, egress_verdict, pool_verdict
from .resource import Optimizer
from .settings import Settings

ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz0123456789"
AT_ONCE: Final = 16
"""Requests in flight for one pool."""

log = logging.getLogger(__name__)


@dataclass
class _Pool:
    """What is remembered of one pool; all of it can be lost."""

    expected: Expectations = field(default_factory=Expectations)
    hold: Hold | None = None
    template_hash: str = ""
    claimed: dict[str, float] = field(default_factory=dict)
    """Uid to the time a server announced the claim."""
    finished: dict[str, float] = field(default_factory=dict)
    """Uid to the time a server announced the end."""
    doubtful: bool = False
    """The outcome of a write is unknown."""
    warm_at: float = float("-inf")
    """When some Pod was last seen warm."""


class PoolRunner:
    """All sandbox pools. The work queue serialises calls for one optimizer."""

    def __init__(
        self,
        client: Client,
        cache: Cache,
        settings: Settings,
        clock: Clock,
        random_suffix: Callable[[], str] | None = None,
        tell: Tell = silent,
    ) -> None:
        self._client = client
        self._cache = cache
        self._settings = settings
        self._clock = clock
        self._suffix = random_suffix or (lambda: "".join(secrets.choice(ALPHABET) for _ in range(8)))
        self._tell = tell
        self._pools: dict[Key, _Pool] = {}

    def announce(self, owner: Key, event: SandboxEvent) -> None:
        """A server Pod of `owner` says what became of a sandbox; it can only speak of Pods of its own pool."""
        pool = self._pools.get(owner)
        if pool is None or not any(pod["metadata"].get("uid") == event.uid for pod in self._cache.children(owner, POD.kind)):
            return
        pool.claimed.setdefault(event.uid, self._clock())
        if event.type == "finished":
            pool.finished.setdefault(event.uid, self._clock())

    def forget(self, key: Key) -> None:
        """The optimizer is gone."""
        self._pools.pop(key, None)

    async def reconcile(self, optimizer: Optimizer, key: bytes) -> PoolReport:
        """Bring the pool closer to its target; with spec.paused, only look."""
        pool = self._pools.setdefault(optimizer.key, _Pool())
        template = self._template(optimizer, key)
        target = _target(optimizer, template)
        if pool.template_hash != target.template_hash:
            pool.template_hash, pool.hold = target.template_hash, None
        pods = await self._look(optimizer, pool)
        decision = self._decide(target, pods, pool)
        if not optimizer.spec.paused:
            self._explain(optimizer, decision)
            await self._carry_out(decision, template, target, pool)
            decision = self._decide(target, pods, pool)
        now = self._clock()
        pool.warm_at = now if decision.counts.warm else pool.warm_at
        verdict = pool_verdict(target, decision, lately_warm=now - pool.warm_at < SLOW_SECONDS)
        egress = egress_verdict(pods, unchecked=optimizer.spec.sandbox.allow_unenforced_egress, hold=pool.hold)
        return PoolReport(verdict=verdict, counts=decision.counts, egress=egress, requeue_after=self._requeue(decision, pool))

    def _template(self, optimizer: Optimizer, key: bytes) -> PoolTemplate:
        return PoolTemplate(
            namespace=optimizer.key.namespace,
            optimizer=optimizer.owner.name,
            optimizer_uid=optimizer.owner.uid,
            sandbox=optimizer.spec.sandbox,
            image=self._settings.sandbox_image,
            pull_policy=self._settings.image_pull_policy,
            pull_secrets=tuple(secret.name for secret in optimizer.spec.image_pull_secrets),
            pool_key=key,
        )

    async def _look(self, optimizer: Optimizer, pool: _Pool) -> list[PoolPod]:
        """The pool's Pods, from the cache as long as it can be trusted."""
        if pool.doubtful or pool.expected.overdue(self._clock()):
            await self._read(optimizer)
            pool.expected.reset()
            pool.doubtful = False
        manifests = [pod for pod in sandbox_pods(self._cache, optimizer.owner) if controller_uid(pod) == optimizer.owner.uid]
        pool.expected.observe(
            names={pod["metadata"]["name"] for pod in manifests},
            staying={pod["metadata"]["uid"] for pod in manifests if not pod["metadata"].get("deletionTimestamp")},
        )
        present = {pod["metadata"]["uid"] for pod in manifests}
        pool.claimed = {uid: at for uid, at in pool.claimed.items() if uid in present}
        pool.finished = {uid: at for uid, at in pool.finished.items() if uid in present}
        return [self._pod(manifest, pool) for manifest in manifests]

    @staticmethod
    def _pod(manifest: Manifest, pool: _Pool) -> PoolPod:
        uid = manifest["metadata"]["uid"]
        return pool_pod(manifest, claimed_at=pool.claimed.get(uid), finished_at=pool.finished.get(uid))

    async def _read(self, optimizer: Optimizer) -> None:
        """Bring the cache's view of this pool up to date."""
        known = {key_of(pod): pod["metadata"]["uid"] for pod in sandbox_pods(self._cache, optimizer.owner)}
        async for pod in self._client.list(POD, optimizer.key.namespace):
            self._cache.put(pod)
            known.pop(key_of(pod), None)
        for key, uid in known.items():
            self._cache.remove(key, uid)
        log.info("Read a sandbox pool from the API server", extra={"key": str(optimizer.key), "ghosts": len(known)})

    def _decide(self, target: PoolTarget, pods: Sequence[PoolPod], pool: _Pool) -> Plan:
        self._release(pods, pool)
        return plan(target, pods, creations=pool.expected.creations, deletions=pool.expected.deletions, hold=pool.hold, now=self._clock())

    @staticmethod
    def _release(pods: Sequence[PoolPod], pool: _Pool) -> None:
        """A Pod that was made after a failed start and got ready proves that the trouble is over."""
        hold = pool.hold
        if hold is not None and hold.reason in FAILED_STARTS:
            well = (PodState.WARM, PodState.BUSY)
            if any(pod.created >= int(hold.since) and pod.state in well and pod.template_hash == pool.template_hash for pod in pods):
                pool.hold = None

    def _explain(self, optimizer: Optimizer, decision: Plan) -> None:
        """Why Pods are removed that nobody asked to remove. Their names are random: with them in it every Event would be new."""
        for pod in decision.failed[:1]:
            trouble = _failed_start(pod)
            note = f"Removed {len(decision.failed)} that never became ready. {trouble.message}"
            self._tell(optimizer.owner, "SandboxReplaced", note, action="Repair", warning=True)
        if any(pod.state == PodState.BUSY for pod in decision.delete):
            note = "Removed a sandbox whose job outlived its time limit: its agent is lost."
            self._tell(optimizer.owner, "SandboxReplaced", note, action="Repair", warning=True)

    async def _carry_out(self, decision: Plan, template: PoolTemplate, target: PoolTarget, pool: _Pool) -> None:
        now = self._clock()
        for pod in decision.failed:
            pool.hold = hold_after(pool.hold, reason=_failed_start(pod).reason, message=_failed_start(pod).message, now=now)
        await _together([self._delete(template.namespace, pod, pool) for pod in decision.delete])
        missing, batch = (0 if decision.failed else decision.create), 1
        while missing > 0:
            size = min(batch, missing, AT_ONCE)
            results = await _together([self._create(template, target, pool) for _ in range(size)])
            if not all(results):
                return
            # Only a batch without a refusal proves that the refusals are over: its requests are answered in any order.
            if pool.hold is not None and pool.hold.reason not in FAILED_STARTS:
                pool.hold = None
            missing, batch = missing - size, 2 * batch

    async def _create(self, template: PoolTemplate, target: PoolTarget, pool: _Pool) -> bool:
        name = sandbox_pod_name(template.optimizer, self._suffix())
        pool.expected.creating(name, self._clock())
        try:
            self._cache.put(await self._client.create(POD, sandbox_pod(template, pod_name=name, template_hash=target.template_hash)))
        except TerminalError as error:
            pool.expected.not_created(name)
            if isinstance(error, NamespaceTerminatingError):
                raise
            problem = refusal(error, name)
            pool.hold = hold_after(pool.hold, reason=problem.reason, message=problem.message, now=self._clock())
            log.warning("Sandbox Pod was refused", extra={"pool": template.optimizer, "reason": problem.reason, "error": str(error)})
            return False
        except ConflictError:
            pool.expected.not_created(name)  # the name is taken: the next pass picks another
            raise
        except TransientError:
            pool.doubtful = True
            raise
        return True

    async def _delete(self, namespace: str, pod: PoolPod, pool: _Pool) -> bool:
        pool.expected.deleting(pod.uid, self._clock())
        try:
            if not await self._client.delete(POD, namespace, pod.name, uid=pod.uid):
                self._cache.remove(Key(POD.kind, namespace, pod.name), pod.uid)
        except TerminalError:
            pool.expected.not_deleted(pod.uid)
            raise
        except TransientError:
            pool.doubtful = True
            raise
        return True

    def _requeue(self, decision: Plan, pool: _Pool) -> float | None:
        waits = [decision.requeue_after] if decision.requeue_after is not None else []
        if pool.expected.creations or pool.expected.deletions:
            waits.append(pool.expected.timeout + 1.0)
        return min(waits, default=None)


def _target(optimizer: Optimizer, template: PoolTemplate) -> PoolTarget:
    sandbox = optimizer.spec.sandbox
    return PoolTarget(
        min=sandbox.pool.min,
        max=sandbox.pool.max,
        template_hash=template.hash,
        job_seconds=sandbox.timeout_seconds,
        paused=optimizer.spec.paused,
        off=why_code_is_off(optimizer.spec),
    )


def _failed_start(pod: PoolPod) -> Problem:
    if pod.network_open:
        return Problem(reason=Reason.EGRESS_OPEN, message=NETWORK_OPEN)
    if not pod.failed_to_start:
        return Problem(reason=Reason.POOL_FILLING, message=UNREADY)
    message = f"The sandbox agent ends before it is ready ({pod.ending}): check spec.sandbox.image and spec.sandbox.resources."
    return Problem(reason=Reason.CRASH_LOOP, message=message)


async def _together(work: Sequence[Coroutine[Any, Any, bool]]) -> list[bool]:
    """Do all of it, a few at a time; the first error is raised when everything has come to its end."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(part: Coroutine[Any, Any, bool]) -> bool:
        async with slots:
            return await part

    results = await asyncio.gather(*(one(part) for part in work), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result is True for result in results]
