"""How many jobs run at once in this process, and who is next: first come, first served, for a bounded time."""

from mcp_optimizer.errors import TOO_MANY, CallFailure
from mcp_optimizer.slots import NoPlace, Slots


class JobSlots:
    """Places for jobs. As many may wait as may run."""

    def __init__(self) -> None:
        self._slots = Slots(0, 1, 0.0)

    @property
    def running(self) -> int:
        """Jobs that have a place."""
        return self._slots.taken

    def configure(self, limit: int, seconds: float) -> None:
        """New bounds: a raised limit lets in who waits."""
        self._slots.resize(limit, max(limit, 1), seconds)

    async def take(self) -> None:
        """Take a place, or CallFailure(429) after the wait, or at once when the line is full too."""
        try:
            await self._slots.take()
        except NoPlace as full:
            line = f"{self._slots.waiting} wait" if full.reason == "queue_full" else f"none ended within {self._slots.seconds:g} s"
            raise CallFailure(TOO_MANY, f"{self.running} jobs run, the limit of this replica, and {line}: try again later") from None

    def give(self) -> None:
        """Give the place back: to the next in line."""
        self._slots.give()
