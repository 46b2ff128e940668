"""A new configuration takes effect at once, loses no request, and leaves alone what did not change."""

import asyncio
import json
from pathlib import Path

import aiohttp
import pytest
from mcp import Client
from prometheus_client import generate_latest

from tests.integration.server.conftest import Start
from tests.integration.server.harness import eventually, serving, write_config
from tests.integration.server.upstreams import TOOLS, Legacy, Modern

REJECTED_ONCE = b'mcp_optimizer_config_documents_total{result="rejected"} 1.0'
pytestmark = pytest.mark.integration


async def test_a_web_page_may_speak_once_the_configuration_names_it(start: Start, tmp_path: Path) -> None:
    upstream, config = await start(Modern()), tmp_path / "config.json"
    write_config(config, {"it": upstream.url})
    page = {"Origin": "https://app.example.com", "Host": "mcp.example.com"}
    asked = {**page, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "mcp-method, content-type"}
    headers = {**page, "Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-11-25"}
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    async with serving(config) as server, aiohttp.ClientSession() as browser:
        await server.tools_ready(len(TOOLS))
        async with browser.options(server.url, headers=asked) as refused, browser.post(server.url, json=call, headers=headers) as also:
            assert (refused.status, also.status) == (403, 403)
        document = json.loads(config.read_text())
        config.write_text(json.dumps({**document, "allowedOrigins": ["https://app.example.com"]}))
        snapshot = lambda: server.process.federation.snapshot  # noqa: E731 -- read again at each look
        await eventually(lambda: bool(snapshot() and snapshot().allowed_origins))  # type: ignore[union-attr]
        async with browser.options(server.url, headers=asked) as preflight:
            assert preflight.status == 204
            assert preflight.headers["Access-Control-Allow-Headers"] == "mcp-method, content-type"
        async with browser.post(server.url, json=call, headers=headers) as answer:
            assert answer.status == 200
            assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example.com"
            assert "discover" in await answer.text()
        async with browser.post(server.url, json=call, headers={**headers, "Origin": "https://evil.example"}) as other:
            assert other.status == 403


async def test_swaps_under_load_lose_no_request_and_keep_the_session_of_an_unchanged_server(start: Start, tmp_path: Path) -> None:
    steady, coming, config = Legacy(), await start(Modern()), tmp_path / "config.json"
    await start(steady)
    write_config(config, {"steady": steady.url})
    async with serving(config) as server:
        await server.tools_ready(len(TOOLS))
        done = asyncio.Event()
        answered = 0

        async def hammer() -> None:
            nonlocal answered
            async with Client(server.url) as client:
                while not done.is_set():
                    result = await client.call_tool("execute", {"tool": "steady.echo", "arguments": {"message": "x"}})
                    assert not result.is_error, result
                    answered += 1

        hammers = [asyncio.create_task(hammer()) for _ in range(4)]
        for round_number in range(4):
            write_config(config, {"steady": steady.url} | ({"coming": coming.url} if round_number % 2 == 0 else {}))
            await server.tools_ready(len(TOOLS) * (2 if round_number % 2 == 0 else 1))
            before = answered
            await eventually(lambda before=before: answered > before + 8)  # type: ignore[misc]
        done.set()
        await asyncio.gather(*hammers)
        assert steady.opened == 1
        assert steady.asked.count("tools/list") == 2


async def test_a_bad_document_changes_nothing_and_is_counted(start: Start, tmp_path: Path) -> None:
    modern, config = await start(Modern()), tmp_path / "config.json"
    write_config(config, {"it": modern.url})
    async with serving(config) as server:
        await server.tools_ready(len(TOOLS))
        in_force = (await server.stats())["configHash"]
        config.write_text('{"namespace": 1')
        await eventually(lambda: REJECTED_ONCE in generate_latest(server.process.telemetry.registry))
        async with Client(server.url) as client:
            assert not (await client.call_tool("execute", {"tool": "it.echo"})).is_error
        assert (await server.stats())["configHash"] == in_force
        assert (await server.get("/readyz"))[0] == 200


async def test_a_call_on_a_server_that_is_removed_meanwhile_still_gets_its_answer(start: Start, tmp_path: Path) -> None:
    going, config = await start(Modern()), tmp_path / "config.json"
    write_config(config, {"going": going.url}, timeout=60)
    async with serving(config) as server:
        await server.tools_ready(len(TOOLS))
        going.delay = 1.5
        async with Client(server.url) as client:
            call = asyncio.create_task(client.call_tool("execute", {"tool": "going.echo"}))
            await eventually(lambda: len(going.calls) == 1)
            write_config(config, {})
            await server.tools_ready(0)
            assert not call.done()
            assert not (await call).is_error
            assert (await client.call_tool("execute", {"tool": "going.echo"})).is_error
