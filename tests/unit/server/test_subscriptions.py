"""What clients listen to: bounded, and nobody's made-up names cost others what they hear."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import SubscriptionFilter

from mcp_optimizer.errors import NOT_FOUND, CallFailure
from mcp_optimizer.invoke import Invoker
from mcp_optimizer.offers import features
from mcp_optimizer.protocol.capabilities import _capabilities
from mcp_optimizer.protocol.listen import _honoured
from mcp_optimizer.snapshot import Snapshot
from mcp_optimizer.subscriptions import MAX_SESSIONS, Sessions, Watching, check_length
from mcp_optimizer.upstream.connection import Connection
from mcp_optimizer.upstream.dialect import Dialect
from mcp_optimizer.upstream.extras import MAX_KEY
from mcp_optimizer.upstream.watch import MAX_WATCHED, Watch

DIRECT = cast(Snapshot, SimpleNamespace(config=SimpleNamespace(mode="mcp_only"), offers={}, servers=()))
INVOKER = cast(Invoker, SimpleNamespace(snapshot=lambda: DIRECT))


def test_a_uri_longer_than_any_that_is_listed_is_refused() -> None:
    longest = "x" * MAX_KEY
    check_length(longest, "it")
    check_length(f"it+{longest}", None)
    for uri, route in ((f"{longest}x", "it"), (f"it+{longest}x", None)):
        with pytest.raises(CallFailure, match="at most 2048"):
            check_length(uri, route)
        with pytest.raises(MCPError, match="at most 2048"):
            _honoured(SubscriptionFilter(resource_subscriptions=[uri]), INVOKER, route)


def test_streams_of_sessions_that_nobody_knows_push_out_no_subscription() -> None:
    sessions, added = Sessions(), list[str]()
    sessions.subscribe("real", "file:a")
    stream: Any = SimpleNamespace(add=added.append)
    for number in range(MAX_SESSIONS + 1):
        sessions.opened(f"made up {number}", cast(Watching, stream))
    assert sessions.uris("real") == {"file:a"}
    sessions.subscribe("made up 7", "file:b")
    sessions.closed("made up 7", stream)
    sessions.subscribe("made up 7", "file:c")
    assert added == ["file:b"]


async def test_uris_that_sort_low_silence_none_that_came_before() -> None:
    watch = Watch(cast(Connection, None), lambda uri: None)
    for uri in ("zebra", *(f"a{number}" for number in range(MAX_WATCHED))):
        watch.add(uri)
    wanted = watch._wanted(Dialect(True, "2026-07-28", capabilities={"resources": {"subscribe": True}}))["resourceSubscriptions"]
    assert "zebra" in wanted
    assert len(wanted) == MAX_WATCHED


def test_a_server_that_went_while_a_request_waited_is_no_route() -> None:
    with pytest.raises(CallFailure, match="no server 'gone' is federated here") as caught:
        features(DIRECT, "gone")
    assert caught.value.code == NOT_FOUND
    with pytest.raises(MCPError, match="no server 'gone'"):
        _capabilities(INVOKER, "gone", modern=True)
    assert _capabilities(INVOKER, None, modern=False) == {"tools": {"listChanged": True}}
