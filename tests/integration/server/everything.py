"""A server made with the official SDK that offers everything the protocol has, hosted as a modern or as a legacy-only one."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any, Literal

import uvicorn
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp_types import (
    Completion,
    ElicitRequest,
    ElicitRequestFormParams,
    InputRequiredResult,
    LoggingMessageNotification,
    LoggingMessageNotificationParams,
)

from tests.integration.server.harness import eventually

Era = Literal["modern", "legacy"]
MODERN = b"2026-07-28"
NAME_FORM = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


class Everything:
    """The server and what happened to it."""

    def __init__(self, era: Era) -> None:
        self.era = era
        self.url = ""
        self.cancelled = 0
        self.running = 0
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.notes = {"a": "first"}
        self.sessions: set[Any] = set()
        self.server = self._build()
        self.app = self.server.streamable_http_app()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """ASGI: a legacy-only server knows no such version."""
        if scope["type"] == "http":
            headers = dict(scope["headers"])
            self.requests.append((scope["method"], {key.decode(): value.decode() for key, value in headers.items()}))
            if self.era == "legacy" and headers.get(b"mcp-protocol-version") == MODERN:
                body = b'{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Bad Request: Unsupported protocol version"}}'
                await send({"type": "http.response.start", "status": 400, "headers": [(b"content-type", b"application/json")]})
                await send({"type": "http.response.body", "body": body})
                return
        await self.app(scope, receive, send)

    def _build(self) -> MCPServer:
        server = MCPServer("everything")
        server.tool()(self.work)
        server.tool()(self.slow)
        server.tool()(self.greet)
        server.tool()(self.touch)
        server.tool()(self.link)
        server.resource("memo://notes/a", name="a", mime_type="text/plain")(lambda: self.notes["a"])
        server.resource("memo://any/{name}", name="any")(lambda name: f"note {name}")

        @server.prompt()
        def letter(to: str) -> str:
            """A letter."""
            return f"Write to {to}."

        @server.completion()
        async def complete(ref: Any, argument: Any, context: Any) -> Completion:
            return Completion(values=[f"{argument.value}-{getattr(ref, 'name', None) or ref.uri}"])

        return server

    async def work(self, ctx: Context[Any, Any], steps: int = 2) -> str:
        """Works in steps and says so."""
        for step in range(1, steps + 1):
            await ctx.report_progress(step, steps, f"step {step}")
        params = LoggingMessageNotificationParams(level="warning", data={"steps": steps}, logger="worker")
        if self.era == "legacy" or self._wants_logs(ctx):
            await ctx.session.send_notification(
                LoggingMessageNotification(params=params), related_request_id=ctx.request_context.request_id
            )
        return "done"

    @staticmethod
    def _wants_logs(ctx: Context[Any, Any]) -> bool:
        meta = (ctx.request_context.params or {}).get("_meta") or {}
        return "io.modelcontextprotocol/logLevel" in meta

    async def slow(self) -> str:
        """Takes for ever."""
        self.running += 1
        try:
            await asyncio.sleep(3600)
        except BaseException:
            self.cancelled += 1
            raise
        return "never"

    async def greet(self, ctx: Context[Any, Any]) -> Any:
        """Asks for a name first."""
        answers = ctx.input_responses or {}
        if "who" not in answers:
            form = ElicitRequestFormParams(message="Your name?", requested_schema=NAME_FORM)
            return InputRequiredResult(input_requests={"who": ElicitRequest(params=form)}, request_state="asked once")
        return f"Hello {answers['who'].content['name']}, {ctx.request_state}"

    async def touch(self, ctx: Context[Any, Any], text: str) -> str:
        """Changes a note, and adds a tool."""
        self.notes["a"] = text
        if self.era == "modern":
            await ctx.notify_resource_updated("memo://notes/a")
        self.server.add_tool(self.slow, name=f"slow_{text}")
        if self.era == "modern":
            await ctx.notify_tools_changed()
        return "touched"

    async def link(self) -> Any:
        """Points at a note."""
        from mcp_types import ResourceLink

        return [ResourceLink(type="resource_link", uri="memo://notes/a", name="a")]


@contextlib.asynccontextmanager
async def hosting(era: Era) -> AsyncIterator[Everything]:
    """The server on a free port."""
    everything = Everything(era)
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    config = uvicorn.Config(everything, log_config=None, ws="none", timeout_graceful_shutdown=1, lifespan="off")
    listener = uvicorn.Server(config)
    listener.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
    async with everything.server.session_manager.run():
        task = asyncio.create_task(listener.serve([sock]))
        await eventually(lambda: listener.started)
        everything.url = f"http://127.0.0.1:{sock.getsockname()[1]}/mcp"
        try:
            yield everything
        finally:
            listener.should_exit = True
            await task
