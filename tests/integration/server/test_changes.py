"""Who hears of what: changed lists and resources, from servers of both eras to clients of both."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from mcp import Client
from mcp.shared.subscriptions import ResourceUpdated, ToolsListChanged

from tests.integration.server.conftest import Start
from tests.integration.server.everything import hosting
from tests.integration.server.harness import Running, eventually, serving, write_config
from tests.integration.server.upstreams import TOOLS, Legacy

pytestmark = pytest.mark.integration
EVERYTHING = 5


class Talkative(Legacy):
    """A legacy server with a stream of its session, on which the test speaks."""

    def __init__(self) -> None:
        super().__init__()
        self.subscribed: set[str] = set()
        self.said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.listening = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.method != "GET":
            return await super().handle(request)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        self.listening += 1
        while True:
            message = {"jsonrpc": "2.0", **await self.said.get()}
            await response.write(f"data: {json.dumps(message)}\n\n".encode())

    def _initialize(self, message: dict[str, Any]) -> web.Response:
        response = super()._initialize(message)
        body = json.loads(response.text or "")
        body["result"]["capabilities"] = {"tools": {"listChanged": True}, "resources": {"subscribe": True}}
        response.text = json.dumps(body)
        return response

    async def answer(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        if method == "resources/list":
            return {"resources": [{"uri": "memo://a", "name": "a"}]}
        if method == "resources/templates/list":
            return {"resourceTemplates": []}
        if method.startswith("resources/"):
            (self.subscribed.add if method == "resources/subscribe" else self.subscribed.discard)(params["uri"])
            return {}
        return await super().answer(method, params)


@contextlib.asynccontextmanager
async def legacy_stream(server: Running, session: str) -> AsyncIterator[asyncio.Queue[dict[str, Any]]]:
    """What a legacy client hears on the stream of its session."""
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def read(response: aiohttp.ClientResponse) -> None:
        async for line in response.content:
            if line.startswith(b"data: "):
                heard.put_nowait(json.loads(line[6:]))

    headers = {"Accept": "text/event-stream", "Mcp-Session-Id": session, "MCP-Protocol-Version": "2025-11-25"}
    async with aiohttp.ClientSession() as client, client.get(server.url, headers=headers) as response:
        assert response.status == 200 and response.headers["X-Accel-Buffering"] == "no"
        reading = asyncio.create_task(read(response))
        try:
            yield heard
        finally:
            reading.cancel()


async def legacy_post(server: Running, session: str, method: str, **params: Any) -> tuple[aiohttp.ClientResponse, str]:
    headers = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-11-25"}
    if session:
        headers["Mcp-Session-Id"] = session
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    async with aiohttp.ClientSession() as client, client.post(server.url, json=body, headers=headers) as response:
        return response, await response.text()


async def heard_by(subscription: Any, kind: Any) -> Any:
    async with asyncio.timeout(30):
        async for event in subscription:
            if isinstance(event, kind):
                return event
    raise AssertionError("the stream ended")


@pytest.mark.parametrize("route", ["", "/it"])
async def test_a_modern_client_hears_of_changed_tools_and_resources(tmp_path: Path, route: str) -> None:
    uri = "memo://notes/a" if route else "it+memo://notes/a"
    async with hosting("modern") as it:
        write_config(tmp_path / "config.json", {"it": it.url}, mode="mcp_only")
        async with serving(tmp_path / "config.json") as server:
            await server.tools_ready(EVERYTHING)
            watch = server.process.federation.snapshot.offers["it"][0].watch  # type: ignore[union-attr]
            async with Client(server.url + route) as client:
                async with client.listen(tools_list_changed=True, resource_subscriptions=[uri]) as subscription:
                    await eventually(lambda: watch.hears("memo://notes/a"))
                    await client.call_tool("touch" if route else "it.touch", {"text": "second"})
                    assert (await heard_by(subscription, ResourceUpdated)).uri == uri
                    await heard_by(subscription, ToolsListChanged)
                await server.tools_ready(EVERYTHING + 1)
                await eventually(lambda: not watch.hears("memo://notes/a"))


async def test_a_legacy_server_is_subscribed_to_for_a_modern_client_and_read_anew_when_it_says_so(start: Start, tmp_path: Path) -> None:
    old = Talkative()
    await start(old)
    write_config(tmp_path / "config.json", {"old": old.url}, mode="mcp_only")
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(len(TOOLS))
        async with Client(server.url) as client:
            async with client.listen(tools_list_changed=True, resource_subscriptions=["old+memo://a"]) as subscription:
                await eventually(lambda: old.subscribed == {"memo://a"} and old.listening == 1)
                for uri in ("memo://other", "memo://a"):
                    old.said.put_nowait({"method": "notifications/resources/updated", "params": {"uri": uri}})
                assert (await heard_by(subscription, ResourceUpdated)).uri == "old+memo://a"
                old.tools = [*TOOLS, {"name": "new", "inputSchema": {"type": "object"}}]
                old.said.put_nowait({"method": "notifications/tools/list_changed"})
                await heard_by(subscription, ToolsListChanged)
                assert "old.new" in {tool.name for tool in (await client.list_tools(cache_mode="bypass")).tools}
            await eventually(lambda: not old.subscribed)


async def test_a_legacy_client_hears_of_changes_on_the_stream_of_its_session(start: Start, tmp_path: Path) -> None:
    old = Talkative()
    await start(old)
    write_config(tmp_path / "config.json", {"old": old.url}, mode="mcp_only")
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(len(TOOLS))
        info = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
        session = (await legacy_post(server, "", "initialize", **info))[0].headers["Mcp-Session-Id"]
        await legacy_post(server, session, "resources/subscribe", uri="old+memo://a")
        assert "need the Mcp-Session-Id" in (await legacy_post(server, "", "resources/subscribe", uri="old+memo://a"))[1]
        async with legacy_stream(server, session) as mine, legacy_stream(server, "another") as others:
            await eventually(lambda: old.subscribed == {"memo://a"})
            old.said.put_nowait({"method": "notifications/resources/updated", "params": {"uri": "memo://a"}})
            old.tools = TOOLS[1:]
            async with asyncio.timeout(30):
                heard = await mine.get()
                assert (heard["method"], heard["params"]) == ("notifications/resources/updated", {"uri": "old+memo://a"})
                old.said.put_nowait({"method": "notifications/tools/list_changed"})
                assert (await mine.get())["method"] == (await others.get())["method"] == "notifications/tools/list_changed"
            await legacy_post(server, session, "resources/unsubscribe", uri="old+memo://a")
            await eventually(lambda: not old.subscribed)


async def test_a_stream_goes_on_when_its_server_moves_to_another_url(start: Start, tmp_path: Path) -> None:
    here, there = Talkative(), Talkative()
    await start(here)
    await start(there)
    write_config(tmp_path / "config.json", {"it": here.url}, mode="mcp_only")
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(len(TOOLS))
        async with Client(server.url) as client, client.listen(resource_subscriptions=["it+memo://a"]) as subscription:
            await eventually(lambda: here.subscribed == {"memo://a"})
            write_config(tmp_path / "config.json", {"it": there.url}, mode="mcp_only")
            await eventually(lambda: there.subscribed == {"memo://a"} and there.listening == 1)
            there.said.put_nowait({"method": "notifications/resources/updated", "params": {"uri": "memo://a"}})
            assert (await heard_by(subscription, ResourceUpdated)).uri == "it+memo://a"


async def test_nothing_is_promised_that_the_server_does_not_tell(start: Start, tmp_path: Path) -> None:
    class Silent(Talkative):
        def _initialize(self, message: dict[str, Any]) -> web.Response:
            response = super()._initialize(message)
            response.text = (response.text or "").replace('"subscribe": true', '"subscribe": false')
            return response

    old = Silent()
    await start(old)
    write_config(tmp_path / "config.json", {"old": old.url}, mode="mcp_only")
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(len(TOOLS))
        async with Client(server.url) as client:
            assert client.server_capabilities.resources is not None and not client.server_capabilities.resources.subscribe
            async with client.listen(tools_list_changed=True, resource_subscriptions=["old+memo://a"]) as subscription:
                assert subscription.honored.resource_subscriptions is None
        assert "does not tell of changes" in (await legacy_post(server, "s", "resources/subscribe", uri="old+memo://a"))[1]


async def test_a_server_that_says_all_the_time_that_it_changed_is_not_read_all_the_time(start: Start, tmp_path: Path) -> None:
    old = Talkative()
    await start(old)
    write_config(tmp_path / "config.json", {"old": old.url})
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(len(TOOLS))
        await eventually(lambda: old.listening == 1)
        before = old.asked.count("tools/list")
        for _ in range(500):
            old.said.put_nowait({"method": "notifications/tools/list_changed"})
        await eventually(lambda: old.said.empty() and old.asked.count("tools/list") > before)
        assert old.asked.count("tools/list") - before <= 8, "two pages a reading, and a reading a second"


async def test_streams_end_last_and_with_a_result_when_the_process_ends(start: Start, tmp_path: Path) -> None:
    old = Talkative()
    await start(old)
    write_config(tmp_path / "config.json", {"old": old.url}, mode="mcp_only")
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(len(TOOLS))
        old.delay = 1.0
        meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
        params = {"notifications": {"toolsListChanged": True, "promptsListChanged": True}, "_meta": meta}
        body = {"jsonrpc": "2.0", "id": 9, "method": "subscriptions/listen", "params": params}
        headers = {
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": "2026-07-28",
            "Mcp-Method": "subscriptions/listen",
        }
        async with aiohttp.ClientSession() as client, client.post(server.url, json=body, headers=headers) as response:
            first = await anext(_events(response))
            assert first["method"] == "notifications/subscriptions/acknowledged"
            assert first["params"]["notifications"] == {"toolsListChanged": True}, "this server has no prompts, so nothing is promised"
            call = asyncio.create_task(legacy_post(server, "", "tools/call", name="old.echo", arguments={}))
            await eventually(lambda: len(old.calls) == 1)
            server.process.stop.set()
            last = [event async for event in _events(response)][-1]
            assert call.done(), "the stream ended before a call in flight"
            assert last["id"] == 9 and last["result"]["resultType"] == "complete"


async def _events(response: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any]]:
    async for line in response.content:
        if line.startswith(b"data: "):
            yield json.loads(line[6:])
