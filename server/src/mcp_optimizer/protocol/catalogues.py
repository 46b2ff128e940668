"""Handlers of resources, prompts and completion, and of the level of log messages."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    CompleteRequestParams,
    GetPromptRequestParams,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    SetLevelRequestParams,
    SubscribeRequestParams,
    UnsubscribeRequestParams,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from mcp_optimizer.cancellations import MAX_SESSION
from mcp_optimizer.errors import CallFailure
from mcp_optimizer.offers import Kind, Offers
from mcp_optimizer.paging import BadCursor
from mcp_optimizer.subscriptions import Sessions, check_length, served

from .client import Context, call_context, route_of
from .failures import error_of

LIST_TTL_MS: Final = 5_000
MAX_TTL_MS: Final = 86_400_000
COMPLETE: Final = {"resultType": "complete"}
"""Required on every result since 2026-07-28; the SDK leaves it out for older clients."""
Result = dict[str, Any]


def add_catalogues(server: Server[Any], offers: Offers, sessions: Sessions) -> None:
    """Register the handlers."""
    add_legacy_methods(server, offers, sessions)
    server.add_request_handler("resources/list", PaginatedRequestParams, _lists(offers, "resources"))
    server.add_request_handler("resources/templates/list", PaginatedRequestParams, _lists(offers, "resourceTemplates"))
    server.add_request_handler("prompts/list", PaginatedRequestParams, _lists(offers, "prompts"))

    async def read(ctx: Context, params: ReadResourceRequestParams) -> Result:
        try:
            result = await offers.read(params.uri, route_of(ctx), call_context(ctx, params))
        except CallFailure as failure:
            raise error_of(failure, modern=is_modern(ctx), uri=params.uri) from None
        return {**COMPLETE, **result, **_cache_hints(result)} if result.get("resultType") != "input_required" else result

    async def prompt(ctx: Context, params: GetPromptRequestParams) -> Result:
        try:
            return COMPLETE | await offers.prompt(params.name, params.arguments, route_of(ctx), call_context(ctx, params))
        except CallFailure as failure:
            raise error_of(failure, modern=is_modern(ctx)) from None

    async def complete(ctx: Context, params: CompleteRequestParams) -> Result:
        asked = params.model_dump(by_alias=True, mode="json", exclude_none=True, exclude={"meta"})
        try:
            return COMPLETE | await offers.complete(asked, route_of(ctx), call_context(ctx, params))
        except CallFailure as failure:
            raise error_of(failure, modern=is_modern(ctx)) from None

    server.add_request_handler("resources/read", ReadResourceRequestParams, read)
    server.add_request_handler("prompts/get", GetPromptRequestParams, prompt)
    server.add_request_handler("completion/complete", CompleteRequestParams, complete)


def add_legacy_methods(server: Server[Any], offers: Offers, sessions: Sessions) -> None:
    """Register what only clients up to 2025-11-25 ask for."""

    async def set_level(ctx: Context, params: SetLevelRequestParams) -> Result:
        """Every call of a legacy client brings the messages of its own server; no session keeps a level for later ones."""
        return {}

    async def subscribe(ctx: Context, params: SubscribeRequestParams) -> Result:
        try:
            check_length(params.uri, route_of(ctx))
            if not served(offers.offering(route_of(ctx), "resources"), params.uri, route_of(ctx)):
                raise MCPError(
                    code=INVALID_PARAMS, message="its server does not tell of changes, or there is none", data={"uri": params.uri}
                )
            sessions.subscribe(_session(ctx), params.uri)
        except CallFailure as failure:
            raise error_of(failure, modern=False) from None
        return {}

    async def unsubscribe(ctx: Context, params: UnsubscribeRequestParams) -> Result:
        sessions.unsubscribe(_session(ctx), params.uri)
        return {}

    server.add_request_handler("logging/setLevel", SetLevelRequestParams, set_level)
    server.add_request_handler("resources/subscribe", SubscribeRequestParams, subscribe)
    server.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, unsubscribe)


def _session(ctx: Context) -> str:
    session = ctx.request.headers.get("mcp-session-id", "") if ctx.request is not None else ""
    if not session:
        raise MCPError(code=INVALID_REQUEST, message="subscriptions need the Mcp-Session-Id that initialize gave")
    return str(session)[:MAX_SESSION]


def is_modern(ctx: Context) -> bool:
    """Whether the client speaks 2026-07-28 or later."""
    return ctx.protocol_version in MODERN_PROTOCOL_VERSIONS


def _cache_hints(result: Result) -> Result:
    """Those of the server; what it does not say is not ours to promise."""
    ttl, scope = result.get("ttlMs"), result.get("cacheScope")
    return {
        "ttlMs": ttl if type(ttl) is int and 0 <= ttl <= MAX_TTL_MS else 0,
        "cacheScope": scope if scope in ("public", "private") else "private",
    }


def _lists(offers: Offers, kind: Kind) -> Callable[[Context, PaginatedRequestParams], Awaitable[Result]]:
    async def answer(ctx: Context, params: PaginatedRequestParams) -> Result:
        try:
            listed = offers.listed(kind, route_of(ctx), params.cursor)
        except BadCursor as error:
            raise MCPError(code=INVALID_PARAMS, message=str(error)) from None
        except CallFailure as failure:
            raise error_of(failure, modern=is_modern(ctx)) from None
        return {**listed, **COMPLETE, "ttlMs": LIST_TTL_MS, "cacheScope": "public"}

    return answer
