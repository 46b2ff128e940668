"""Clients of 2025-11-25 and before: cancelling what is theirs, by message or by hanging up, on the fast path and on the other."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.integration.server.conftest import Start
from tests.integration.server.harness import eventually, serving, write_config
from tests.integration.server.upstreams import TOOLS, Legacy, Modern

pytestmark = pytest.mark.integration
HEADERS = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json", "MCP-Protocol-Version": "2025-11-25"}


class Told(Legacy):
    """Keeps what it is told by notifications."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[dict[str, Any]] = []

    async def handle(self, request: Any) -> Any:
        if request.method == "POST" and "id" not in (message := await request.json()):
            self.told.append(message)
        return await super().handle(request)


def call(number: int, tool: str, **arguments: Any) -> dict[str, Any]:
    meta = {"_meta": {"progressToken": "p"}} if arguments.pop("sdk", False) else {}
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {"name": tool, "arguments": arguments, **meta}}


@pytest.mark.parametrize("sdk", [False, True], ids=["fast path", "hosted by the SDK"])
async def test_a_client_cancels_its_own_call_and_nobody_elses(start: Start, tmp_path: Path, sdk: bool) -> None:
    slow = Told()
    await start(slow)
    write_config(tmp_path / "config.json", {"slow": slow.url}, mode="mcp_only", timeout=300)
    async with serving(tmp_path / "config.json") as server, aiohttp.ClientSession() as http:
        await server.tools_ready(len(TOOLS))
        slow.delay = 3600

        async def begin(session: str) -> str:
            async with http.post(
                server.url, json=call(1, "slow.echo", sdk=sdk), headers={**HEADERS, "Mcp-Session-Id": session}
            ) as response:
                return await response.text()

        mine, others = asyncio.create_task(begin("mine")), asyncio.create_task(begin("others"))
        await eventually(lambda: len(slow.calls) == 2)
        cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
        for session in ({}, {"Mcp-Session-Id": "unknown"}, {"Mcp-Session-Id": "mine"}):
            assert not mine.done()
            async with http.post(server.url, json=cancel, headers={**HEADERS, **session}) as response:
                assert response.status == 202
        async with asyncio.timeout(30):
            assert "result" not in await mine
        assert not others.done()
        await eventually(lambda: [item["method"] for item in slow.told] == ["notifications/initialized", "notifications/cancelled"])
        others.cancel()
        await asyncio.gather(others, return_exceptions=True)
        await eventually(lambda: server.process.gate.in_flight == 0)


@pytest.mark.parametrize("upstream", [Modern, Told])
@pytest.mark.parametrize("sdk", [False, True], ids=["fast path", "hosted by the SDK"])
async def test_a_client_that_hangs_up_ends_its_call(start: Start, tmp_path: Path, upstream: Any, sdk: bool) -> None:
    slow = await start(upstream())
    write_config(tmp_path / "config.json", {"slow": slow.url}, mode="mcp_only", timeout=300)
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(len(TOOLS))
        slow.delay = 3600
        async with aiohttp.ClientSession() as http:
            posting = asyncio.create_task(http.post(server.url, json=call(1, "slow.echo", sdk=sdk), headers=HEADERS).__aenter__())
            await eventually(lambda: len(slow.calls) == 1)
            posting.cancel()
            await asyncio.gather(posting, return_exceptions=True)
        await eventually(lambda: server.process.gate.in_flight == 0)
        if isinstance(slow, Told):
            await eventually(lambda: slow.told[-1]["method"] == "notifications/cancelled")
