"""What a client said about a call, and the way back to it while the call runs."""

from collections.abc import Mapping
from typing import Any, Final

from mcp.server.context import ServerRequestContext
from mcp_types import (
    LoggingMessageNotification,
    LoggingMessageNotificationParams,
    RequestParams,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from mcp_optimizer.context import NOTHING, CallContext, OnNotification
from mcp_optimizer.routes import ROUTE

TRACE_KEYS: Final = ("traceparent", "tracestate", "baggage")
MAX_TRACE: Final = 512
LEGACY_LOG_LEVEL: Final = "info"
"""A legacy client sets its level for a session; this endpoint has none, so its calls bring what servers say by default."""
_META: Final = "io.modelcontextprotocol/"

Context = ServerRequestContext[Any, Any]


def call_context(ctx: Context, params: RequestParams) -> CallContext:
    """The context of the request that `ctx` serves."""
    raw = (ctx.params or NOTHING).get("_meta")
    meta: Mapping[str, Any] = raw if isinstance(raw, Mapping) else NOTHING
    modern = ctx.protocol_version in MODERN_PROTOCOL_VERSIONS
    progress = meta.get("progressToken") is not None
    log_level = meta.get(_META + "logLevel") if modern else LEGACY_LOG_LEVEL
    capabilities = meta.get(_META + "clientCapabilities") if modern else None
    answers = (ctx.params or NOTHING).get("inputResponses") if modern else None
    return CallContext(
        on_notification=_notifier(ctx) if progress or log_level is not None else None,
        progress=progress,
        log_level=log_level,
        own_names=route_of(ctx) is not None,
        client_capabilities=capabilities if isinstance(capabilities, Mapping) else None,
        input_responses=answers if isinstance(answers, Mapping) else None,
        request_state=getattr(params, "request_state", None) if modern else None,
        trace=trace_of(meta) or trace_of(_sent_headers(ctx)),
    )


def route_of(ctx: Context) -> str | None:
    """The server whose own route the request came by; None on the endpoint of all."""
    server: str | None = ctx.request.scope.get(ROUTE) if ctx.request is not None else None
    return server


def _notifier(ctx: Context) -> OnNotification:
    """Sends notifications on the response stream of the request; the SDK puts the client's own progress token in."""

    async def notify(method: str, params: dict[str, Any]) -> None:
        if method == "notifications/progress":
            await ctx.session.report_progress(params["progress"], params.get("total"), params.get("message"))
        elif method == "notifications/message":
            message = LoggingMessageNotification(params=LoggingMessageNotificationParams(**params))
            await ctx.session.send_notification(message, related_request_id=ctx.request_id)

    return notify


def _sent_headers(ctx: Context) -> Mapping[str, Any]:
    """Where clients and proxies that know nothing of `_meta` say what trace a request belongs to."""
    return ctx.request.headers if ctx.request is not None else NOTHING


def trace_of(meta: Mapping[str, Any]) -> Mapping[str, str] | None:
    """The trace context in a request's `_meta`, or in its headers."""
    found = {key: meta[key] for key in TRACE_KEYS if isinstance(meta.get(key), str) and 0 < len(meta[key]) <= MAX_TRACE}
    return found or None
