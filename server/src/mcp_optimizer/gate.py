"""The first thing a request meets: who may post what, before any parser sees it. Plain ASGI, so that it costs next to nothing.

It also counts the requests in flight and tells clients to move on while the process drains.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Final

from mcp_optimizer_api.names import MCP_PATH

from .admission import Admission, Ticket
from .asgi import App, Message, Receive, Scope, Send, replayed
from .clients import client_of, serve
from .depth import nested_deeper
from .flow import paced, read_body
from .oauth_metadata import answer_metadata, asks_for_metadata
from .origins import answer_preflight, check_origin, granting, is_preflight
from .rejection import ClientLeft, Rejected, refuse
from .routes import ROUTE, NoRoute, route, server_of
from .snapshot import Snapshot
from .stages import READ
from .telemetry import Telemetry

Fast = Callable[[Scope, dict[bytes, bytes], bytes, Receive, Send], Awaitable[bool]]
"""Answers a request whose headers and body were read, or leaves it alone and returns False."""
MAX_DEPTH: Final = 64


class Gate:
    """ASGI application around the MCP application."""

    def __init__(
        self,
        app: App,
        telemetry: Telemetry,
        admission: Admission,
        snapshot: Callable[[], Snapshot | None] = lambda: None,
        fast: Fast | None = None,
    ) -> None:
        self._app = app
        self._fast = fast
        self._admission = admission
        self._telemetry = telemetry
        self._snapshot = snapshot
        self.draining = False
        self.in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        admission = self._admission
        ticket = admission.ticket()
        serve(client_of(scope))
        self.in_flight += 1
        body: bytes | None = None
        try:
            if self.draining:
                send = _closing(send)
            try:
                if asks_for_metadata(scope):
                    await answer_metadata(scope, send, self._snapshot())
                    return
                headers = dict(scope["headers"])
                if b"origin" in headers:
                    granted = check_origin(headers, self._allowed_origins())
                    if is_preflight(scope, headers, granted):
                        await answer_preflight(send, headers, granted)
                        return
                    send = granting(send, granted)
                self._check_route(scope)
                body = await read_body(headers, receive, admission.limits.max_request_bytes, ticket)
                check_shape(body)
                await admission.enter(ticket, scope, receive)
            except Rejected as rejection:
                self._telemetry.rejected(rejection.reason)
                await refuse(send, rejection, body)
                return
            except ClientLeft:
                return
            scope[READ] = time.perf_counter()
            send = paced(_advising(send, ticket))
            if self._fast is None or scope["method"] != "POST" or not await self._fast(scope, headers, body, receive, send):
                await self._app(scope, replayed({"type": "http.request", "body": body, "more_body": False}, receive), send)
        finally:
            self.in_flight -= 1
            ticket.leave()

    def _allowed_origins(self) -> frozenset[bytes]:
        snapshot = self._snapshot()
        return snapshot.allowed_origins if snapshot is not None else frozenset()

    def _check_route(self, scope: Scope) -> None:
        if scope["path"] != MCP_PATH:
            try:
                server = server_of(scope["path"], self._snapshot())
            except NoRoute as error:
                raise Rejected(404, "path", str(error)) from None
            if server is not None:
                scope[ROUTE] = server
                route.set(server)
        # Streams to GET are for legacy clients in direct mode; there is nothing to DELETE.
        if scope["method"] != "POST" and not self._is_stream(scope):
            raise Rejected(405, "method", "POST a JSON-RPC message", [(b"allow", b"POST")])

    def _is_stream(self, scope: Scope) -> bool:
        if scope["method"] != "GET" or not any(name == b"mcp-session-id" for name, _ in scope["headers"]):
            return False
        snapshot = self._snapshot()
        return snapshot is not None and snapshot.config.mode == "mcp_only"


def check_shape(body: bytes) -> None:
    """Refuse JSON nested deeper than MAX_DEPTH, as every later stage may then recurse, and JSON in other encodings, where nobody counts right."""
    if b"\0" in body:
        raise Rejected(400, "encoding", "JSON comes in UTF-8, which has no zero bytes")
    if nested_deeper(body, MAX_DEPTH):
        raise Rejected(400, "too_deep", f"JSON may be nested {MAX_DEPTH} levels deep")


def _advising(send: Send, ticket: Ticket) -> Send:
    """`send` with `Retry-After` when what was called said when to come again before the headers left: those of an event stream leave first."""

    async def with_advice(message: Message) -> None:
        if ticket.retry_after_s is not None and message["type"] == "http.response.start":
            header = (b"retry-after", str(ticket.retry_after_s).encode())
            message = {**message, "headers": [*message.get("headers", ()), header]}
        await send(message)

    return with_advice


def _closing(send: Send) -> Send:
    """`send` with a header that makes keep-alive clients connect anew, to another replica."""

    async def with_close(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [(name, value) for name, value in message.get("headers", ()) if name.lower() != b"connection"]
            message = {**message, "headers": [*kept, (b"connection", b"close")]}
        await send(message)

    return with_close
