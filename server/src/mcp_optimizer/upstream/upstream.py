"""One federated server: its connection, its catalogue kept fresh in the background, and a bound on what it may hold up."""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from mcp_optimizer.background import aside
from mcp_optimizer.context import PLAIN, CallContext
from mcp_optimizer.errors import BAD_GATEWAY, NOT_FOUND, CallFailure
from mcp_optimizer_api.catalogue import catalogue_hash
from mcp_optimizer_api.config import UpstreamConfig
from mcp_optimizer_api.stats import UpstreamStats

from .catalogue import MAX_TOOLS, Definition, sanitise
from .connection import Connection
from .extras import Capabilities, Extras, read_extras
from .guard import Guard
from .pages import pages
from .reply import result_of
from .watch import Watch
from .wire import Wire

log = logging.getLogger(__name__)

LIST_SECONDS = 15.0
REFRESH_SECONDS = 60.0
REFRESH_GAP = 1.0
REFRESH_SHARE = 20.0
"""A server that says all the time that its lists changed is read for a twentieth of it."""
FIRST_BACKOFF = 1.0
MAX_BACKOFF = 60.0
BACKOFF_FACTOR = 1.5
"""Slow growth: a Pod that takes half a minute to start is noticed a few seconds later."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What a server offered when it was last asked."""

    catalogue: tuple[Definition, ...] = ()
    hash: str = ""
    title: str = ""
    """One line on the server, in its own words."""
    capabilities: Capabilities = field(default_factory=dict)
    extras: Extras = field(default_factory=Extras)


OnResource = Callable[[str, str], None]
"""Told the server's name and the URI of a resource that changed."""


def _nobody(server: str, uri: str) -> None:
    return


class Upstream:
    """A server that is called, and watched for what it offers."""

    def __init__(self, config: UpstreamConfig, wire: Wire, on_change: Callable[[], None], on_resource: OnResource = _nobody) -> None:
        self.config = config
        self.offer = Offer()
        self.error: str | None = "not contacted yet"
        self._with_extras = False
        self.tried = asyncio.Event()
        """Set after the first attempt to list the tools, whatever came of it."""
        self.guard = Guard(config)
        self._wire = wire
        self._wire.connect_seconds = float(config.connect_seconds)
        self._connection = Connection(config.name, config.url, wire)
        self._connection.on_list_changed = self._list_changed
        self.watch = Watch(self._connection, partial(on_resource, config.name))
        self._on_change = on_change
        self._nudged = asyncio.Event()
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._tasks: list[asyncio.Task[None]] = []
        self._next_refresh = float("-inf")

    @property
    def name(self) -> str:
        """Name of the MCPServer."""
        return self.config.name

    def start(self) -> None:
        """Keep the catalogue fresh from now on."""
        self._tasks = [
            asyncio.create_task(self._keep_fresh(), name=f"catalogue of {self.name}"),
            asyncio.create_task(self.watch.run(), name=f"changes of {self.name}"),
        ]

    def configure(self, config: UpstreamConfig) -> None:
        """Other settings of the server at the same URL."""
        self.config = config
        self.guard.configure(config)
        self._wire.connect_seconds = float(config.connect_seconds)
        self.nudge()

    def nudge(self) -> None:
        """Ask a server in trouble again at once: something about it has changed."""
        if self.error is not None:
            self._nudged.set()

    def show_extras(self, wanted: bool) -> None:
        """Read what it offers besides tools, or not: only where clients see its own catalogue."""
        if wanted != self._with_extras:
            self._with_extras = wanted
            self._nudged.set()

    def _list_changed(self) -> None:
        """The server says that a list changed: read them at once, but neither more often than once a second nor all the time, however often it says so."""
        self._nudged.set()

    async def stop(self) -> None:
        """Stop refreshing and end the session, once the calls in flight are done: a server ends them with their session."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._idle.wait()
        await self._connection.close()

    async def ask(
        self,
        method: str,
        params: dict[str, Any],
        subject: str | None = None,
        extra_headers: dict[str, str] | None = None,
        context: CallContext = PLAIN,
        *,
        repeatable: bool = False,
    ) -> dict[str, Any]:
        """The result of one request of a client. Raises `CallFailure`.

        `subject` is what a modern server finds in `Mcp-Name`. `repeatable`: asking twice is as good as once. The timeout holds for all
        attempts together.
        """
        deadline = time.monotonic() + self.config.timeout_seconds

        async def send() -> dict[str, Any]:
            left = max(0.001, deadline - time.monotonic())
            return await self._connection.request(method, params, left, subject=subject, extra=extra_headers, context=context)

        self._in_flight += 1
        self._idle.clear()
        if context.input_responses is not None:
            params["inputResponses"] = context.input_responses
        if context.request_state is not None:
            params["requestState"] = context.request_state
        try:
            message = await self.guard.call(send, repeatable=repeatable)
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._idle.set()
        return result_of(self.name, message, context)

    def stats(self) -> UpstreamStats:
        """What this Pod thinks of the server."""
        guard = self.guard
        error = self.error or guard.trouble
        return UpstreamStats(
            name=self.name,
            ready=error is None,
            tools=len(self.offer.catalogue),
            catalogue_hash=self.offer.hash,
            error=error,
            breaker=guard.breaker.state,
            in_flight=guard.slots.taken,
            retries=guard.retries.done,
            refused_open=guard.refused_open,
            refused_full=guard.refused_full,
        )

    async def _keep_fresh(self) -> None:
        backoff = FIRST_BACKOFF
        while True:
            await asyncio.sleep(max(0.0, self._next_refresh - time.monotonic()))
            self._nudged.clear()
            began = time.monotonic()
            try:
                await self.refresh()
                backoff, pause = FIRST_BACKOFF, REFRESH_SECONDS
            except CallFailure as failure:
                self._failed(failure.message)
                pause, backoff = backoff, min(backoff * BACKOFF_FACTOR, MAX_BACKOFF)
            except Exception:
                # A reply no rule foresaw must not end the refresh of this server for good.
                log.exception("catalogue refresh failed", extra={"server": self.name})
                self._failed("its tools/list could not be read")
                pause, backoff = backoff, min(backoff * BACKOFF_FACTOR, MAX_BACKOFF)
            self.tried.set()
            ended = time.monotonic()
            # At most the pause: one that hung when it was first asked may be up a second later.
            self._next_refresh = ended + min(max(REFRESH_GAP, REFRESH_SHARE * (ended - began)), pause)
            self.watch.look()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._nudged.wait(), pause * random.uniform(0.8, 1.2))

    async def _list(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        return result_of(self.name, await self._connection.request(method, params, LIST_SECONDS))

    async def refresh(self) -> None:
        """List the tools once; raise `CallFailure` when that fails. The last good catalogue stays until a new one is complete."""
        tools: list[Any] = []
        too_much = f"server {self.name} lists more than {MAX_TOOLS} tools or 16 MiB of definitions: split it"
        async with contextlib.aclosing(pages(self._list_tools, "tools/list", "tools", too_much)) as found:
            async for page in found:
                if not isinstance(page, list):
                    raise CallFailure(BAD_GATEWAY, f"server {self.name} answered tools/list without a list of tools")
                tools.extend(page)
                if len(tools) > MAX_TOOLS:
                    raise CallFailure(BAD_GATEWAY, too_much)
        digest, catalogue = await aside(_read, self.name, tools, self.offer)
        dialect = self._connection.dialect
        capabilities = dialect.capabilities if dialect else {}
        extras = await read_extras(self.name, capabilities, self._list, self.offer.extras) if self._with_extras else Extras()
        offer = Offer(catalogue, digest, dialect.title if dialect else "", capabilities, extras)
        if self.error is not None:
            self.error = None
            self.guard.breaker.hint()
        if _differ(offer, self.offer):
            self.offer = offer
            log.info("catalogue read", extra={"server": self.name, "tools": len(catalogue), "hash": offer.hash})
            self._on_change()

    async def _list_tools(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        try:
            return await self._list(method, params)
        except CallFailure as failure:
            dialect = self._connection.dialect
            if failure.code == NOT_FOUND and dialect is not None and dialect.capabilities and "tools" not in dialect.capabilities:
                return {"tools": []}  # it offers other things
            raise

    def _failed(self, message: str) -> None:
        if self.error != message:
            log.warning("server is not usable", extra={"server": self.name, "error": message})
        self.error = message


def _differ(one: Offer, other: Offer) -> bool:
    """By digest and not by catalogue: values of strangers may be too deep to compare."""
    return (one.hash, one.title, one.capabilities, one.extras) != (other.hash, other.title, other.capabilities, other.extras)


def _read(name: str, tools: list[Any], known: Offer) -> tuple[str, tuple[Definition, ...]]:
    """Digest and usable tools of a list. Most of the time nothing has changed, and those of `known` are as good."""
    listed = [tool for tool in tools if isinstance(tool, dict)]
    try:
        # Of what the server sent, as the operator computes it, so that the two can be compared.
        digest = catalogue_hash(listed)
    except RecursionError:
        catalogue = sanitise(name, tools)
        return catalogue_hash(catalogue), catalogue
    return digest, known.catalogue if digest == known.hash else sanitise(name, tools)
