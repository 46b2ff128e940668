"""Looks after the sandbox pools: reads a pool's Pods, lets `pool.plan` decide, has it carried out, and remembers what matters next time.

When the outcome of a write is unknown, or the cache has failed to show one for too long, the pool is read from the API server before
anything else is decided.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from mcp_optimizer_api.stats import SandboxEvent

from .cache import Cache, controller_uid
from .client import Client
from .clock import Clock
from .context import PoolReport
from .desired.code_switch import why_code_is_off
from .desired.sandbox_pod import PoolTemplate
from .events import Tell, silent
from .gather import sandbox_pods
from .kinds import POD, Key, Manifest, key_of
from .metrics import Metrics
from .pool import SLOW_SECONDS, Plan, PoolTarget, plan
from .pool_bucket import Bucket
from .pool_hold import FAILED_STARTS
from .pool_memory import CALM_SECONDS, PoolMemory
from .pool_orphans import Orphans
from .pool_pod import PodState, PoolPod, pool_pod
from .pool_verdict import egress_verdict, failed_start, pool_verdict
from .pool_writes import PoolWriter
from .resource import Optimizer
from .settings import Settings
from .soonest import soonest

UNREACHABLE = (
    "Replaced a warm sandbox that a server Pod could not connect to: see the log of the server Pods, and the node of the sandboxes"
    " (kubectl get pods -o wide)."
)

log = logging.getLogger(__name__)


class PoolRunner:
    """All sandbox pools. The work queue serialises calls for one optimizer."""

    def __init__(
        self,
        client: Client,
        cache: Cache,
        settings: Settings,
        clock: Clock,
        metrics: Metrics,
        random_suffix: Callable[[], str] | None = None,
        tell: Tell = silent,
    ) -> None:
        self._client = client
        self._cache = cache
        self._settings = settings
        self._clock = clock
        self._metrics = metrics
        self._writer = PoolWriter(client, cache, clock, random_suffix)
        self._orphans = Orphans(client, cache, clock, metrics)
        self._tell = tell
        self._pools: dict[Key, PoolMemory] = {}

    def announce(self, owner: Key, event: SandboxEvent) -> float | None:
        """A server Pod of `owner` says what became of a sandbox. Returns in how many seconds to reconcile; None if that is no Pod of its own pool.

        Not at once: nothing is made before a calm, and a burst would pay for a look at the whole pool with each of its jobs.
        """
        pool = self._pools.get(owner)
        if pool is None or all(pod["metadata"].get("uid") != event.uid for pod in self._cache.children(owner, POD.kind)):
            return None
        pool.announce(event, self._clock())
        return CALM_SECONDS

    def forget(self, key: Key) -> None:
        """The optimizer is gone."""
        self._pools.pop(key, None)

    async def sweep(self, key: Key) -> float | None:
        """The optimizer is gone; remove what it may have left. Returns in how many seconds to look again."""
        return await self._orphans.sweep(key, None)

    async def reconcile(self, optimizer: Optimizer, key: bytes) -> PoolReport:
        """Bring the pool closer to its target; with spec.paused, only look."""
        pool = self._pools.setdefault(optimizer.key, PoolMemory())
        template = self._template(optimizer, key)
        target = self._target(optimizer, template, pool)
        if pool.template_hash != target.template_hash:
            pool.template_hash, pool.hold = target.template_hash, None
        pods = await self._look(optimizer, pool)
        target, decision = self._decide(target, pods, pool)
        strays: float | None = None
        if not optimizer.spec.paused:
            self._explain(optimizer, decision)
            await self._writer.carry_out(decision, template, target, pool)
            self._note(decision, pool)
            strays = await self._orphans.sweep(optimizer.key, optimizer.owner.uid)
            target, decision = self._decide(target, pods, pool)
        now = self._clock()
        pool.warm_at = now if decision.counts.warm else pool.warm_at
        verdict = pool_verdict(target, decision, lately_warm=now - pool.warm_at < SLOW_SECONDS)
        egress = egress_verdict(pods, unchecked=optimizer.spec.sandbox.allow_unenforced_egress, hold=pool.hold)
        return PoolReport(
            verdict=verdict, counts=decision.counts, egress=egress, requeue_after=soonest(self._requeue(decision, pool), strays)
        )

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

    def _target(self, optimizer: Optimizer, template: PoolTemplate, pool: PoolMemory) -> PoolTarget:
        asked, now = optimizer.spec.sandbox.pool, self._clock()
        pool.lowered((asked.min, asked.max))
        pool.bucket = Bucket.full(asked.refill_per_second, now) if pool.bucket is None else pool.bucket.at(now, asked.refill_per_second)
        return PoolTarget(
            min=asked.min,
            max=asked.max,
            template_hash=template.hash,
            job_seconds=optimizer.spec.sandbox.longest_seconds,
            paused=optimizer.spec.paused,
            off=why_code_is_off(optimizer.spec),
        )

    async def _look(self, optimizer: Optimizer, pool: PoolMemory) -> list[PoolPod]:
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
        pool.keep(present, self._clock())
        pods = [self._pod(manifest, pool) for manifest in manifests]
        for seconds in pool.learn(pods, self._clock()):
            self._metrics.sandbox_refill_seconds.observe(seconds)
        return pods

    @staticmethod
    def _pod(manifest: Manifest, pool: PoolMemory) -> PoolPod:
        uid = manifest["metadata"]["uid"]
        return pool_pod(manifest, claimed_at=pool.claimed.get(uid), finished_at=pool.finished.get(uid), suspected=uid in pool.suspected)

    async def _read(self, optimizer: Optimizer) -> None:
        """Bring the cache's view of this pool up to date."""
        known = {key_of(pod): pod["metadata"]["uid"] for pod in sandbox_pods(self._cache, optimizer.owner)}
        async for pod in self._client.list(POD, optimizer.key.namespace):
            self._cache.put(pod)
            known.pop(key_of(pod), None)
        for key, uid in known.items():
            self._cache.remove(key, uid)
        log.info("Read a sandbox pool from the API server", extra={"key": str(optimizer.key), "ghosts": len(known)})

    def _decide(self, target: PoolTarget, pods: Sequence[PoolPod], pool: PoolMemory) -> tuple[PoolTarget, Plan]:
        """The target under the demand as it is now, and what to do about it."""
        now = self._clock()
        self._release(pods, pool)
        assert pool.bucket is not None
        pool.bucket = pool.bucket.at(now, pool.bucket.per_second)
        target = replace(target, demand=pool.observed.demand(now), trim=pool.trim)
        decision = plan(
            target,
            pods,
            creations=pool.expected.creations,
            deletions=pool.expected.deletions,
            hold=pool.hold,
            bucket=pool.bucket,
            calm_until=pool.calm_until,
            at_once=pool.window.size,
            evicted_at=pool.evicted_at,
            now=now,
        )
        return target, decision

    def _note(self, decision: Plan, pool: PoolMemory) -> None:
        """What the plan that was carried out changes for the next one."""
        pool.trim = pool.trim and decision.surplus
        if decision.unreachable:
            pool.evicted_at = self._clock()
        if not decision.delayed:
            pool.settle()
        overrun = sum(pod.state == PodState.BUSY for pod in decision.delete)
        for cause, count in (("unreachable", len(decision.unreachable)), ("failed_start", len(decision.failed)), ("overrun", overrun)):
            self._metrics.sandboxes_removed.labels(cause).inc(count)

    @staticmethod
    def _release(pods: Sequence[PoolPod], pool: PoolMemory) -> None:
        """A Pod that was made after a failed start and got ready proves that the trouble is over."""
        hold = pool.hold
        if hold is not None and hold.reason in FAILED_STARTS:
            well = (PodState.WARM, PodState.BUSY)
            if any(pod.created >= int(hold.since) and pod.state in well and pod.template_hash == pool.template_hash for pod in pods):
                pool.hold = None

    def _explain(self, optimizer: Optimizer, decision: Plan) -> None:
        """Why Pods are removed that nobody asked to remove. Their names are random: with them in it every Event would be new."""
        for pod in decision.failed[:1]:
            trouble = failed_start(pod)
            note = f"Removed {len(decision.failed)} that never became ready. {trouble.message}"
            self._tell(optimizer.owner, "SandboxReplaced", note, action="Repair", warning=True)
        if decision.unreachable:
            self._tell(optimizer.owner, "SandboxReplaced", UNREACHABLE, action="Repair", warning=True)
        if any(pod.state == PodState.BUSY for pod in decision.delete):
            note = "Removed a sandbox whose job outlived its time limit: its agent is lost."
            self._tell(optimizer.owner, "SandboxReplaced", note, action="Repair", warning=True)

    def _requeue(self, decision: Plan, pool: PoolMemory) -> float | None:
        unseen = pool.expected.timeout + 1.0 if pool.expected.creations or pool.expected.deletions else None
        over = pool.observed.over()
        return soonest(decision.requeue_after, unseen, None if over is None else max(1.0, over - self._clock()))
