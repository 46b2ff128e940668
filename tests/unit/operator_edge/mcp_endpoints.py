"""Endpoints to check: small aiohttp servers on loopback, each with one way of behaving."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
TOOLS = [{"name": f"tool-{number}", "description": "d", "inputSchema": {"type": "object"}} for number in range(5)]


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    """Run the handler for every request; gives the URL."""

    async def dispatch(request: web.Request) -> web.StreamResponse:
        return await handler(request)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", dispatch)
    runner = web.AppRunner(app, shutdown_timeout=0.01)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/mcp"
    finally:
        await runner.cleanup()


def result(request: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request["id"], "result": value}


def error(request: dict[str, Any], code: int, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request.get("id"), "error": {"code": code, "message": message}}


def page(request: dict[str, Any], tools: list[dict[str, Any]], size: int) -> dict[str, Any]:
    start = int((request.get("params") or {}).get("cursor") or 0)
    more = {"nextCursor": str(start + size)} if start + size < len(tools) else {}
    return {"tools": tools[start : start + size], **more}


@dataclass
class Legacy:
    """2025-11-25 with sessions, answering JSON or event streams; strict about what a client must send."""

    events: bool = False
    tools: list[dict[str, Any]] = field(default_factory=lambda: TOOLS)
    page_size: int = 100
    version: str = "2025-11-25"
    leaks: bool = False
    """Open a session even for a request that is refused, as some servers do."""
    sessions: set[str] = field(default_factory=set)
    opened: int = 0
    methods: list[str] = field(default_factory=list)

    async def __call__(self, http: web.Request) -> web.StreamResponse:
        if http.method == "DELETE":
            self.sessions.discard(http.headers["Mcp-Session-Id"])
            return web.Response()
        request = await http.json()
        method = request["method"]
        self.methods.append(method)
        if method == "initialize":
            return await self._answer(http, self._initialized(request), self._open())
        session = http.headers.get("Mcp-Session-Id", "")
        if session not in self.sessions:
            headers = {"Mcp-Session-Id": self._open()} if self.leaks else {}
            return web.json_response(error(request, -32600, "Bad Request: Missing session ID"), status=400, headers=headers)
        assert http.headers["MCP-Protocol-Version"] == self.version
        if method == "notifications/initialized":
            return web.Response(status=202)
        assert method == "tools/list"
        return await self._answer(http, result(request, page(request, self.tools, self.page_size)), session)

    def _open(self) -> str:
        self.opened += 1
        self.sessions.add(f"session-{self.opened}")
        return f"session-{self.opened}"

    def _initialized(self, request: dict[str, Any]) -> dict[str, Any]:
        assert request["params"]["clientInfo"]["name"]
        info = {"name": "legacy server", "version": "1"}
        return result(request, {"protocolVersion": self.version, "capabilities": {"tools": {}}, "serverInfo": info})

    async def _answer(self, http: web.Request, message: dict[str, Any], session: str) -> web.StreamResponse:
        headers = {"Mcp-Session-Id": session}
        if not self.events:
            return web.json_response(message, headers=headers)
        response = web.StreamResponse(headers={**headers, "Content-Type": "text/event-stream"})
        await response.prepare(http)
        noise = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "working"}}
        text = json.dumps(message, indent=1).replace("\n", "\r\ndata: ")
        body = f": hello\r\n\r\nid: 6\r\ndata: \r\n\r\nevent: message\r\ndata: {json.dumps(noise)}\r\n\r\nid: 7\r\ndata: {text}\r\n\r\n".encode()
        for start in range(0, len(body), 100):
            await response.write(body[start : start + 100])
        # Stays open, as servers do that may have more to say: the client must not wait for the end.
        await asyncio.sleep(3600)
        return response


@dataclass
class Modern:
    """2026-07-28 only: no sessions, every request complete in itself."""

    tools: list[dict[str, Any]] = field(default_factory=lambda: TOOLS)
    page_size: int = 100
    methods: list[str] = field(default_factory=list)

    async def __call__(self, http: web.Request) -> web.StreamResponse:
        if http.method != "POST":
            return web.Response(status=405)
        request = await http.json()
        method = request["method"]
        self.methods.append(method)
        meta = (request.get("params") or {}).get("_meta") or {}
        if meta.get("io.modelcontextprotocol/protocolVersion") != "2026-07-28" or "io.modelcontextprotocol/clientCapabilities" not in meta:
            return web.json_response(error(request, -32602, "missing _meta"), status=400)
        if http.headers.get("MCP-Protocol-Version") != "2026-07-28" or http.headers.get("Mcp-Method") != method:
            return web.json_response(error(request, -32020, "HeaderMismatch"), status=400)
        hints = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
        if method == "server/discover":
            stamp = {"io.modelcontextprotocol/serverInfo": {"name": "modern server", "version": "1"}}
            return web.json_response(result(request, {**hints, "supportedVersions": ["2026-07-28"], "capabilities": {}, "_meta": stamp}))
        if method == "tools/list":
            return web.json_response(result(request, {**hints, **page(request, self.tools, self.page_size)}))
        return web.json_response(error(request, -32601, "unknown method"), status=404)


def answering(response: Callable[[], web.StreamResponse]) -> Handler:
    """The same answer to everything."""

    async def handler(_: web.Request) -> web.StreamResponse:
        return response()

    return handler
