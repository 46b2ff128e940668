"""A job whose caller goes away, and what a caller hears while it waits: real agents behind the public endpoint."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from mcp import Client

from tests.integration.server.agents import SLOW, gone, replicas
from tests.integration.server.harness import eventually
from tests.integration.server.test_tasks import ask

pytestmark = pytest.mark.integration


async def _leave_modern(url: str, begun: Callable[[], Awaitable[None]]) -> None:
    call = asyncio.create_task(ask(url, "tools/call", {"name": "execute_code", "arguments": {"code": SLOW}}, {}))
    await begun()
    call.cancel()
    await asyncio.wait([call])


async def _cancel_task(url: str, begun: Callable[[], Awaitable[None]]) -> None:
    task = (await ask(url, "tools/call", {"name": "execute_code", "arguments": {"code": SLOW}}))["result"]
    await begun()
    await ask(url, "tasks/cancel", {"taskId": task["taskId"]})


async def _cancel_legacy(url: str, begun: Callable[[], Awaitable[None]]) -> None:
    base = {"Accept": "application/json, text/event-stream"}
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    async with aiohttp.ClientSession() as http:
        async with http.post(url, json={"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello}, headers=base) as response:
            name = response.headers["Mcp-Session-Id"]
        headers = {**base, "MCP-Protocol-Version": "2025-11-25", "Mcp-Session-Id": name}
        params = {"name": "execute_code", "arguments": {"code": SLOW}}
        body = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}
        async with asyncio.TaskGroup() as group:

            async def call() -> None:
                async with http.post(url, json=body, headers=headers) as response:
                    await response.read()

            group.create_task(call())
            await begun()
            cancelled = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}}
            async with http.post(url, json=cancelled, headers=headers) as response:
                assert response.status == 202


@pytest.mark.parametrize("way", [_leave_modern, _cancel_task, _cancel_legacy])
async def test_cancelling_a_call_in_any_way_ends_its_pod(
    tmp_path: Path, way: Callable[[str, Callable[[], Awaitable[None]]], Awaitable[None]]
) -> None:
    async with replicas(tmp_path) as both:
        agent = await both.pool.add(0)

        async def begun() -> None:
            await eventually(lambda: both.one.process.lane.stats().busy == 1)

        await way(both.one.url, begun)
        await gone(agent)


@pytest.mark.parametrize("era", ["legacy", "2026-07-28"])
async def test_what_a_job_prints_reaches_the_client_while_it_runs_in_few_messages(tmp_path: Path, era: Any) -> None:
    async with replicas(tmp_path) as both:
        await both.pool.add(0)
        flag = tmp_path / "heard"
        code = f"import os, time\nfor n in range(2000): print(n)\nwhile not os.path.exists({str(flag)!r}): time.sleep(0.02)\nprint('end')"
        heard: list[str] = []

        async def hear(progress: float, total: float | None, message: str | None) -> None:
            heard.append(str(message))
            if "1999\n" in heard[-1]:
                flag.touch()
            assert progress == len("".join(heard))

        async with Client(both.one.url, mode=era) as client:
            result = await client.call_tool("execute_code", {"code": code}, progress_callback=hear)
        printed = "".join(f"{n}\n" for n in range(2000)) + "end\n"
        assert "".join(heard) == printed == json.loads(result.content[0].text)["stdout"]  # type: ignore[union-attr]
        assert len(heard) < 200
