"""What the server Pods have reported lately, per MCPOptimizer, and when that is worth a look at its status.

Holds the samples of one window and the token totals, which begin with what the status says already: they must not fall when
Pods are replaced or the operator restarts. What happened while nobody looked is not counted: the totals are a lower bound.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from mcp_optimizer_api.optimizer import Metrics
from mcp_optimizer_api.stats import ServerStats

from .aggregate import WINDOW_SECONDS, Sample, Tokens, metrics, spent
from .collector import Target
from .kinds import Key

STALE_SECONDS: Final = 30.0
"""A Pod that has not answered for so long has no say."""
FAILURES: Final = 2
"""Answers that may fail to come before the others are believed without it."""
REFRESH_SECONDS: Final = 30.0
"""How often moving numbers are worth a status."""
REMEMBERED: Final = 256
"""Pods that are not ready (any more) whose counters are kept, in case they come back."""


@dataclass
class _Pod:
    samples: deque[Sample] = field(default_factory=deque)
    failures: int = 0


@dataclass
class _Optimizer:
    pods: dict[str, _Pod] = field(default_factory=dict)
    absent: dict[str, ServerStats] = field(default_factory=dict)
    tokens: Tokens | None = None
    """None until the status was read."""
    counted_since: float = 0.0
    """What Pods counted before this time is in `tokens` already, or lost."""
    told_at: float = 0.0
    told_activity: int = 0
    memo: "tuple[Metrics | None, Report | None] | None" = None
    """The last answer and the published metrics it was given for: a burst of jobs asks a hundred times for the same."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """The present view of one MCPOptimizer's server Pods."""

    servers: list[ServerStats]
    """The latest of each Pod that answers."""
    metrics: Metrics


class Reports:
    """Fed by the collector; read by the status. `changed` is called when a status should be computed again."""

    def __init__(self, changed: Callable[[Key], None], clock: Callable[[], float]) -> None:
        self._changed = changed
        self._clock = clock
        self._optimizers: dict[Key, _Optimizer] = {}

    def add(self, owner: Key, target: Target, stats: ServerStats | None) -> None:
        """One answer of a Pod, or None when it gave none."""
        optimizer = self._optimizers.setdefault(owner, _Optimizer())
        optimizer.memo = None
        pod = optimizer.pods.setdefault(target.uid, _Pod())
        now = self._clock()
        if stats is None:
            pod.failures += 1
            if pod.failures == FAILURES:
                self._tell(owner, optimizer, now)
            return
        before = pod.samples[-1].stats if pod.samples else optimizer.absent.pop(target.uid, None)
        if optimizer.tokens is not None and (before is not None or stats.started_at > optimizer.counted_since):
            optimizer.tokens += spent(before, stats)
        news = not pod.samples or pod.failures >= FAILURES or before is None or _view(before) != _view(stats)
        pod.failures = 0
        if pod.samples:
            # Only the newest one's servers are ever read again, and they are most of it.
            pod.samples[-1] = replace(pod.samples[-1], stats=pod.samples[-1].stats.model_copy(update={"upstreams": []}))
        pod.samples.append(Sample(at=now, stats=stats))
        while len(pod.samples) > 2 and pod.samples[1].at < now - WINDOW_SECONDS:
            pod.samples.popleft()
        if news or self._moved(optimizer, now):
            self._tell(owner, optimizer, now)

    def keep(self, owner: Key, targets: Sequence[Target]) -> None:
        """These are the ready server Pods now; what others reported does not count any more."""
        uids = {target.uid for target in targets}
        optimizer = self._optimizers.get(owner)
        if optimizer is not None:
            optimizer.memo = None
            for uid in [uid for uid in optimizer.pods if uid not in uids]:
                pod = optimizer.pods.pop(uid)
                if pod.samples:
                    optimizer.absent[uid] = pod.samples[-1].stats
            for uid in list(optimizer.absent)[:-REMEMBERED]:
                del optimizer.absent[uid]

    def forget(self, owner: Key) -> None:
        """The MCPOptimizer is gone."""
        self._optimizers.pop(owner, None)

    def read(self, owner: Key, targets: Sequence[Target], published: Metrics | None) -> Report | None:
        """The view over these Pods, or None while one of them has neither answered nor failed to: what is published is still right then."""
        optimizer = self._optimizers.setdefault(owner, _Optimizer())
        if optimizer.memo is None or optimizer.memo[0] != published:
            optimizer.memo = published, self._read(optimizer, targets, published)
        return optimizer.memo[1]

    def _read(self, optimizer: _Optimizer, targets: Sequence[Target], published: Metrics | None) -> Report | None:
        pods = [optimizer.pods.get(target.uid, _Pod()) for target in targets]
        now = self._clock()
        if any(not pod.samples and pod.failures < FAILURES for pod in pods):
            return None
        if optimizer.tokens is None:
            optimizer.tokens = _first_totals(pods, published)
            optimizer.counted_since = now if published is not None else 0.0
        latest = [pod.samples[-1] for pod in pods if pod.samples]
        return Report(
            servers=[sample.stats for sample in latest if sample.at > now - STALE_SECONDS],
            metrics=metrics((pod.samples for pod in pods), optimizer.tokens, now=now, previous=published),
        )

    def _moved(self, optimizer: _Optimizer, now: float) -> bool:
        """Whether numbers have changed since the last telling, long enough ago; the fall back to nothing counts as a change."""
        if now - optimizer.told_at < REFRESH_SECONDS:
            return False
        return _moving(optimizer) or optimizer.told_activity != _activity(optimizer)

    def _tell(self, owner: Key, optimizer: _Optimizer, now: float) -> None:
        optimizer.told_at = now
        # Told once more after the last call has left the window: that is when the rate becomes zero.
        optimizer.told_activity = -1 if _moving(optimizer) else _activity(optimizer)
        self._changed(owner)


def _first_totals(pods: Sequence[_Pod], published: Metrics | None) -> Tokens:
    if published is not None:
        return Tokens(baseline=published.tokens_baseline, served=published.tokens_served)
    total = Tokens()
    for pod in pods:
        if pod.samples:
            total += spent(None, pod.samples[-1].stats)
    return total


def _moving(optimizer: _Optimizer) -> bool:
    return any(pod.samples and pod.samples[0].stats.calls != pod.samples[-1].stats.calls for pod in optimizer.pods.values())


def _activity(optimizer: _Optimizer) -> int:
    latest = [pod.samples[-1].stats for pod in optimizer.pods.values() if pod.samples]
    return sum(stats.calls + stats.tokens.baseline for stats in latest)


def _view(stats: ServerStats) -> object:
    """What a status tells at once when it changes."""
    return (
        stats.config_hash,
        stats.unknown_pins,
        stats.sandbox.isolation,
        [(upstream.name, upstream.ready, upstream.tools, upstream.error) for upstream in stats.upstreams],
    )
