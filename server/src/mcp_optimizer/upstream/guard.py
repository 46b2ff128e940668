"""What stands between the callers of a server and the server: its breaker, its places, and the repetition of failed calls.

A server that hangs or fails holds up its own callers only, and only so many of them.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Any

from mcp_optimizer.errors import TOO_MANY, UNAVAILABLE, CallFailure, ServerFault
from mcp_optimizer.slots import NoPlace, Slots
from mcp_optimizer_api.config import BreakerConfig, RetriesConfig, UpstreamConfig

from .breaker import Breaker
from .retry import Retries

FULL_SECONDS = 1
"""What a caller that found no place is told to wait: places come free as calls end."""

Send = Callable[[], Awaitable[dict[str, Any]]]


class Guard:
    """Of one server."""

    def __init__(self, config: UpstreamConfig) -> None:
        self.name = config.name
        self.breaker = Breaker(config.breaker or BreakerConfig())
        self.retries = Retries(config.retries or RetriesConfig())
        self.slots = Slots(config.max_concurrent, config.max_concurrent, config.queue_seconds)
        self.refused_open = self.refused_full = 0

    def configure(self, config: UpstreamConfig) -> None:
        """Other bounds for the same server; what was learned of it stays."""
        self.breaker.policy = config.breaker or BreakerConfig()
        self.retries.policy = config.retries or RetriesConfig()
        self.slots.resize(config.max_concurrent, config.max_concurrent, config.queue_seconds)

    @property
    def trouble(self) -> str | None:
        """Why calls are refused; None while they are sent. The same sentence as long as nothing changes."""
        if self.breaker.state == "closed":
            return None
        return f"its calls fail, so they are refused but for one that tries now and then: {self.breaker.cause}"

    async def call(self, send: Send, *, repeatable: bool) -> dict[str, Any]:
        """The response that `send` gets, perhaps at its second attempt. Raises `CallFailure`."""
        if self.breaker.state == "open":
            raise self._refusal()
        if not self.slots.take_now():
            await self._wait()
        try:
            self.retries.earn()
            try:
                return await self._attempt(send)
            except ServerFault as fault:
                if not self.retries.allowed(fault, repeatable=repeatable):
                    raise
            await asyncio.sleep(self.retries.pause())
            return await self._attempt(send)
        finally:
            self.slots.give()

    async def _attempt(self, send: Send) -> dict[str, Any]:
        breaker = self.breaker
        ticket = breaker.admit()
        if ticket is None:
            raise self._refusal()
        try:
            message = await send()
        except ServerFault as fault:
            breaker.failed(ticket, fault.message)
            raise
        except BaseException:
            breaker.abandoned(ticket)
            raise
        breaker.succeeded(ticket)
        return message

    async def _wait(self) -> None:
        try:
            await self.slots.take()
        except NoPlace:
            self.refused_full += 1
            limit = f"{self.slots.size} calls in flight already, its maxConcurrent"
            text = f"server {self.name} has {limit}: try again in {FULL_SECONDS} s"
            raise CallFailure(TOO_MANY, text, retry_after_s=FULL_SECONDS) from None

    def _refusal(self) -> CallFailure:
        self.refused_open += 1
        seconds = max(1, math.ceil(self.breaker.retry_after()))
        text = f"server {self.name} is failing ({self.breaker.cause}): nothing was sent, try again in {seconds} s"
        return CallFailure(UNAVAILABLE, text, retry_after_s=seconds)
