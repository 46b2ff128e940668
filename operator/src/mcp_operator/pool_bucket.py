"""The token bucket that keeps refills from flooding the API server: one token per Pod, and room for one second's worth of them."""

from dataclasses import dataclass
from typing import Final

BATCH_SECONDS: Final = 0.25
"""Who has to wait comes back for this much at once: a look at the pool costs more than a Pod in it."""


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """Of one pool. It starts full, also after a restart of the operator."""

    per_second: int
    tokens: float
    as_of: float
    """Unix time for which `tokens` is right."""

    @classmethod
    def full(cls, per_second: int, now: float) -> "Bucket":
        """One second's worth."""
        return cls(per_second=per_second, tokens=per_second, as_of=now)

    def at(self, now: float, per_second: int) -> "Bucket":
        """The bucket `now`, under the rate that the spec asks for now."""
        gained = max(0.0, now - self.as_of) * self.per_second
        return Bucket(per_second=per_second, tokens=min(float(per_second), self.tokens + gained), as_of=now)

    def less(self, count: int) -> "Bucket":
        """After `count` Pods."""
        return Bucket(per_second=self.per_second, tokens=self.tokens - count, as_of=self.as_of)

    @property
    def allows(self) -> int:
        """Pods that may be created now."""
        # A wait that was computed to end with one token must not end a rounding error before it.
        return max(0, int(self.tokens + 1e-6))

    def wait(self, missing: int) -> float:
        """Seconds until the next batch for `missing` Pods may be created."""
        batch = min(missing, max(1, int(self.per_second * BATCH_SECONDS)))
        return max(0.0, (batch - self.tokens) / self.per_second)
