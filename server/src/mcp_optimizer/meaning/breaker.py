"""Stops asking an endpoint that does not answer, so that its absence costs nothing; one request at a time finds out when it is back."""

import time
from collections.abc import Callable
from typing import Final

FAILURES: Final = 3
"""In a row, until it is left alone."""
REST_SECONDS: Final = 30.0


class Breaker:
    """Closed after a success; open for REST_SECONDS after FAILURES failures in a row and after each failed trial."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._until = 0.0

    def admits(self) -> bool:
        """Whether a request may be sent now. After a rest the first one is the trial, and the others wait for how it ends."""
        if self._failures < FAILURES:
            return True
        now = self._clock()
        if now < self._until:
            return False
        self._until = now + REST_SECONDS
        return True

    def succeeded(self) -> None:
        """It answered."""
        self._failures = 0

    def failed(self) -> None:
        """It did not."""
        self._failures += 1
        self._until = self._clock() + REST_SECONDS
