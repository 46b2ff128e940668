"""What a server says without being asked: that a list changed, that a resource did.

One stream per server and replica, and only where the server says that it has something to tell. A modern server is told on opening it what
is wanted; a legacy one is told by requests of its session.
"""

import asyncio
import contextlib
import logging
import random
from collections import Counter
from collections.abc import Callable
from itertools import islice
from typing import Any, Final

import aiohttp

from mcp_optimizer.errors import CallFailure

from .connection import LISTS_CHANGED, Connection
from .dialect import Dialect
from .wire import NotMcp, ReplyTooLarge

log = logging.getLogger(__name__)

MAX_WATCHED: Final = 1000
GATHER_SECONDS: Final = 0.05
FIRST_BACKOFF: Final = 1.0
MAX_BACKOFF: Final = 300.0
BACKOFF_FACTOR: Final = 3.0
ASK_SECONDS: Final = 10.0
_FLAGS: Final = {"tools": "toolsListChanged", "prompts": "promptsListChanged", "resources": "resourcesListChanged"}

Wanted = dict[str, Any]
"""The filter of `subscriptions/listen`; empty when there is nothing to hear."""


class Watch:
    """Listens to one server while there is something to listen for."""

    def __init__(self, connection: Connection, on_resource: Callable[[str], None]) -> None:
        self._connection = connection
        self._on_resource = on_resource
        self._uris: Counter[str] = Counter()
        self._stirred = asyncio.Event()
        self._seen: Dialect | None = None
        self._stream: asyncio.Task[None] | None = None
        self._streams: tuple[Dialect, Wanted] | None = None
        """What the open stream was opened for."""
        self._subscribed: tuple[Dialect | None, set[str]] = (None, set())

    def add(self, uri: str) -> None:
        """One more wants to hear of this resource. Beyond MAX_WATCHED different ones, the latest are not heard of."""
        self._uris[uri] += 1
        if self._uris[uri] == 1:
            self._stirred.set()

    def remove(self, uri: str) -> None:
        """One fewer does."""
        self._uris[uri] -= 1
        if self._uris[uri] <= 0:
            del self._uris[uri]
            self._stirred.set()

    def hears(self, uri: str) -> bool:
        """Whether an open stream brings changes of this resource."""
        if self._stream is None or self._stream.done() or self._streams is None:
            return False
        dialect, wanted = self._streams
        return uri in (wanted.get("resourceSubscriptions", ()) if dialect.modern else self._subscribed[1])

    def look(self) -> None:
        """The server was asked for its catalogue: it may speak in another way than before."""
        if self._connection.dialect is not self._seen:
            self._stirred.set()

    async def run(self) -> None:
        """Listen until cancelled."""
        backoff = FIRST_BACKOFF
        try:
            while True:
                self._stirred.clear()
                await self._arrange()
                if await self._something_else_is_wanted():
                    await asyncio.sleep(GATHER_SECONDS)
                    backoff = FIRST_BACKOFF
                    continue
                self._stream = None
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stirred.wait(), backoff * random.uniform(0.8, 1.2))
                backoff = min(backoff * BACKOFF_FACTOR, MAX_BACKOFF)
        finally:
            await self._end()

    async def _arrange(self) -> None:
        """Have the stream that is wanted now, or none."""
        dialect = self._seen = self._connection.dialect
        if dialect is None:
            return
        wanted = self._wanted(dialect)
        # A legacy server's stream brings whatever the session subscribed to: it stays as it is.
        purpose = (dialect, wanted if dialect.modern else {})
        if self._stream is not None and (purpose != self._streams or not wanted):
            await self._end()
        if not dialect.modern:
            await self._subscribe(dialect, set(wanted.get("resourceSubscriptions", ())))
        if self._stream is None and wanted:
            self._streams = purpose
            self._stream = asyncio.create_task(self._listen(dialect, wanted))

    async def _something_else_is_wanted(self) -> bool:
        """Wait until it is; False when the stream ended before."""
        stirred = asyncio.create_task(self._stirred.wait())
        try:
            await asyncio.wait([stirred, *([self._stream] if self._stream else [])], return_when=asyncio.FIRST_COMPLETED)
            return self._stream is None or not self._stream.done()
        finally:
            stirred.cancel()

    def _wanted(self, dialect: Dialect) -> Wanted:
        wanted: Wanted = {flag: True for name, flag in _FLAGS.items() if dialect.capabilities.get(name, {}).get("listChanged")}
        if self._uris and dialect.capabilities.get("resources", {}).get("subscribe"):
            # In order of arrival: made-up URIs that sort low must not silence those that somebody listens to already.
            wanted["resourceSubscriptions"] = sorted(islice(self._uris, MAX_WATCHED))
        return wanted

    async def _subscribe(self, dialect: Dialect, uris: set[str]) -> None:
        """Make the legacy session's subscriptions those that are wanted."""
        known = self._subscribed[1] if self._subscribed[0] is dialect else set()
        for method, changed in (("resources/subscribe", uris - known), ("resources/unsubscribe", known - uris)):
            for uri in sorted(changed):
                with contextlib.suppress(CallFailure):
                    await self._connection.request(method, {"uri": uri}, ASK_SECONDS)
        self._subscribed = (dialect, uris)

    async def _listen(self, dialect: Dialect, wanted: Wanted) -> None:
        try:
            await self._connection.listen(dialect, wanted, self._heard)
            said = "ended the stream"
        except (NotMcp, ReplyTooLarge, aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            said = f"{type(error).__name__}: {error}"[:300]
        log.info("no stream of changes", extra={"server": self._connection.name, "reason": said})

    async def _heard(self, message: dict[str, Any]) -> None:
        method, params = message["method"], message.get("params")
        if method in LISTS_CHANGED:
            self._connection.on_list_changed()
        elif method == "notifications/resources/updated" and isinstance(params, dict):
            uri = params.get("uri")
            if isinstance(uri, str) and uri in self._uris:
                self._on_resource(uri)

    async def _end(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.cancel()
            await asyncio.gather(stream, return_exceptions=True)
