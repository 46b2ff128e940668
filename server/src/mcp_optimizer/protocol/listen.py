"""`subscriptions/listen`: a stream on which a modern client hears of changes until it closes the stream, or the process ends."""

import contextlib
from typing import Any, Final

from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import (
    SUBSCRIPTION_ID_META_KEY,
    PromptsListChanged,
    ResourcesListChanged,
    ResourceUpdated,
    ServerEvent,
    ToolsListChanged,
    event_to_notification,
)
from mcp_types import (
    INVALID_PARAMS,
    SubscriptionFilter,
    SubscriptionsAcknowledgedNotification,
    SubscriptionsAcknowledgedNotificationParams,
    SubscriptionsListenRequestParams,
)

from mcp_optimizer.admission import as_stream
from mcp_optimizer.changes import MAX_URIS, Change, Changes, Subscriber
from mcp_optimizer.errors import CallFailure
from mcp_optimizer.invoke import Invoker
from mcp_optimizer.offers import features
from mcp_optimizer.rejection import BUSY
from mcp_optimizer.subscriptions import Watching, check_length, served

from .client import Context, route_of
from .failures import error_of

_EVENTS: Final[dict[str, ServerEvent]] = {
    "tools": ToolsListChanged(),
    "prompts": PromptsListChanged(),
    "resources": ResourcesListChanged(),
}


def add_listen(server: Server[Any], invoker: Invoker, changes: Changes) -> None:
    """Register the handler."""

    async def listen(ctx: Context, params: SubscriptionsListenRequestParams) -> dict[str, Any]:
        route, meta = route_of(ctx), {SUBSCRIPTION_ID_META_KEY: ctx.request_id}
        honoured = _honoured(params.notifications, invoker, route)
        subscriber = _subscriber(honoured, route)
        try:
            as_stream()
        except CallFailure as failure:
            raise MCPError(code=BUSY, message=failure.message) from None
        changes.add(subscriber)
        watching = Watching(subscriber, invoker)
        try:
            acknowledged = SubscriptionsAcknowledgedNotificationParams(notifications=honoured, _meta=meta)
            await ctx.session.send_notification(
                SubscriptionsAcknowledgedNotification(params=acknowledged), related_request_id=ctx.request_id
            )
            while changed := await subscriber.next():
                for change in changed:
                    await ctx.session.send_notification(event_to_notification(_event(change), meta), related_request_id=ctx.request_id)
        finally:
            changes.remove(subscriber)
            watching.close()
        return {"resultType": "complete", "_meta": meta}

    server.add_request_handler("subscriptions/listen", SubscriptionsListenRequestParams, listen)


def _honoured(wanted: SubscriptionFilter, invoker: Invoker, route: str | None) -> SubscriptionFilter:
    """What is delivered of what the client wants: no more than the route offers and its servers tell."""
    offered: set[str] = set()
    uris: list[str] = []
    try:
        for uri in wanted.resource_subscriptions or ():
            check_length(uri, route)
    except CallFailure as failure:
        raise error_of(failure, modern=True) from None
    with contextlib.suppress(CallFailure):
        snapshot = invoker.snapshot()
        offered = features(snapshot, route)
        if "resources" in offered:
            uris = [uri for uri in dict.fromkeys(wanted.resource_subscriptions or ()) if served(snapshot, uri, route)]
    if len(uris) > MAX_URIS:
        raise MCPError(
            code=INVALID_PARAMS, message=f"resourceSubscriptions has {len(uris)} entries, at most {MAX_URIS} per stream are served"
        )
    return SubscriptionFilter(
        tools_list_changed=wanted.tools_list_changed or None,
        prompts_list_changed=(wanted.prompts_list_changed or None) if "prompts" in offered else None,
        resources_list_changed=(wanted.resources_list_changed or None) if "resources" in offered else None,
        resource_subscriptions=uris or None,
    )


def _subscriber(honoured: SubscriptionFilter, route: str | None) -> Subscriber:
    flags = {
        "tools": honoured.tools_list_changed,
        "prompts": honoured.prompts_list_changed,
        "resources": honoured.resources_list_changed,
    }
    return Subscriber(route, [name for name, wanted in flags.items() if wanted], honoured.resource_subscriptions or ())  # type: ignore[misc]


def _event(change: Change) -> ServerEvent:
    return _EVENTS[change[1]] if change[0] == "list" else ResourceUpdated(uri=change[1])
