"""What is remembered of one pool between two looks. All of it can be lost: a restarted operator learns it again from the Pods."""

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

from mcp_optimizer_api.stats import SandboxEvent

from .expectations import Expectations
from .pool_bucket import Bucket
from .pool_demand import Observed
from .pool_hold import Hold
from .pool_pod import PodState, PoolPod
from .pool_window import COUNTS_SECONDS, StartWindow

SUSPICION_SECONDS: Final = 60.0
"""A server that goes on failing to reach a Pod says so again; after this long without a word the Pod is trusted again."""

CALM_SECONDS: Final = 0.25
"""Without a claim, before Pods are made: on the node of a job of 45 ms its own replacement took half of the processors, measured."""
LONGEST_CALM_SECONDS: Final = 1.0
"""A claim waits for its replacement while others follow."""


@dataclass(frozen=True, kw_only=True)
class _Start:
    """Of a Pod."""

    asked: float
    beside: int
    """Others that were starting then."""
    claimed: float | None
    """When the Pod that it replaces was."""


@dataclass
class PoolMemory:
    """Of one pool."""

    expected: Expectations = field(default_factory=Expectations)
    hold: Hold | None = None
    template_hash: str = ""
    claimed: dict[str, float] = field(default_factory=dict)
    """Uid to the time a server announced the claim."""
    finished: dict[str, float] = field(default_factory=dict)
    """Uid to the time a server announced the end."""
    suspected: dict[str, float] = field(default_factory=dict)
    """Uid to the last time a server announced that it cannot reach the Pod."""
    evicted_at: float = float("-inf")
    """When a Pod was last removed on a server's word."""
    doubtful: bool = False
    """The outcome of a write is unknown."""
    warm_at: float = float("-inf")
    """When some Pod was last seen warm."""
    bucket: Bucket | None = None
    bounds: tuple[int, int] | None = None
    """`pool.min` and `pool.max` at the last look."""
    trim: bool = False
    """They were lowered, and there are still more Pods than that."""
    observed: Observed = field(default_factory=Observed)
    window: StartWindow = field(default_factory=StartWindow)
    _counted: set[str] = field(default_factory=set)
    """Uids whose claim is in `observed`."""
    _unanswered: deque[float] = field(default_factory=lambda: deque(maxlen=1000))
    """Claims whose replacement has not been asked for."""
    _latest: float = float("-inf")
    """When a Pod was last claimed."""
    _starting: dict[str, "_Start"] = field(default_factory=dict)
    """Name of a Pod that was not seen Ready yet."""

    def announce(self, event: SandboxEvent, now: float) -> None:
        """A server Pod speaks of a Pod of this pool."""
        if event.type == "unreachable":
            self.suspected[event.uid] = now
            return
        self.suspected.pop(event.uid, None)
        self.claimed.setdefault(event.uid, now)
        self._count(event.uid, now)
        if event.type == "finished":
            self.finished.setdefault(event.uid, now)

    def keep(self, present: Collection[str], now: float) -> None:
        """Only these uids exist."""
        self.claimed = {uid: at for uid, at in self.claimed.items() if uid in present}
        self.finished = {uid: at for uid, at in self.finished.items() if uid in present}
        self.suspected = {uid: at for uid, at in self.suspected.items() if uid in present and now - at < SUSPICION_SECONDS}
        self._counted &= set(present)

    def learn(self, pods: Sequence[PoolPod], now: float) -> list[float]:
        """Take in what the Pods tell of claims that nobody announced, and of replacements that became Ready; how long each of those took."""
        taken = []
        for pod in pods:
            if pod.state == PodState.BUSY:
                self._count(pod.uid, pod.since)
            if pod.state not in (PodState.WARM, PodState.BUSY) or (start := self._starting.pop(pod.name, None)) is None:
                continue
            self.window.started(now - start.asked, start.beside)
            if start.claimed is not None:
                taken.append(now - start.claimed)
                self.observed.refilled(now - start.claimed, now)
        names = {pod.name for pod in pods} | self.expected.creations
        self._starting = {name: start for name, start in self._starting.items() if name in names}
        return taken

    def lowered(self, bounds: tuple[int, int]) -> None:
        """Note the bounds that the spec asks for now."""
        if self.bounds is not None and any(new < old for new, old in zip(bounds, self.bounds, strict=True)):
            self.trim = True
        self.bounds = bounds

    @property
    def calm_until(self) -> float:
        """Until when jobs that have just begun have the processors: starting a Pod takes fifty times what a short job does, of the same node often."""
        if not self._unanswered:
            return float("-inf")
        return min(self._latest + CALM_SECONDS, self._unanswered[0] + LONGEST_CALM_SECONDS)

    def creating(self, name: str, now: float) -> None:
        """A Pod is asked for: it replaces the one that was claimed first among those without a replacement."""
        self.expected.creating(name, now)
        beside = sum(now - start.asked < COUNTS_SECONDS for start in self._starting.values())
        if self.bucket is not None:
            self.bucket = self.bucket.less(1)
        self._starting[name] = _Start(asked=now, beside=beside, claimed=self._unanswered.popleft() if self._unanswered else None)

    def not_created(self, name: str) -> None:
        """The API server refused for certain."""
        self.expected.not_created(name)
        self._starting.pop(name, None)

    def settle(self) -> None:
        """Nothing more is to be created now: what was claimed and not replaced is not waited for."""
        self._unanswered.clear()

    def _count(self, uid: str, at: float) -> None:
        if uid not in self._counted:
            self._counted.add(uid)
            self._unanswered.append(at)
            self._latest = max(self._latest, at)
            self.observed.claimed(at)
