"""When a server is asked again what it offers."""

import asyncio

import pytest

from mcp_optimizer.upstream import upstream as module
from mcp_optimizer.upstream.wire import Reply

from .test_upstream import legacy, upstream


async def test_a_server_that_hung_when_it_was_first_asked_is_asked_again_after_the_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    # As if every attempt had taken for ever: only the backoff bounds what comes of that.
    monkeypatch.setattr(module, "REFRESH_SHARE", 1e9)
    monkeypatch.setattr(module, "REFRESH_SECONDS", 3600.0)
    wire = legacy()
    works, hung = wire.answers["tools_list"], asyncio.Event()

    def once(body: dict[str, object]) -> Reply:
        if hung.is_set():
            return works(body)
        hung.set()
        raise TimeoutError

    wire.answers |= {"tools_list": once, "notifications_cancelled": lambda body: Reply(202, None, {})}
    it = upstream(wire)
    it.start()
    async with asyncio.timeout(30):
        while it.error is not None:  # noqa: ASYNC110 -- what is waited for has no event
            await asyncio.sleep(0.01)
    assert hung.is_set()
    await it.stop()
