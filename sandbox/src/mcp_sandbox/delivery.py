"""The end of a run that left files behind: they are sent as fast as the server takes them, then the result."""

import asyncio
from collections.abc import Callable

from .outbox import Outbox
from .owner import Owner
from .run import Outcome

SECONDS = 4.0
"""The server waits five for the result of a job whose time is up."""


class Delivery:
    """`then` is called once all files are sent: the outbox knows what was left out."""

    def __init__(self, owner: Owner, outbox: Outbox, outcome: Outcome, then: Callable[[Outcome, Outbox], None]) -> None:
        self._owner = owner
        self._outbox = outbox
        self.outcome = outcome
        self._frames = outbox.frames()
        self._then = then
        self._full = False
        self.over = False

    def begin(self) -> None:
        """Send what fits."""
        asyncio.get_running_loop().call_later(SECONDS, self._time_is_up)
        self.go_on(full=False)

    def go_on(self, *, full: bool) -> None:
        """The server is slower than we are (`full`), or has caught up."""
        self._full = full
        while not self._full and not self.over:
            frame = next(self._frames, None)
            if frame is None:
                self._finish()
            else:
                self._owner.send(frame)

    def _time_is_up(self) -> None:
        if not self.over:
            self._outbox.cut_short(f"the rest was not taken within {SECONDS:g} s")
            self._finish()

    def abandon(self, reason: str) -> list[dict[str, str]]:
        """Send no more of it; what was left out."""
        self._outbox.cut_short(reason)
        self._stop()
        return self._outbox.left_out

    def _stop(self) -> None:
        self.over = True
        self._frames.close()

    def _finish(self) -> None:
        self._stop()
        self._then(self.outcome, self._outbox)
