"""One federated server: its connection, its catalogue kept fresh in the background, and a bound on what it may hold up."""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mcp_optimizer.context import PLAIN, CallContext
from mcp_optimizer.errors import BAD_GATEWAY, BAD_REQUEST, NOT_FOUND, TOO_MANY, CallFailure
from mcp_optimizer.results import compact
from mcp_optimizer_api.catalogue import catalogue_hash
from mcp_optimizer_api.config import UpstreamConfig
from mcp_optimizer_api.stats import UpstreamStats

from .catalogue import MAX_TOOLS, Definition, sanitise
from .connection import Connection
from .wire import MAX_REPLY, Wire

log = logging.getLogger(__name__)

MAX_IN_FLIGHT = 256
"""Calls to one server at once: a server that hangs holds up its own callers only, and not without bound."""
MAX_PAGES = 100
LIST_SECONDS = 15.0
REFRESH_SECONDS = 60.0
FIRST_BACKOFF = 1.0
MAX_BACKOFF = 60.0
BACKOFF_FACTOR = 1.5
"""Slow growth: a Pod that takes half a minute to start is noticed a few seconds later."""
INVALID_PARAMS = -32602
METHOD_NOT_FOUND = -32601


@dataclass(frozen=True, slots=True)
class Offer:
    """What a server offered when it was last asked."""

    catalogue: tuple[Definition, ...] = ()
    hash: str = ""
    title: str = ""
    """One line on the server, in its own words."""


class Upstream:
    """A server that is called, and watched for what it offers."""

    def __init__(self, config: UpstreamConfig, wire: Wire, on_change: Callable[[], None]) -> None:
        self.config = config
        self.offer = Offer()
        self.error: str | None = "not contacted yet"
        self.tried = asyncio.Event()
        """Set after the first attempt to list the tools, whatever came of it."""
        self._connection = Connection(config.name, config.url, wire)
        self._on_change = on_change
        self._nudged = asyncio.Event()
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._task: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """Name of the MCPServer."""
        return self.config.name

    def start(self) -> None:
        """Keep the catalogue fresh from now on."""
        self._task = asyncio.create_task(self._keep_fresh(), name=f"catalogue of {self.name}")

    def nudge(self) -> None:
        """Ask a server in trouble again at once: something about it has changed."""
        if self.error is not None:
            self._nudged.set()

    async def stop(self) -> None:
        """Stop refreshing and end the session, once the calls in flight are done: a server ends them with their session."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._idle.wait()
        await self._connection.close()

    async def call(
        self, tool: str, arguments: dict[str, Any], extra_headers: dict[str, str] | None = None, context: CallContext = PLAIN
    ) -> dict[str, Any]:
        """The result of one tools/call, as the server sent it. Raises `CallFailure`."""
        if self._in_flight >= MAX_IN_FLIGHT:
            raise CallFailure(TOO_MANY, f"server {self.name} has {MAX_IN_FLIGHT} calls in flight already: try again later")
        self._in_flight += 1
        self._idle.clear()
        try:
            params = {"name": tool, "arguments": arguments}
            message = await self._connection.request(
                "tools/call", params, float(self.config.timeout_seconds), subject=tool, extra=extra_headers, context=context
            )
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._idle.set()
        return _result(self.name, message)

    def stats(self) -> UpstreamStats:
        """What this Pod thinks of the server."""
        return UpstreamStats(
            name=self.name, ready=self.error is None, tools=len(self.offer.catalogue), catalogue_hash=self.offer.hash, error=self.error
        )

    async def _keep_fresh(self) -> None:
        backoff = FIRST_BACKOFF
        while True:
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
            self._nudged.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._nudged.wait(), pause * random.uniform(0.8, 1.2))

    async def refresh(self) -> None:
        """List the tools once; raise `CallFailure` when that fails. The last good catalogue stays until a new one is complete."""
        tools: list[Any] = []
        size = 0
        params: dict[str, Any] = {}
        for _ in range(MAX_PAGES):
            message = await self._connection.request("tools/list", params, LIST_SECONDS)
            result = _result(self.name, message)
            page = result.get("tools")
            if not isinstance(page, list):
                raise CallFailure(BAD_GATEWAY, f"server {self.name} answered tools/list without a list of tools")
            tools.extend(page)
            size += len(compact(page))
            if size > MAX_REPLY or len(tools) > MAX_TOOLS:
                raise CallFailure(BAD_GATEWAY, f"server {self.name} lists more than {MAX_TOOLS} tools or 16 MiB of definitions: split it")
            cursor = result.get("nextCursor")
            if not isinstance(cursor, str):
                break
            params = {"cursor": cursor}
        catalogue = sanitise(self.name, tools)
        dialect = self._connection.dialect
        offer = Offer(catalogue, _digest(tools, catalogue), dialect.title if dialect else "")
        self.error = None
        if (offer.hash, offer.title) != (self.offer.hash, self.offer.title):
            self.offer = offer
            log.info("catalogue read", extra={"server": self.name, "tools": len(catalogue), "hash": offer.hash})
            self._on_change()

    def _failed(self, message: str) -> None:
        if self.error != message:
            log.warning("server is not usable", extra={"server": self.name, "error": message})
        self.error = message


def _digest(tools: list[Any], catalogue: tuple[Definition, ...]) -> str:
    """Of what the server sent, as the operator computes it, so that the two can be compared."""
    try:
        return catalogue_hash(tool for tool in tools if isinstance(tool, dict))
    except RecursionError:
        return catalogue_hash(catalogue)


def _result(name: str, message: dict[str, Any]) -> dict[str, Any]:
    """The result of a JSON-RPC response, or the failure it stands for."""
    result = message.get("result")
    if isinstance(result, dict):
        if result.get("resultType", "complete") != "complete":
            kind = str(result["resultType"])[:40]
            raise CallFailure(BAD_GATEWAY, f"server {name} answered {kind!r}, which this endpoint does not relay")
        return result
    error = message.get("error")
    code, text = (error.get("code"), str(error.get("message", ""))[:1000]) if isinstance(error, dict) else (None, "no result")
    status = {INVALID_PARAMS: BAD_REQUEST, METHOD_NOT_FOUND: NOT_FOUND}.get(code if isinstance(code, int) else 0, BAD_GATEWAY)
    raise CallFailure(status, f"server {name}: {text}")
