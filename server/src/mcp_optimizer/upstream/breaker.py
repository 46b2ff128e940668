"""When calls to a server are no longer sent, and when one is let through to see whether it works again. Pure: no I/O, no task.

Closed: calls pass and are counted. Open: calls are refused at once. Half-open: exactly one call passes, the probe, and its outcome decides.
Only failures that speak of the server count (`ServerFault`); a tool that reports an error works.
"""

import random
import time
from collections.abc import Callable
from typing import Final, Literal

from mcp_optimizer_api.config import BreakerConfig

State = Literal["closed", "half-open", "open"]

WINDOW_SECONDS: Final = 30
MIN_CALLS: Final = 20
"""Fewer calls in the window say nothing about a share."""
MAX_DOUBLINGS: Final = 3
_SLICES: Final = 6
_SLICE_SECONDS: Final = WINDOW_SECONDS / _SLICES


class Breaker:
    """Of one server. `admit` before a call, then exactly one of `succeeded`, `failed` and `abandoned` with what it returned."""

    def __init__(
        self, policy: BreakerConfig, *, clock: Callable[[], float] = time.monotonic, jitter: Callable[[], float] = random.random
    ) -> None:
        self.policy = policy
        self.cause = ""
        """What the last counted failure was."""
        self._clock = clock
        self._jitter = jitter
        self._closed = True
        self._era = 0
        """Changes with every transition: an outcome of an earlier era decides nothing."""
        self._in_a_row = 0
        self._reopened = 0
        self._until = 0.0
        self._probing = False
        self._slice = 0
        self._calls = [0] * _SLICES
        self._failures = [0] * _SLICES

    @property
    def state(self) -> State:
        """The state of this moment."""
        if self._closed or not self.policy.enabled:
            return "closed"
        return "half-open" if self._clock() >= self._until else "open"

    def admit(self) -> int | None:
        """A ticket for one call; None when it must not be sent."""
        if self._closed or not self.policy.enabled:
            return self._era
        if self._probing or self._clock() < self._until:
            return None
        self._probing = True
        return self._era

    def succeeded(self, ticket: int) -> None:
        """The server answered, whatever it said."""
        if ticket != self._era:
            return
        if not self._closed:
            self._change(closed=True)
            self._reopened = 0
        self._count(failed=False)

    def failed(self, ticket: int, cause: str) -> None:
        """The server failed, as `cause` says."""
        if ticket != self._era:
            return
        self.cause = cause
        if not self._closed:
            self._reopened += 1
            self._open()
            return
        self._count(failed=True)
        if self.policy.enabled and (self._in_a_row >= self.policy.consecutive_failures or self._share() >= self.policy.failure_percent):
            self._open()

    def abandoned(self, ticket: int) -> None:
        """The caller left, or the failure was its own: nothing was learned."""
        if ticket == self._era:
            self._probing = False

    def retry_after(self) -> float:
        """Seconds until a probe may pass; 0 when one may now."""
        return 0.0 if self._closed else max(0.0, self._until - self._clock())

    def hint(self) -> None:
        """Something else shows that the server is there: the next call may be the probe."""
        if not self._closed:
            self._until = 0.0

    def _open(self) -> None:
        self._change(closed=False)
        seconds = self.policy.open_seconds * 2 ** min(self._reopened, MAX_DOUBLINGS)
        # Replicas that saw the same failure should not all probe at the same moment.
        self._until = self._clock() + seconds * (0.8 + 0.4 * self._jitter())

    def _change(self, *, closed: bool) -> None:
        self._closed = closed
        self._era += 1
        self._probing = False
        self._in_a_row = 0
        self._calls = [0] * _SLICES
        self._failures = [0] * _SLICES

    def _count(self, *, failed: bool) -> None:
        now = int(self._clock() / _SLICE_SECONDS)
        if now != self._slice:
            for passed in range(min(now - self._slice, _SLICES)):
                self._calls[(now - passed) % _SLICES] = self._failures[(now - passed) % _SLICES] = 0
            self._slice = now
        self._calls[now % _SLICES] += 1
        if failed:
            self._failures[now % _SLICES] += 1
            self._in_a_row += 1
        else:
            self._in_a_row = 0

    def _share(self) -> float:
        """Percent of failures in the window; 0 while there are too few calls to tell."""
        calls = sum(self._calls)
        return 100 * sum(self._failures) / calls if calls >= MIN_CALLS else 0.0
