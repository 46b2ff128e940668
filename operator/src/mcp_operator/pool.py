"""What to do about one pool of sandbox Pods: a pure decision over the Pods there are.

The pool keeps as many warm Pods for the next jobs as the demand asks for, `min` at least, and never has more than `max` in all. A claim takes a
Pod out of the supply for ever, so the supply is refilled at once, not on a timer. Deleting a warm Pod can hit a job that claimed it a moment
ago, so Pods that are merely old, or more than the demand asks for now, are not deleted: the agent, which alone can say that nobody
has claimed it, ends itself, and is replaced in time if it is needed.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from mcp_optimizer_api.optimizer import SandboxCounts

from .desired.sandbox_pod import idle_seconds
from .pool_bucket import Bucket
from .pool_demand import Demand, rounded
from .pool_hold import FAILED_STARTS, Hold
from .pool_pod import PodState, PoolPod, Problem
from .pool_window import COUNTS_SECONDS
from .soonest import soonest

MAX_CREATIONS: Final = 50
"""In one pass: the rest follows when the cache has shown these."""
STUCK_SECONDS: Final = 120
"""Starting for longer than this without a stated problem: the node or the agent is at fault, another Pod may fare better."""
SLOW_SECONDS: Final = 30
"""Starting for longer than this deserves a word."""
OVERRUN_SECONDS: Final = 30
"""The agent ends its job, or session, at the deadline; a Pod still busy this much later has lost its agent."""
ENDING_SECONDS: Final = 3
"""Between the announced end of a job and the kubelet's word that its Pod has ended. The API server removes an ended Pod with the one request;
deleted before, the Pod costs a status and another request of the kubelet besides."""
LEAD_SECONDS: Final = 30
"""The replacement of an ageing Pod is started this long before the Pod ends itself."""
OVERDUE_SECONDS: Final = 60
"""A Pod that has not ended itself by then is deleted."""
EVICTION_SECONDS: Final = 10
"""Between two Pods that are removed because a server cannot reach them: longer than a refill, so that a server that lies, or has lost its own
network, does not empty the pool for the others."""


@dataclass(frozen=True, kw_only=True)
class PoolTarget:
    """What the spec asks of the pool."""

    min: int
    max: int
    template_hash: str
    job_seconds: int
    """How long a Pod may be busy: with one job, or as a session's."""
    demand: Demand = field(default_factory=Demand)
    """What jobs have needed lately."""
    trim: bool = False
    """`min` or `max` was lowered: warm Pods beyond the supply go at once."""
    paused: bool = False
    off: str | None = None
    """Why execute_code is off, so that no sandbox is kept; None when it is on."""

    @property
    def supply(self) -> int:
        """Warm Pods wanted. Busy ones may leave less room than that."""
        return 0 if self.off is not None else min(max(self.min, self.demand.supply), self.max)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to do now."""

    create: int = 0
    delete: tuple[PoolPod, ...] = ()
    counts: SandboxCounts
    problem: Problem | None = None
    """Why fewer Pods are created than missing."""
    failed: tuple[PoolPod, ...] = ()
    """Those of `delete` that never became ready, although nobody said why."""
    unreachable: tuple[PoolPod, ...] = ()
    """The one of `delete` that a server cannot reach."""
    surplus: bool = False
    """Warm Pods are among `delete` because there are too many."""
    delayed: int = 0
    """Pods that are missing and wait for nothing but the token bucket, those that are starting, or jobs that have just begun."""
    slow: bool = False
    """Some Pod takes long to become ready, although nobody said why."""
    requeue_after: float | None = None
    """When time alone changes the plan."""


@dataclass(frozen=True, kw_only=True)
class _Census:
    """The Pods by what the pool can expect of them; those that are being deleted are in `total` only."""

    finished: list[PoolPod]
    lost: list[PoolPod]
    """Starting or busy for too long, overdue, or starting from an outdated template."""
    evicted: list[PoolPod]
    """Out of a server's reach, and it is time to believe it."""
    busy: list[PoolPod]
    starting: list[PoolPod]
    fresh: list[PoolPod]
    stale: list[PoolPod]
    expiring: list[PoolPod]
    pending: int
    total: int
    """Pods that hold resources, with those on their way in and out."""

    @property
    def supply(self) -> int:
        """Pods of the present template that serve, or soon will."""
        return len(self.fresh) + len(self.starting) + self.pending


def plan(
    target: PoolTarget,
    pods: Sequence[PoolPod],
    *,
    creations: Collection[str] = (),
    deletions: Collection[str] = (),
    hold: Hold | None,
    bucket: Bucket | None = None,
    calm_until: float = float("-inf"),
    at_once: int = MAX_CREATIONS,
    evicted_at: float = float("-inf"),
    now: float,
) -> Plan:
    """Decide. `creations` and `deletions`: our writes that `pods` does not show yet. Nothing is created before `calm_until`, and `at_once` Pods may
    be starting together. `evicted_at`: when a Pod was last `unreachable`."""
    known = [replace(pod, deleting=True) if pod.uid in deletions else pod for pod in pods]
    pending = len(set(creations) - {pod.name for pod in pods})
    census = _census(target, known, pending, evict=now >= evicted_at + EVICTION_SECONDS, now=now)
    counts = _counts(target, census)
    if target.paused:
        return Plan(counts=counts)
    if target.off is not None:
        # Jobs under way end by themselves, within their time limit.
        return Plan(counts=counts, delete=tuple(pod for pod in known if not pod.deleting and pod not in census.busy))
    possible = min(_wanted(target, census), _allowed(census, hold, now))
    create, delay = _pace(possible, at_once - _young(census, now), bucket, calm_until - now)
    surplus = _surplus(target, census)
    removals = [*_over(census.finished, now), *census.lost, *census.evicted, *_outdated(target, census), *surplus]
    return Plan(
        create=create,
        delete=tuple(removals),
        counts=counts,
        problem=_problem(census, hold),
        failed=tuple(pod for pod in removals if pod.failed_to_start or (pod.state == PodState.STARTING and _stuck(pod, now))),
        unreachable=tuple(census.evicted),
        surplus=bool(surplus),
        delayed=possible - create,
        slow=any(pod.problem is None and now - pod.created > SLOW_SECONDS for pod in census.starting),
        requeue_after=soonest(_next([*_moments(target, known, hold, now), *_suspicions(census, evicted_at)], now), delay),
    )


def _pace(possible: int, room: int, bucket: Bucket | None, calm_in: float) -> tuple[int, float | None]:
    """How many of the Pods that are missing are created now, and the seconds until some of the others may be."""
    if calm_in > 0:
        return 0, calm_in if possible else None
    create = max(0, min(possible, room if bucket is None else min(room, bucket.allows)))
    if create == possible:
        return create, None
    return create, COUNTS_SECONDS if create >= room or bucket is None else bucket.wait(possible - create)


def _young(census: _Census, now: float) -> int:
    """Pods that share the processors to start."""
    return census.pending + sum(now - pod.created < COUNTS_SECONDS for pod in census.starting)


def _census(target: PoolTarget, pods: Sequence[PoolPod], pending: int, *, evict: bool, now: float) -> _Census:
    present = [pod for pod in pods if not pod.deleting]
    finished = [pod for pod in present if pod.state == PodState.FINISHED]
    lost = [pod for pod in present if pod.state != PodState.FINISHED and _lost(target, pod, now)]
    rest = [pod for pod in present if pod not in finished and pod not in lost]
    warm = [pod for pod in rest if pod.state == PodState.WARM]
    evicted = [pod for pod in warm if pod.suspected][: 1 if evict else 0]
    ageing = [pod for pod in warm if now >= _lead_time(pod)]
    serving = [pod for pod in warm if pod not in ageing and pod not in evicted]
    return _Census(
        finished=finished,
        lost=lost,
        evicted=evicted,
        busy=[pod for pod in rest if pod.state == PodState.BUSY],
        starting=[pod for pod in rest if pod.state == PodState.STARTING],
        fresh=[pod for pod in serving if pod.template_hash == target.template_hash],
        stale=[pod for pod in serving if pod.template_hash != target.template_hash],
        expiring=[pod for pod in ageing if pod not in evicted],
        pending=pending,
        total=sum(not pod.ended for pod in pods) + pending,
    )


def _over(finished: Sequence[PoolPod], now: float) -> list[PoolPod]:
    return [pod for pod in finished if pod.ended or now >= pod.since + ENDING_SECONDS]


def _lead_time(pod: PoolPod) -> float:
    return pod.created + idle_seconds(pod.name) - LEAD_SECONDS


def _lost(target: PoolTarget, pod: PoolPod, now: float) -> bool:
    if pod.state == PodState.STARTING:
        return pod.template_hash != target.template_hash or _stuck(pod, now)
    if pod.state == PodState.BUSY:
        return now > _busy_until(target, pod)
    return now > pod.created + idle_seconds(pod.name) + OVERDUE_SECONDS


def _busy_until(target: PoolTarget, pod: PoolPod) -> float:
    return pod.since + max(target.job_seconds, pod.job_seconds) + OVERRUN_SECONDS


def _stuck(pod: PoolPod, now: float) -> bool:
    return pod.problem is None and now - pod.created > STUCK_SECONDS


def _wanted(target: PoolTarget, census: _Census) -> int:
    room = target.max - census.total
    missing = target.supply - census.supply - len(census.stale)
    if missing <= 0 and census.stale:
        # Replacing Pods that still serve is not urgent: a quarter at a time, and a broken new template stops at that quarter.
        surge = max(1, math.ceil(target.supply / 4)) - len(census.starting) - census.pending
        missing = min(surge, target.supply - census.supply)
    return max(0, min(missing, room))


def _outdated(target: PoolTarget, census: _Census) -> list[PoolPod]:
    """Warm Pods of an earlier template that the ready ones can spare."""
    stale = sorted(census.stale, key=lambda pod: pod.created)
    spare = len(census.fresh) + len(stale) - target.supply
    # With no room for a replacement beside them, one of them has to go first; everything else must be at rest.
    at_rest = len(census.fresh) + len(stale) + len(census.expiring) == census.total
    blocked = at_rest and census.total >= target.max and census.supply < target.supply
    return stale[: max(spare, 1 if blocked else 0, 0)]


def _surplus(target: PoolTarget, census: _Census) -> list[PoolPod]:
    """Pods of the present template that somebody decided against; that jobs need fewer of them for now is no such decision."""
    excess = census.supply - (target.supply if target.trim else target.max)
    # A Pod that is not ready yet is the cheaper loss; then the oldest, which has the least time left.
    candidates = [*census.starting, *sorted(census.fresh, key=lambda pod: pod.created)]
    return candidates[: max(0, excess)]


def _allowed(census: _Census, hold: Hold | None, now: float) -> int:
    """How many Pods may be created: none while some cannot start, one at a time after a failure."""
    if any(pod.problem is not None for pod in census.starting):
        return 0
    if hold is None:
        return MAX_CREATIONS
    under_trial = hold.reason in FAILED_STARTS and (census.starting or census.pending)
    return 0 if now < hold.until or under_trial else 1


def _problem(census: _Census, hold: Hold | None) -> Problem | None:
    stated = next((pod.problem for pod in census.starting if pod.problem is not None), None)
    if stated is not None:
        return stated
    return Problem(reason=hold.reason, message=hold.message) if hold is not None else None


def _counts(target: PoolTarget, census: _Census) -> SandboxCounts:
    return SandboxCounts(
        target=target.supply,
        peak_claims_per_second=rounded(target.demand.rate),
        refill_seconds=None if target.demand.refill is None else rounded(target.demand.refill),
        burst=target.demand.burst,
        warm=len(census.fresh) + len(census.stale) + len(census.expiring),
        starting=len(census.starting) + census.pending,
        busy=len(census.busy),
    )


def _moments(target: PoolTarget, pods: Sequence[PoolPod], hold: Hold | None, now: float) -> list[float]:
    """When time alone changes the plan."""
    moments = [_next_change_of(target, pod, now) for pod in pods if not pod.deleting]
    return moments if hold is None else [*moments, hold.until]


def _suspicions(census: _Census, evicted_at: float) -> list[float]:
    return [evicted_at + EVICTION_SECONDS for pod in (*census.fresh, *census.stale, *census.expiring) if pod.suspected]


def _next(moments: Sequence[float], now: float) -> float | None:
    ahead = [moment - now for moment in moments if moment > now]
    return max(1.0, min(ahead)) if ahead else None


def _next_change_of(target: PoolTarget, pod: PoolPod, now: float) -> float:
    if pod.state == PodState.STARTING:
        slow = pod.created + SLOW_SECONDS
        return slow + 1 if slow >= now else pod.created + STUCK_SECONDS
    if pod.state == PodState.BUSY:
        return _busy_until(target, pod)
    if pod.state == PodState.FINISHED:
        return pod.since + ENDING_SECONDS
    lead = _lead_time(pod)
    return lead if lead > now else pod.created + idle_seconds(pod.name) + OVERDUE_SECONDS
