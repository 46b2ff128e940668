"""How one upstream speaks: the protocol era is asked once and kept, a legacy session is opened once and renewed when it is lost.

Every call is one HTTP request, whatever the era. A request is repeated only when the answer proves that it was not executed.
"""

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import aiohttp
from mcp.shared.inbound import encode_header_value
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, LATEST_HANDSHAKE_VERSION, LATEST_MODERN_VERSION

from mcp_optimizer.context import PLAIN, CallContext
from mcp_optimizer.errors import BAD_REQUEST, HALF_A_LETTER, CallFailure
from mcp_optimizer.memory import MemoryFull
from mcp_optimizer.tracing.traceparent import header

from .dialect import METHOD_NOT_FOUND, Dialect, doubtful, legacy_headers, offers, one_line, speaks, stale
from .extras import known_capabilities
from .faults import FAILURES, accepted, error_text, failure, is_busy, refusal
from .relay import capabilities, relayed, request_meta
from .wire import NotMcp, OnMessage, Reply, ReplyTooLarge, Wire

log = logging.getLogger(__name__)

CLIENT_INFO = {"name": "mcp-optimizer", "version": "0.1.0"}
PROBE_SECONDS = 10.0
MAX_TELLING = 64
LISTS_CHANGED = frozenset(f"notifications/{name}/list_changed" for name in ("tools", "prompts", "resources"))
_META = "io.modelcontextprotocol/"


def _nothing() -> None:
    return


class Connection:
    """The one connection to the upstream `name`, shared by all calls."""

    def __init__(self, name: str, url: str, wire: Wire) -> None:
        self.name = name
        self.url = url
        self._wire = wire
        self._dialect: Dialect | None = None
        self._opening = asyncio.Lock()
        self._ids = itertools.count(1)
        self.on_list_changed: Callable[[], None] = _nothing
        """Called when the server says so, on whatever stream: it may be often."""
        self._telling: set[asyncio.Task[None]] = set()

    @property
    def dialect(self) -> Dialect | None:
        """The dialect in use; None before the first contact."""
        return self._dialect

    async def request(
        self,
        method: str,
        params: dict[str, Any],
        timeout: float,
        *,
        subject: str | None = None,
        extra: Mapping[str, str] | None = None,
        context: CallContext = PLAIN,
    ) -> dict[str, Any]:
        """The JSON-RPC response to `method`. Cancelling this cancels the request at the server.

        Raises `CallFailure` when there is none, `ServerFault` when that speaks of the server.
        """
        asked = False
        try:
            async with asyncio.timeout(timeout):
                dialect = await self._opened()
                asked = True
                reply = await self._exchange(dialect, method, params, timeout, subject, extra, context)
                if stale(dialect, reply):
                    self.forget(dialect)
                    renewed = await self._opened()
                    # A server that is what it was refused the request itself, and may have done a part of it first.
                    if not renewed.same_as(dialect):
                        reply = await self._exchange(renewed, method, params, timeout, subject, extra, context)
                elif doubtful(dialect, reply):
                    self.forget(dialect)
        except FAILURES as error:
            raise failure(error, self.name, timeout=timeout, max_reply=self._wire.bounds.max_reply, asked=asked) from None
        return accepted(self.name, reply)

    async def close(self) -> None:
        """End a legacy session, so that the server can forget it too."""
        dialect = self._dialect
        if dialect is not None and dialect.session:
            with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
                await self._wire.delete(self.url, legacy_headers(dialect))

    def forget(self, dialect: Dialect | None) -> None:
        """Ask the server anew what it speaks, unless that has happened since `dialect` was found."""
        if self._dialect is dialect:
            self._dialect = None

    async def _opened(self) -> Dialect:
        if self._dialect is not None:
            return self._dialect
        async with self._opening:
            if self._dialect is None:
                self._dialect = await self._discover() or await self._initialize()
                log.info("upstream speaks", extra={"server": self.name, "version": self._dialect.version})
            return self._dialect

    async def _discover(self) -> Dialect | None:
        """Ask a modern server for itself; None when it is anything else."""
        probe = Dialect(modern=True, version=LATEST_MODERN_VERSION)
        try:
            reply = await self._exchange(probe, "server/discover", {}, PROBE_SECONDS, None, None)
            if offers(reply, LATEST_MODERN_VERSION):
                reply = await self._exchange(probe, "server/discover", {}, PROBE_SECONDS, None, None)
        except NotMcp:
            return None
        if is_busy(reply) or (reply.message is None and reply.status in (401, 403)):
            raise refusal(self.name, reply)
        result = (reply.message or {}).get("result")
        if not isinstance(result, dict) or not speaks(result, "supportedVersions", LATEST_MODERN_VERSION):
            return None
        meta = result.get("_meta")
        info = meta.get(_META + "serverInfo") if isinstance(meta, dict) else None
        return Dialect(
            modern=True,
            version=LATEST_MODERN_VERSION,
            title=one_line(info, result.get("instructions")),
            capabilities=known_capabilities(result.get("capabilities")),
        )

    async def _initialize(self) -> Dialect:
        params = {"protocolVersion": LATEST_HANDSHAKE_VERSION, "capabilities": {}, "clientInfo": CLIENT_INFO}
        body = {"jsonrpc": "2.0", "id": next(self._ids), "method": "initialize", "params": params}
        reply = await self._wire.post(self.url, body, {}, PROBE_SECONDS)
        message = accepted(self.name, reply)
        result = message.get("result")
        if not isinstance(result, dict):
            raise NotMcp(f"refused to initialize: {error_text(message)}")
        version = result.get("protocolVersion")
        if version not in HANDSHAKE_PROTOCOL_VERSIONS:
            raise NotMcp(f"speaks protocol version {str(version)[:40]!r}, which is not known")
        dialect = Dialect(
            modern=False,
            version=version,
            session=reply.headers.get("Mcp-Session-Id"),
            title=one_line(result.get("serverInfo") or {}, result.get("instructions")),
            capabilities=known_capabilities(result.get("capabilities")),
        )
        initialized = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        await self._wire.post(self.url, initialized, legacy_headers(dialect), PROBE_SECONDS)
        return dialect

    async def _exchange(
        self,
        dialect: Dialect,
        method: str,
        params: dict[str, Any],
        timeout: float,
        subject: str | None,
        extra: Mapping[str, str] | None,
        context: CallContext = PLAIN,
    ) -> Reply:
        number = next(self._ids)
        body: dict[str, Any] = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        if not dialect.modern:
            return await self._legacy_exchange(dialect, body, timeout, context)
        meta = {_META + "protocolVersion": dialect.version, _META + "clientCapabilities": {}, _META + "clientInfo": CLIENT_INFO}
        on_message = None
        if context is not PLAIN:
            meta[_META + "clientCapabilities"] = capabilities(context)
            meta.update(request_meta(context, number, modern=True))
            on_message = partial(self._heard, None, number, context) if context.on_notification is not None else None
        body["params"] = {**params, "_meta": meta}
        headers = {"MCP-Protocol-Version": dialect.version, "Mcp-Method": method, **header(context.trace), **(extra or {})}
        if subject is not None:
            try:
                headers["Mcp-Name"] = encode_header_value(subject)
            except UnicodeEncodeError:
                # The caller's mistake, and nothing against the server.
                raise CallFailure(BAD_REQUEST, HALF_A_LETTER) from None
        # Closing the connection, which cancelling this does, is how a modern server is told that nobody waits any more.
        return await self._wire.post(self.url, body, headers, timeout, on_message)

    async def _legacy_exchange(self, dialect: Dialect, body: dict[str, Any], timeout: float, context: CallContext) -> Reply:
        number = body["id"]
        if context is not PLAIN and (meta := request_meta(context, number, modern=False)):
            body["params"] = {**body["params"], "_meta": meta}
        try:
            headers = {**legacy_headers(dialect), **header(context.trace)}
            return await self._wire.post(self.url, body, headers, timeout, partial(self._heard, dialect, number, context))
        except (asyncio.CancelledError, TimeoutError):
            params = {"requestId": number, "reason": "nobody waits for the answer any more"}
            self._tell(dialect, {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})
            raise

    async def listen(self, dialect: Dialect, wanted: dict[str, Any], on_message: OnMessage) -> None:
        """Hear what the server says without being asked, until it ends the stream. Raises the errors of `Wire.stream`.

        `wanted` is the filter of a modern server; a legacy one sends on its one stream whatever its session subscribed to.
        """
        if not dialect.modern:
            await self._wire.stream(self.url, None, legacy_headers(dialect), partial(self._told, dialect, on_message))
            return
        meta = {_META + "protocolVersion": dialect.version, _META + "clientCapabilities": {}, _META + "clientInfo": CLIENT_INFO}
        params = {"notifications": wanted, "_meta": meta}
        body = {"jsonrpc": "2.0", "id": next(self._ids), "method": "subscriptions/listen", "params": params}
        headers = {"MCP-Protocol-Version": dialect.version, "Mcp-Method": "subscriptions/listen"}
        await self._wire.stream(self.url, body, headers, partial(self._told, None, on_message))

    async def _told(self, asked_by: Dialect | None, on_message: OnMessage, message: dict[str, Any]) -> None:
        if "id" not in message:
            await on_message(message)
        elif asked_by is not None:
            self._answer(asked_by, message)

    async def _heard(self, asked_by: Dialect | None, number: int, context: CallContext, message: dict[str, Any]) -> None:
        """A message on the response stream of request `number`. Only a legacy server, `asked_by`, may ask something in it."""
        if "id" in message:
            if asked_by is not None:
                self._answer(asked_by, message)
        elif message["method"] in LISTS_CHANGED:
            self.on_list_changed()
        elif context.on_notification is not None and (notification := relayed(message, context, self.name, number)) is not None:
            await context.on_notification(*notification)

    def _answer(self, dialect: Dialect, asked: dict[str, Any]) -> None:
        """A legacy server asks its client something: we offer nothing but ping, and say so, or it would wait."""
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": asked["id"]}
        if asked.get("method") == "ping":
            answer["result"] = {}
        else:
            answer["error"] = {"code": METHOD_NOT_FOUND, "message": "this gateway cannot ask its clients anything in this protocol version"}
        self._tell(dialect, answer)

    def _tell(self, dialect: Dialect, body: dict[str, Any]) -> None:
        """Send a message that nobody waits for; not one of very many, which a server can provoke with a stream of questions."""
        if len(self._telling) >= MAX_TELLING:
            return
        task = asyncio.create_task(self._send(dialect, body))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _send(self, dialect: Dialect, body: dict[str, Any]) -> None:
        with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError, NotMcp, ReplyTooLarge, MemoryFull):
            await self._wire.post(self.url, body, legacy_headers(dialect), PROBE_SECONDS)
