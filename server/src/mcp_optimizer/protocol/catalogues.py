"""Handlers of resources, prompts and completion, and of the level of log messages."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    CompleteRequestParams,
    GetPromptRequestParams,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    SetLevelRequestParams,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from mcp_optimizer.errors import CallFailure
from mcp_optimizer.offers import Kind, Offers
from mcp_optimizer.paging import BadCursor

from .client import Context, call_context, route_of
from .failures import error_of

LIST_TTL_MS: Final = 5_000
COMPLETE: Final = {"resultType": "complete"}
"""Required on every result since 2026-07-28; the SDK leaves it out for older clients."""
Result = dict[str, Any]


def add_catalogues(server: Server[Any], offers: Offers) -> None:
    """Register the handlers."""
    server.add_request_handler("resources/list", PaginatedRequestParams, _lists(offers, "resources"))
    server.add_request_handler("resources/templates/list", PaginatedRequestParams, _lists(offers, "resourceTemplates"))
    server.add_request_handler("prompts/list", PaginatedRequestParams, _lists(offers, "prompts"))

    async def read(ctx: Context, params: ReadResourceRequestParams) -> Result:
        try:
            result = await offers.read(params.uri, route_of(ctx), call_context(ctx, params))
        except CallFailure as failure:
            raise error_of(failure, modern=is_modern(ctx), uri=params.uri) from None
        # What a server does not say about caching is not ours to promise.
        return {"ttlMs": 0, "cacheScope": "private", **result} if result.get("resultType") != "input_required" else result

    async def prompt(ctx: Context, params: GetPromptRequestParams) -> Result:
        try:
            return await offers.prompt(params.name, params.arguments, route_of(ctx), call_context(ctx, params))
        except CallFailure as failure:
            raise error_of(failure, modern=is_modern(ctx)) from None

    async def complete(ctx: Context, params: CompleteRequestParams) -> Result:
        asked = params.model_dump(by_alias=True, mode="json", exclude_none=True, exclude={"meta"})
        try:
            return await offers.complete(asked, route_of(ctx), call_context(ctx, params))
        except CallFailure as failure:
            raise error_of(failure, modern=is_modern(ctx)) from None

    async def set_level(ctx: Context, params: SetLevelRequestParams) -> Result:
        """Every call of a legacy client brings the messages of its own server; no session keeps a level for later ones."""
        return {}

    server.add_request_handler("resources/read", ReadResourceRequestParams, read)
    server.add_request_handler("prompts/get", GetPromptRequestParams, prompt)
    server.add_request_handler("completion/complete", CompleteRequestParams, complete)
    server.add_request_handler("logging/setLevel", SetLevelRequestParams, set_level)


def is_modern(ctx: Context) -> bool:
    """Whether the client speaks 2026-07-28 or later."""
    return ctx.protocol_version in MODERN_PROTOCOL_VERSIONS


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
