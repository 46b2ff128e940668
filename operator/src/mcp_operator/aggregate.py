"""From the counters of many server Pods to the few numbers in a status. Pure.

Counters are totals since a Pod started, so rates and percentiles come from differences between samples; a restarted Pod begins at zero
again, which its start time tells. What is published is rounded and sticky: a number that wobbles by a tenth is the same number, because every
change of a status is a write that every watcher of the cluster sees.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mcp_optimizer_api.optimizer import Metrics
from mcp_optimizer_api.stats import TOKEN_METHOD, Histogram, ServerStats

WINDOW_SECONDS: Final = 60
STICKY: Final = 0.1
"""Relative change of a rate or percentile that is not worth a write."""
STICKY_TOKENS: Final = 0.01


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What one Pod reported, and when."""

    at: float
    stats: ServerStats


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """Totals that outlive Pods and operators."""

    baseline: int = 0
    served: int = 0

    def __add__(self, other: "Tokens") -> "Tokens":
        return Tokens(baseline=self.baseline + other.baseline, served=self.served + other.served)


@dataclass(frozen=True, kw_only=True)
class _Activity:
    calls: int
    errors: int
    latency: Mapping[float, int]
    seconds: float


def metrics(histories: Iterable[Sequence[Sample]], tokens: Tokens, *, now: float, previous: Metrics | None) -> Metrics:
    """The published aggregate over the samples of all Pods, oldest first each; `tokens` are the totals so far."""
    activity = _activity(histories, now)
    share = 100 * activity.errors / activity.calls if activity.calls else 0.0
    fresh = Metrics(
        window_seconds=WINDOW_SECONDS,
        calls_per_second=rounded(activity.calls / max(1.0, activity.seconds)),
        error_percent=round(min(share, 100.0), 1),
        p50_ms=_rounded_or_none(percentile(activity.latency, 0.50)),
        p95_ms=_rounded_or_none(percentile(activity.latency, 0.95)),
        tokens_baseline=tokens.baseline,
        tokens_served=tokens.served,
        tokens_saved_percent=round(100 * (1 - tokens.served / tokens.baseline), 1) if tokens.baseline else None,
        token_method=TOKEN_METHOD,
    )
    return previous if previous is not None and _same(previous, fresh) else fresh


def idle(last: Metrics) -> Metrics:
    """What is true of the last published aggregate when nobody serves any more: the totals."""
    return last.model_copy(update={"calls_per_second": 0.0, "error_percent": 0.0, "p50_ms": None, "p95_ms": None})


def spent(older: ServerStats | None, newer: ServerStats) -> Tokens:
    """Tokens counted by one Pod between two samples; everything it has counted when there is no older one of the same life."""
    if older is None or _restarted(older, newer):
        return Tokens(baseline=newer.tokens.baseline, served=newer.tokens.served)
    return Tokens(baseline=max(0, newer.tokens.baseline - older.tokens.baseline), served=max(0, newer.tokens.served - older.tokens.served))


def percentile(counts: Mapping[float, int], fraction: float) -> float | None:
    """Interpolated within its bucket; `counts` by upper bound, infinity included. None when nothing was counted."""
    total = sum(counts.values())
    if not total:
        return None
    wanted, below, lower = fraction * total, 0, 0.0
    for upper in sorted(counts):
        if below + counts[upper] >= wanted and counts[upper]:
            # Above the last bound nothing is known but the bound itself.
            return lower if math.isinf(upper) else lower + (upper - lower) * (wanted - below) / counts[upper]
        below += counts[upper]
        lower = upper if not math.isinf(upper) else lower
    return lower


def rounded(value: float) -> float:
    """Two significant digits."""
    if value == 0:
        return 0.0
    return float(f"{value:.2g}")


def _activity(histories: Iterable[Sequence[Sample]], now: float) -> _Activity:
    calls, errors, seconds = 0, 0, 0.0
    latency: dict[float, int] = defaultdict(int)
    for history in histories:
        recent = _within(history, now)
        if not recent:
            continue
        seconds = max(seconds, recent[-1].at - _since(recent, now))
        older: ServerStats | None = _zero(recent[0].stats) if recent[0].stats.started_at >= now - WINDOW_SECONDS else None
        for sample in recent:
            if older is not None:
                base = _zero(sample.stats) if _restarted(older, sample.stats) else older
                calls += sample.stats.calls - base.calls
                errors += sample.stats.errors - base.errors
                _add(latency, sample.stats.latency, base.latency)
            older = sample.stats
    return _Activity(calls=calls, errors=errors, latency=latency, seconds=seconds)


def _within(history: Sequence[Sample], now: float) -> Sequence[Sample]:
    """The samples of the window, and the last one before it as the zero mark."""
    history = tuple(history)
    first = next((index for index, sample in enumerate(history) if sample.at > now - WINDOW_SECONDS), len(history))
    return history[max(0, first - 1) :] if first < len(history) else ()


def _since(recent: Sequence[Sample], now: float) -> float:
    return max(recent[0].stats.started_at, now - WINDOW_SECONDS) if recent[0].stats.started_at >= now - WINDOW_SECONDS else recent[0].at


def _restarted(older: ServerStats, newer: ServerStats) -> bool:
    return older.started_at != newer.started_at or newer.calls < older.calls


def _zero(stats: ServerStats) -> ServerStats:
    return stats.model_copy(update={"calls": 0, "errors": 0, "latency": stats.latency.model_copy(update={"counts": ()})})


def _add(latency: dict[float, int], newer: Histogram, older: Histogram) -> None:
    before = older.counts if older.bounds_ms == newer.bounds_ms else ()
    for index, bound in enumerate((*newer.bounds_ms, math.inf)):
        count = newer.counts[index] if index < len(newer.counts) else 0
        latency[bound] += max(0, count - (before[index] if index < len(before) else 0))


def _rounded_or_none(value: float | None) -> float | None:
    return None if value is None else rounded(value)


def _same(previous: Metrics, fresh: Metrics) -> bool:
    if previous.window_seconds != fresh.window_seconds or previous.token_method != fresh.token_method:
        return False
    # Once nothing moves any more, the last word is exact.
    if fresh.calls_per_second == 0 and previous != fresh:
        return False
    values = [
        (previous.calls_per_second, fresh.calls_per_second, STICKY),
        (previous.error_percent, fresh.error_percent, STICKY),
        (previous.p50_ms, fresh.p50_ms, STICKY),
        (previous.p95_ms, fresh.p95_ms, STICKY),
        (previous.tokens_baseline, fresh.tokens_baseline, STICKY_TOKENS),
        (previous.tokens_served, fresh.tokens_served, STICKY_TOKENS),
    ]
    return all(_close(old, new, tolerance) for old, new, tolerance in values)


def _close(old: float | None, new: float | None, tolerance: float) -> bool:
    if old is None or new is None:
        return old is new
    return old == new or (bool(old) and bool(new) and abs(new - old) <= tolerance * abs(old))
