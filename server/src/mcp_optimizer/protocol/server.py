"""MCP on the wire: the official low-level server, stateless, both protocol eras on one endpoint."""

from collections.abc import Awaitable, Callable
from typing import Any

from mcp.server.caching import CacheHint
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, CallToolRequestParams, PaginatedRequestParams

from mcp_optimizer.changes import Changes
from mcp_optimizer.context import CallContext
from mcp_optimizer.endpoint import Endpoint, UnknownTool
from mcp_optimizer.errors import CallFailure
from mcp_optimizer.invoke import Invoker
from mcp_optimizer.lane import OnOutput
from mcp_optimizer.offers import Offers
from mcp_optimizer.paging import BadCursor
from mcp_optimizer.stages import READ
from mcp_optimizer.state.tasks import Tasks
from mcp_optimizer.subscriptions import Sessions
from mcp_optimizer_api.limits import LARGEST_REQUEST

from .capabilities import add_capabilities
from .catalogues import COMPLETE, LIST_TTL_MS, add_catalogues, is_modern
from .client import Context, call_context, route_of
from .failures import error_of
from .hosted import Hosted
from .listen import add_listen
from .progress import reporting
from .tasks import call_as_task, declares_tasks, serve_tasks

VERSION = "0.1.0"
META_TTL_MS = 60_000


def build_server(endpoint: Endpoint, invoker: Invoker, tasks: Tasks, changes: Changes, sessions: Sessions) -> Server[Any]:
    """The MCP server that answers through `endpoint` and, for what is relayed, `invoker`.

    Calls that take long become `tasks`; `changes` feeds the streams, `sessions` hold what legacy clients subscribe to.
    """

    async def list_tools(ctx: Context, params: PaginatedRequestParams) -> dict[str, Any]:
        try:
            result = endpoint.list_tools(params.cursor, route_of(ctx))
        except BadCursor as error:
            raise MCPError(code=INVALID_PARAMS, message=str(error)) from None
        return list_hints(endpoint, result)

    # Without get_tool_input_schema the SDK walks tools/list on every call of a modern client.
    hints: dict[Any, CacheHint] = {"server/discover": CacheHint(ttl_ms=META_TTL_MS, scope="public")}
    server: Server[Any] = Server("mcp-optimizer", version=VERSION, get_tool_input_schema=endpoint.input_schema, cache_hints=hints)
    _switch_off_sdk_spans(server)
    server.add_request_handler("tools/list", PaginatedRequestParams, list_tools)
    server.add_request_handler("tools/call", CallToolRequestParams, _call_tool(endpoint, invoker, tasks))
    add_catalogues(server, Offers(invoker, endpoint.artifacts), sessions)
    add_capabilities(server, invoker)
    serve_tasks(server, tasks)
    add_listen(server, invoker, changes)
    return server


def _call_tool(endpoint: Endpoint, invoker: Invoker, tasks: Tasks) -> Callable[[Context, CallToolRequestParams], Awaitable[dict[str, Any]]]:
    async def call_tool(ctx: Context, params: CallToolRequestParams) -> dict[str, Any]:
        async def call(context: CallContext, progress: OnOutput | None) -> dict[str, Any]:
            try:
                result = await endpoint.call_tool(params.name, params.arguments or {}, context, progress, route_of(ctx))
            except UnknownTool as error:
                raise MCPError(code=INVALID_PARAMS, message=str(error)) from None
            except CallFailure as failure:
                raise error_of(failure, modern=is_modern(ctx)) from None
            return {**COMPLETE, **result}

        context = call_context(ctx, params)
        endpoint.parsed(ctx.request.scope.get(READ) if ctx.request is not None else None)

        async def answer(progress: OnOutput | None) -> dict[str, Any]:
            if declares_tasks(context.client_capabilities):
                return await call_as_task(tasks, call, context, progress, invoker.memory)
            return await call(context, progress)

        return await reporting(ctx.session if context.progress else None, answer)

    return call_tool


def list_hints(endpoint: Endpoint, result: dict[str, Any]) -> dict[str, Any]:
    """A list of tools with what a modern client must know about it: that it is complete, and how long it holds."""
    return {**result, **COMPLETE, "ttlMs": LIST_TTL_MS if endpoint.lists_real_tools() else META_TTL_MS, "cacheScope": "public"}


def _switch_off_sdk_spans(server: Server[Any]) -> None:
    """They know one step of a request only; ours are in `tracing`."""
    server.middleware = [layer for layer in server.middleware if type(layer).__name__ != "OpenTelemetryMiddleware"]


def build_hosted(server: Server[Any]) -> Hosted:
    """The ASGI side: stateless, able to stream. Host and Origin are the gate's business."""
    streams, plain = (
        StreamableHTTPSessionManager(app=server, stateless=True, json_response=json, max_request_body_size=LARGEST_REQUEST)
        for json in (False, True)
    )
    return Hosted(streams, plain)
