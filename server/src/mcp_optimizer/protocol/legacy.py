"""What clients of protocols up to 2025-11-25 expect of a connection that this endpoint does not keep.

They get a session id with `initialize`: a random name, kept nowhere, by which any replica can tell them apart. With it they cancel their own
calls and nobody else's (their request ids alone would not do: every client counts from 0), and open the stream that brings them changes.
"""

import asyncio
import secrets
from typing import Any, Final

import orjson
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS

from mcp_optimizer.admission import as_stream
from mcp_optimizer.asgi import EVENT_STREAM, PING, App, Message, Receive, Scope, Send, disconnected, replayed
from mcp_optimizer.cancellations import MAX_SESSION, SESSION_HEADER, Cancellations
from mcp_optimizer.changes import Change, Changes, Subscriber
from mcp_optimizer.errors import CallFailure
from mcp_optimizer.invoke import Invoker
from mcp_optimizer.offers import features
from mcp_optimizer.routes import ROUTE
from mcp_optimizer.subscriptions import Sessions, Watching

KEEP_ALIVE_SECONDS: Final = 15.0
VERSION: Final = b"mcp-protocol-version"
_LEGACY: Final = frozenset(version.encode() for version in HANDSHAKE_PROTOCOL_VERSIONS)


class LegacyClients:
    """ASGI application around the SDK's: adds what legacy clients need, passes on all the rest."""

    def __init__(self, app: App, invoker: Invoker, changes: Changes, sessions: Sessions, running: Cancellations) -> None:
        self._app = app
        self._invoker = invoker
        self._changes = changes
        self._sessions = sessions
        self._running = running

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request that passed the gate."""
        headers = dict(scope["headers"])
        session = headers.get(SESSION_HEADER, b"")[:MAX_SESSION].decode("latin-1")
        if headers.get(VERSION, b"2025-03-26") not in _LEGACY:
            await self._app(_trimmed(scope), receive, send)
        elif scope["method"] == "GET":
            await self._stream(scope, receive, send, session)
        else:
            first = await receive()
            await self._post(scope, replayed(first, receive), send, _message(first.get("body", b"")), headers)

    async def _post(self, scope: Scope, receive: Receive, send: Send, message: dict[str, Any], headers: dict[bytes, bytes]) -> None:
        method, number = message.get("method"), message.get("id")
        if method == "initialize":
            await self._app(scope, receive, _with_session(send))
        elif method == "notifications/cancelled":
            params = message.get("params")
            self._running.cancel(headers, params.get("requestId") if isinstance(params, dict) else None)
            await _accepted(send)
        else:
            await self._cancellable(scope, receive, send, headers, number)

    async def _cancellable(self, scope: Scope, receive: Receive, send: Send, headers: dict[bytes, bytes], number: Any) -> None:
        started = ended = False

        async def watched(message: Message) -> None:
            nonlocal started, ended
            started = True
            ended = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        until = asyncio.timeout(None)
        key = self._running.enter(headers, number, lambda: until.reschedule(0.0))
        try:
            async with until:
                await self._app(scope, receive, watched)
        except TimeoutError:
            if not until.expired():
                raise
        finally:
            self._running.leave(key)
        if until.expired() and not ended:
            # A cancelled request has no answer; its response still has to end.
            if started:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            else:
                await _accepted(send)

    async def _stream(self, scope: Scope, receive: Receive, send: Send, session: str) -> None:
        """The stream that a client opens to hear of changes."""
        route: str | None = scope.get(ROUTE)
        try:
            offered = features(self._invoker.snapshot(), route)
            as_stream()
        except CallFailure as failure:
            await _refused(send, failure)
            return
        lists = ["tools", *(name for name in ("prompts", "resources") if name in offered)]
        subscriber = Subscriber(route, lists, self._sessions.uris(session) if "resources" in offered else ())  # type: ignore[arg-type]
        watching = Watching(subscriber, self._invoker)
        self._changes.add(subscriber)
        self._sessions.opened(session, watching)
        gone = asyncio.create_task(_gone(receive, subscriber))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": EVENT_STREAM})
            await send({"type": "http.response.body", "body": b": open\r\n\r\n", "more_body": True})
            await _pump(subscriber, send)
        finally:
            gone.cancel()
            self._changes.remove(subscriber)
            self._sessions.closed(session, watching)
            watching.close()


async def _pump(subscriber: Subscriber, send: Send) -> None:
    while True:
        try:
            async with asyncio.timeout(KEEP_ALIVE_SECONDS):
                changed = await subscriber.next()
        except TimeoutError:
            await send({"type": "http.response.body", "body": PING, "more_body": True})
            continue
        events = b"".join(_event(change) for change in changed)
        await send({"type": "http.response.body", "body": events, "more_body": bool(changed)})
        if not changed:
            return


def _event(change: Change) -> bytes:
    notification: dict[str, Any] = {"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": change[1]}}
    if change[0] == "list":
        notification = {"jsonrpc": "2.0", "method": f"notifications/{change[1]}/list_changed"}
    return b"event: message\r\ndata: " + orjson.dumps(notification) + b"\r\n\r\n"


async def _gone(receive: Receive, subscriber: Subscriber) -> None:
    await disconnected(receive)
    subscriber.close()


def _message(body: bytes) -> dict[str, Any]:
    try:
        message = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return message if isinstance(message, dict) else {}


def _with_session(send: Send) -> Send:
    async def named(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == 200:
            message = {**message, "headers": [*message.get("headers", ()), (SESSION_HEADER, secrets.token_hex(16).encode())]}
        await send(message)

    return named


def _trimmed(scope: Scope) -> Scope:
    """Without the white space around values that HTTP allows and the SDK would compare."""
    headers = scope["headers"]
    if all(value == value.strip(b" \t") for name, value in headers if name.startswith(b"mcp-")):
        return scope
    return {**scope, "headers": [(name, value.strip(b" \t") if name.startswith(b"mcp-") else value) for name, value in headers]}


async def _accepted(send: Send) -> None:
    await send({"type": "http.response.start", "status": 202, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


async def _refused(send: Send, failure: CallFailure) -> None:
    body = orjson.dumps({"jsonrpc": "2.0", "id": None, "error": {"code": -32603, "message": failure.message}})
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": failure.code, "headers": headers})
    await send({"type": "http.response.body", "body": body})
