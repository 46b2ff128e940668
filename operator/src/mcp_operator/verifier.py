"""Runs MCP handshakes beside the work queue: a server that hangs must not hold a worker."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from mcp_optimizer_api.status import Reason

from .check_schedule import CheckState, after_check, next_check
from .clock import Clock
from .kinds import Key
from .verify import Era, Outcome, Verification

CONCURRENCY = 16
_OUR_FAULT = Verification(
    outcome=Outcome.FAILED, reason=Reason.NOT_MCP, message="The endpoint's replies could not be examined; the operator's log says why."
)

log = logging.getLogger(__name__)


class Verifier:
    """What is known of each endpoint, kept fresh while somebody asks for it."""

    def __init__(self, check: Callable[[str, Era | None], Awaitable[Verification]], changed: Callable[[Key], None], clock: Clock) -> None:
        self._check = check
        self._changed = changed
        self._clock = clock
        self._states: dict[Key, CheckState] = {}
        self._running: dict[Key, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(CONCURRENCY)

    def ask(self, key: Key, url: str, fingerprint: str) -> tuple[Verification | None, float | None]:
        """The verdict, if there is one, and in how many seconds to ask again. Starts a check when one is due; `changed` tells its end."""
        state = self._states.get(key)
        verdict = state.verdict if state is not None else None
        if key in self._running:
            return verdict, None
        now = self._clock()
        wait = next_check(state, fingerprint, now) - now
        if wait > 0:
            return verdict, wait
        self._running[key] = asyncio.create_task(self._run(key, url, fingerprint), name=f"check {key}")
        return verdict, None

    def forget(self, key: Key) -> None:
        """Nobody is interested any more."""
        self._states.pop(key, None)
        task = self._running.pop(key, None)
        if task is not None:
            task.cancel()

    async def stop(self) -> None:
        """End all checks."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, key: Key, url: str, fingerprint: str) -> None:
        before = self._states.get(key)
        try:
            async with self._slots:
                found = await self._check(url, before.latest.era if before is not None else None)
        except Exception:
            # A reply that hits a bug of ours: without a verdict nobody would ever ask again.
            log.exception("Check failed", extra={"key": str(key)})
            found = _OUR_FAULT
        finally:
            if self._running.get(key) is asyncio.current_task():
                del self._running[key]
        self._states[key] = after_check(before, fingerprint, found, self._clock())
        self._changed(key)
