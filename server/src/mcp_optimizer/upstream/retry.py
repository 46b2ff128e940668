"""Whether a failed call may be sent once more. Pure.

A retry must not run anything twice that changes something, and must not double the load on servers that fail because of load.
"""

import random
from typing import Final

from mcp_optimizer.errors import ServerFault
from mcp_optimizer_api.config import RetriesConfig

SAVED: Final = 5.0
"""Retries that a server starts with and can save up: one that is called rarely has them too."""
LEAST_PAUSE: Final = 0.02
MOST_PAUSE: Final = 0.12


class Retries:
    """The policy of one server and what is left of its budget."""

    def __init__(self, policy: RetriesConfig) -> None:
        self.policy = policy
        self.done = 0
        self._left = SAVED

    def earn(self) -> None:
        """A call is made: the budget grows by its share."""
        if self._left < SAVED:
            self._left += self.policy.budget_percent / 100

    def allowed(self, fault: ServerFault, *, repeatable: bool) -> bool:
        """Whether to send the call again; takes it from the budget. `repeatable`: the tool says that twice is as good as once."""
        when = self.policy.when
        safe = fault.nothing_sent or (repeatable and when == "idempotent")
        # A server that says when to come again means: not now.
        if when == "never" or not safe or fault.retry_after_s is not None or self._left < 1.0:
            return False
        self._left -= 1.0
        self.done += 1
        return True

    @staticmethod
    def pause() -> float:
        """Seconds before the repetition, different each time, so that callers that failed together do not return together."""
        return random.uniform(LEAST_PAUSE, MOST_PAUSE)
