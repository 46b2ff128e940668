"""MCP servers of every temper, on loopback, written against the specification and not with our own code."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

MODERN = "2026-07-28"
TOOLS: list[dict[str, Any]] = [
    {
        "name": "create_issue",
        "description": "Create an issue in a repository. Labels are optional.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "repo": {"type": "string", "description": "Full name of the repository"},
                "title": {"type": "string"},
                "labels": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["repo", "title"],
            "additionalProperties": False,
        },
    },
    {"name": "echo", "description": "Echo the message back.", "inputSchema": {"type": "object", "properties": {"message": {}}}},
    {"name": "fail", "description": "Always report an error.", "inputSchema": {"type": "object"}},
    {
        "name": "weather",
        "description": "Current weather of a city.",
        "inputSchema": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def tool_result(params: dict[str, Any]) -> dict[str, Any]:
    """What the tools above do."""
    arguments = params.get("arguments") or {}
    if params["name"] == "fail":
        return {"content": [{"type": "text", "text": "the disk is full"}], "isError": True}
    if params["name"] == "weather":
        data = {"city": arguments.get("city"), "celsius": 21}
        return {"content": [{"type": "text", "text": json.dumps(data)}], "structuredContent": data}
    return {"content": [{"type": "text", "text": json.dumps({"tool": params["name"], **arguments})}]}


class Fake:
    """Base: counts what it is asked; `url` after `start`."""

    def __init__(self, tools: list[dict[str, Any]] | None = None) -> None:
        self.tools = TOOLS if tools is None else tools
        self.asked: list[str] = []
        self.calls: list[dict[str, Any]] = []
        self.delay = 0.0
        self.url = ""
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self) -> "Fake":
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/mcp", self.handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self.port}/mcp"
        return self

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        raise NotImplementedError

    async def answer(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        if method == "tools/list":
            half = len(self.tools) // 2
            return {"tools": self.tools[half:]} if params.get("cursor") else {"tools": self.tools[:half], "nextCursor": "rest"}
        if method == "tools/call":
            self.calls.append(params)
            await asyncio.sleep(self.delay)
            return tool_result(params)
        raise KeyError(method)


class Modern(Fake):
    """Speaks 2026-07-28 only, and insists on its headers."""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        message = await request.json()
        method, params = message["method"], message.get("params") or {}
        self.asked.append(method)
        meta = params.get("_meta") or {}
        headers_right = request.headers.get("Mcp-Method") == method and request.headers.get("MCP-Protocol-Version") == MODERN
        names_right = method != "tools/call" or request.headers.get("Mcp-Name") == params["name"]
        if meta.get("io.modelcontextprotocol/protocolVersion") != MODERN or not headers_right or not names_right:
            return web.json_response(
                {"jsonrpc": "2.0", "id": message.get("id"), "error": {"code": -32020, "message": "headers"}}, status=400
            )
        if method == "server/discover":
            result: dict[str, Any] = {"supportedVersions": [MODERN], "capabilities": {"tools": {}}, "instructions": "Tracks issues."}
        else:
            result = await self.answer(method, params)
        result = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private", **result}
        return web.json_response({"jsonrpc": "2.0", "id": message["id"], "result": result})


class Legacy(Fake):
    """Speaks 2025-06-18 with sessions, answers with event streams, and forgets sessions when told to."""

    def __init__(self, tools: list[dict[str, Any]] | None = None, *, unknown_session_status: int = 404) -> None:
        super().__init__(tools)
        self.sessions: set[str] = set()
        self.opened = 0
        self.unknown_session_status = unknown_session_status

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.method != "POST":
            self.sessions.discard(request.headers.get("Mcp-Session-Id", ""))
            return web.Response(status=200 if request.method == "DELETE" else 405)
        message = await request.json()
        self.asked.append(message["method"])
        if request.headers.get("MCP-Protocol-Version") == MODERN:
            return web.json_response({"jsonrpc": "2.0", "id": None, "error": {"code": -32000, "message": "Bad version"}}, status=400)
        if message["method"] == "initialize":
            return self._initialize(message)
        if request.headers.get("Mcp-Session-Id") not in self.sessions:
            error = {"jsonrpc": "2.0", "id": None, "error": {"code": -32000, "message": "No valid session ID provided"}}
            return web.json_response(error, status=self.unknown_session_status)
        if "id" not in message:
            return web.Response(status=202)
        result = await self.answer(message["method"], message.get("params") or {})
        return await self._stream(request, {"jsonrpc": "2.0", "id": message["id"], "result": result})

    def _initialize(self, message: dict[str, Any]) -> web.Response:
        self.opened += 1
        session = f"session-{self.opened}"
        self.sessions.add(session)
        result = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": {"name": "old", "version": "1"}}
        return web.json_response({"jsonrpc": "2.0", "id": message["id"], "result": result}, headers={"Mcp-Session-Id": session})

    async def _stream(self, request: web.Request, message: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        notice = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "working"}}
        events = f": hello\r\n\r\nevent: message\r\ndata: {json.dumps(notice)}\r\n\r\nid: 7\r\ndata: {json.dumps(message)}\r\n\r\n".encode()
        for start in range(0, len(events), 97):
            await response.write(events[start : start + 97])
        return response


class Hanging(Fake):
    """Accepts and never answers."""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append("?")
        await asyncio.sleep(3600)
        raise AssertionError


class NotMcp(Fake):
    """A web page."""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append("?")
        return web.Response(text="<html>hello</html>", content_type="text/html")


class Failing(Fake):
    """An HTTP status for everything."""

    def __init__(self, status: int) -> None:
        super().__init__()
        self.status = status

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append("?")
        return web.json_response({"oops": True}, status=self.status)
