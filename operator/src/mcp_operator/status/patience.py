"""Since when something has been wrong: some troubles pass by themselves within a minute or two, and are called by their name only after that.

A node that is being added, an image that is being pushed and a server that still warms up look like faults that need a human. Helm and Flux give up on
`Stalled`, so it has to wait. What is remembered here may be lost: a new process begins to wait anew, unless the status already says it.
"""

from dataclasses import dataclass
from typing import Final

from mcp_operator.clock import Clock
from mcp_operator.kinds import Key

STALL_SECONDS: Final = 120.0
CONFIG_SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True)
class _Trouble:
    cause: str
    since: float


class Patience:
    """Of all resources, by topic."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._troubles: dict[tuple[Key, str], _Trouble] = {}

    def left(self, key: Key, topic: str, cause: str | None, seconds: float) -> float:
        """How many of `seconds` this cause has still to last before it counts; another cause starts anew, and None ends it (0)."""
        slot = (key, topic)
        if cause is None:
            self._troubles.pop(slot, None)
            return 0.0
        known = self._troubles.get(slot)
        if known is None or known.cause != cause:
            known = self._troubles[slot] = _Trouble(cause, self._clock())
        return max(0.0, known.since + seconds - self._clock())

    def forget(self, key: Key) -> None:
        """The resource is gone."""
        for slot in [slot for slot in self._troubles if slot[0] == key]:
            del self._troubles[slot]
