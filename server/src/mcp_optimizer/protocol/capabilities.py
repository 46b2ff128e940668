"""What the endpoint says it can do: all of it depends on the route and the mode, and the SDK's own answer knows neither."""

from typing import Any

from mcp.server.context import CallNext, HandlerResult
from mcp.server.lowlevel import Server
from mcp_types import RequestParams
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from mcp_optimizer.errors import NOT_FOUND, CallFailure
from mcp_optimizer.invoke import Invoker
from mcp_optimizer.offers import features, offers_artifacts
from mcp_optimizer.subscriptions import tells

from .catalogues import COMPLETE
from .client import Context, route_of
from .failures import error_of
from .tasks import EXTENSION as TASKS


def add_capabilities(server: Server[Any], invoker: Invoker) -> None:
    """Answer `server/discover` and complete the answer to `initialize`."""

    async def discover(ctx: Context, params: RequestParams) -> dict[str, Any]:
        return {
            **COMPLETE,
            "supportedVersions": list(MODERN_PROTOCOL_VERSIONS),
            "capabilities": _capabilities(invoker, route_of(ctx), modern=True),
        }

    async def initialize(ctx: Context, call_next: CallNext) -> HandlerResult:
        result = await call_next(ctx)
        if ctx.method != "initialize" or not isinstance(result, dict):
            return result
        return {**result, "capabilities": _capabilities(invoker, route_of(ctx), modern=False)}

    server.add_request_handler("server/discover", RequestParams, discover)
    server.middleware.append(initialize)


def _capabilities(invoker: Invoker, route: str | None, *, modern: bool) -> dict[str, Any]:
    """Legacy clients hear of changes in direct mode: in the others hardly anything changes that they see, and each would hold a stream."""
    try:
        snapshot = invoker.snapshot()
        artifacts = offers_artifacts(snapshot, route)
        offered, direct = features(snapshot, route), snapshot.config.mode == "mcp_only"
        offers = [offer for upstream, offer in snapshot.servers if route in (None, upstream.name)]
    except CallFailure as failure:
        if failure.code == NOT_FOUND:  # the route is gone
            raise error_of(failure, modern=modern) from None
        offered, direct, offers, artifacts = set(), False, [], False
    changes = {"listChanged": True} if modern or direct else {}
    found: dict[str, Any] = {"tools": changes}
    if "resources" in offered:
        found["resources"] = {**changes, **({"subscribe": True} if any(map(tells, offers)) else {})}
    elif artifacts:
        found["resources"] = {}
    if "prompts" in offered:
        found["prompts"] = changes
    if modern:
        found["extensions"] = {TASKS: {}}
    return {**found, **{name: {} for name in ("completions", "logging") if name in offered}}
