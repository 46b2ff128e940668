"""Against the official SDK's own server, in both of its ways to be hosted, and catalogues of hundreds of tools."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from mcp import Client
from mcp.server import MCPServer
from mcp.shared.exceptions import MCPError

from tests.integration.server.conftest import Start
from tests.integration.server.harness import eventually, serving, write_config
from tests.integration.server.upstreams import TOOLS, Modern

pytestmark = pytest.mark.integration


@pytest.fixture(params=["stateful", "stateless"])
async def sdk_server(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """URL of a server made with the official SDK."""
    server = MCPServer("sdk")

    @server.tool()
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    app = server.streamable_http_app(stateless_http=request.param == "stateless")
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    listener = uvicorn.Server(uvicorn.Config(app, log_config=None, ws="none", timeout_graceful_shutdown=1))
    listener.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
    task = asyncio.create_task(listener.serve([sock]))
    await eventually(lambda: listener.started)
    yield f"http://127.0.0.1:{sock.getsockname()[1]}/mcp"
    listener.should_exit = True
    await task


@pytest.mark.parametrize("era", ["legacy", "2026-07-28"])
async def test_tools_of_the_official_server_are_found_checked_and_called(sdk_server: str, tmp_path: Path, era: Any) -> None:
    write_config(tmp_path / "config.json", {"sdk": sdk_server})
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(1)
        async with Client(server.url, mode=era) as client:
            hits = await client.call_tool("discover", {"query": "sum of two numbers"})
            assert hits.content[0].text == "sdk.add(a: int, b: int): Add two numbers"  # type: ignore[union-attr]
            result = await client.call_tool("execute", {"tool": "sdk.add", "arguments": {"a": 2, "b": 3}})
            assert (result.content[0].text, result.structured_content, result.is_error) == ("5", None, False)  # type: ignore[union-attr]
            assert (await client.call_tool("execute", {"tool": "sdk.add", "arguments": {"a": "x", "b": 3}})).is_error


async def test_a_large_catalogue_is_listed_page_by_page_in_a_stable_order(start: Start, tmp_path: Path) -> None:
    many = [{"name": f"tool_{number:04}", "inputSchema": {"type": "object"}} for number in range(1203)]
    one, two = await start(Modern(many)), await start(Modern(TOOLS))
    write_config(tmp_path / "config.json", {"one": one.url, "two": two.url}, mode="mcp_only")
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(len(many) + len(TOOLS))
        async with Client(server.url) as client:
            names: list[str] = []
            cursor: str | None = None
            for _ in range(10):
                page = await client.list_tools(cursor=cursor)
                names += [tool.name for tool in page.tools]
                if (cursor := page.next_cursor) is None:
                    break
            assert names == [f"one.{tool['name']}" for tool in many] + sorted(f"two.{tool['name']}" for tool in TOOLS)
            with pytest.raises(MCPError, match="cursor"):
                await client.list_tools(cursor="nonsense")


async def test_discover_shows_servers_hits_and_schemas(start: Start, tmp_path: Path) -> None:
    modern = await start(Modern())
    write_config(tmp_path / "config.json", {"it": modern.url, "gone": "http://127.0.0.1:9/mcp"})
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(len(TOOLS))
        await eventually(lambda: "reached" in (server.process.federation.stats()[0].error or ""))
        async with Client(server.url) as client:

            async def discover(**arguments: Any) -> str:
                return str((await client.call_tool("discover", arguments)).content[0].text)  # type: ignore[union-attr]

            servers = (await discover()).splitlines()
            assert servers[0].startswith("gone (not available: cannot be reached")
            assert servers[1] == f"it ({len(TOOLS)} tools, 172 tokens): Tracks issues"
            assert servers[2] == f"all: {len(TOOLS)} tools, 176 tokens of schemas: load_all (ids: the servers, detail: schema)"
            assert '"inputSchema":{"type":"object","properties":{"city"' in await discover(ids=["it.weather"])
            assert (await discover(query="weather", detail="schema")).startswith('{"id":"it.weather","description":')
            assert [line.split()[0] for line in (await discover(query="issue message error weather", limit=1)).splitlines()][1:] == [
                "more:"
            ]
            assert (await discover(query="zeppelin")).startswith("No tool matches.")
            assert '"code":404' in await discover(ids=["it.wether"])
            good, bad = (await discover(ids=["it.weather", "it.wether"])).splitlines()
            assert good.startswith('{"id":"it.weather"') and bad.startswith('{"code":404,"message":"no tool \'it.wether\'')
            assert (await discover(ids=["it.weather", "a.b", "a.c", "a.d", "a.e"])).startswith('{"code":404')
            assert '"code":400' in await discover(query="x", limit=0)
            assert '"code":400' in await discover(query=7)
