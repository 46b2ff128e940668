"""How many warm Pods jobs have needed lately: what was claimed, how long replacements took, and the supply that follows. Pure.

While a replacement is on its way, a claimed Pod is missing. So the supply has to last for what is claimed within one refill time:
the peak rate times that time, plus the largest burst. The two overlap on purpose: a pool that runs empty sees no more claims
than it has Pods, and only a sum that exceeds what was seen lets it grow to what is asked for.
"""

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Final

WINDOW_SECONDS: Final = 600
"""What is older says nothing about the next minutes; a warm Pod lives for two or three of these."""
RATE_SECONDS: Final = 10
"""Over which a rate is a mean; what comes and goes faster is a burst."""
FIRST_REFILL_SECONDS: Final = 5.0
"""Until a replacement has been timed: a Pod with its image on the node takes 2 to 4 s on an idle machine."""
MAX_REFILL_SECONDS: Final = 60.0
"""More Pods are no remedy for a cluster that takes longer to start one."""
REFILLS: Final = 1000
"""Measured times that are kept."""


@dataclass(frozen=True, kw_only=True)
class Demand:
    """What the pool has to be ready for."""

    rate: float = 0.0
    """Claims per second, the highest mean over ten seconds."""
    refill: float | None = None
    """Seconds from a claim until its replacement is Ready, 99th percentile; None: not measured."""
    burst: int = 0
    """The most claims within one refill time."""

    @property
    def supply(self) -> int:
        """Warm Pods wanted."""
        return math.ceil(self.rate * (FIRST_REFILL_SECONDS if self.refill is None else self.refill) + self.burst)


@dataclass
class Observed:
    """The record of one pool; all of it may be lost, and the pool then keeps its minimum until it has seen more."""

    _claims: deque[tuple[int, int]] = field(default_factory=deque)
    """Unix second and number of claims in it, in this order; at most one entry for each second of the window."""
    _refills: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=REFILLS))
    """When a replacement became Ready, and how long it had taken."""

    def claimed(self, now: float) -> None:
        """A job has taken a Pod."""
        second = int(now)
        if self._claims and self._claims[-1][0] >= second:
            self._claims[-1] = (self._claims[-1][0], self._claims[-1][1] + 1)
        else:
            self._claims.append((second, 1))

    def refilled(self, seconds: float, now: float) -> None:
        """The replacement of a claimed Pod is Ready."""
        self._refills.append((now, min(seconds, MAX_REFILL_SECONDS)))

    def demand(self, now: float) -> Demand:
        """As of `now`, to the second."""
        while self._claims and self._claims[0][0] <= now - WINDOW_SECONDS:
            self._claims.popleft()
        while self._refills and self._refills[0][0] <= now - WINDOW_SECONDS:
            self._refills.popleft()
        if not self._claims:
            return Demand()
        refill = self._percentile()
        span = math.ceil(FIRST_REFILL_SECONDS if refill is None else refill)
        return Demand(rate=self._most(RATE_SECONDS) / RATE_SECONDS, refill=refill, burst=self._most(max(1, span)))

    def over(self) -> float | None:
        """When the last claim leaves the window, if there is one: time alone changes the demand then."""
        return float(self._claims[-1][0] + WINDOW_SECONDS) if self._claims else None

    def _percentile(self) -> float | None:
        if not self._refills:
            return None
        ordered = sorted(seconds for _, seconds in self._refills)
        return ordered[math.ceil(0.99 * len(ordered)) - 1]

    def _most(self, span: int) -> int:
        """The largest number of claims in `span` successive seconds."""
        most = total = 0
        inside: deque[tuple[int, int]] = deque()
        for second, count in self._claims:
            inside.append((second, count))
            total += count
            while inside[0][0] <= second - span:
                total -= inside.popleft()[1]
            most = max(most, total)
        return most


def rounded(number: float) -> float:
    """To two significant digits, which is all that a status needs."""
    return float(f"{number:.2g}")
