"""The check against servers built with the official SDK, in its stateful, stateless, JSON and event-stream forms."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
import uvicorn
from mcp.server.mcpserver import MCPServer

from mcp_operator.verify import MODERN, Era, Outcome, check


@asynccontextmanager
async def serving(**options: Any) -> AsyncIterator[str]:
    server = MCPServer("sdk server")

    @server.tool()
    def add(left: int, right: int) -> int:
        """Add two numbers."""
        return left + right

    config = uvicorn.Config(server.streamable_http_app(**options), host="127.0.0.1", port=0, log_level="error", lifespan="on")
    runner = uvicorn.Server(config)
    task = asyncio.create_task(runner.serve())
    while not runner.started:  # noqa: ASYNC110 (uvicorn offers a flag only)
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{runner.servers[0].sockets[0].getsockname()[1]}/mcp"
    finally:
        runner.should_exit = True
        await task


@pytest.mark.parametrize("stateless", [True, False])
@pytest.mark.parametrize("plain", [True, False], ids=["json", "event-stream"])
@pytest.mark.parametrize("era", [None, Era.LEGACY])
async def test_a_server_of_the_official_sdk_is_verified(stateless: bool, plain: bool, era: Era | None) -> None:
    async with serving(stateless_http=stateless, json_response=plain) as url, aiohttp.ClientSession() as http:
        found = await check(http, url, era=era)
    assert found.outcome == Outcome.VERIFIED, found.message
    assert (found.count, found.server_name) == (1, "sdk server")
    assert (found.protocol_version == MODERN) is (era is None)
