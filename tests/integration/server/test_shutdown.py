"""SIGTERM: readiness fails first, everything that was asked is answered, then the process ends with 0."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.integration.server.conftest import Start
from tests.integration.server.harness import eventually, write_config
from tests.integration.server.upstreams import Modern

pytestmark = pytest.mark.integration
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "execute", "arguments": {"tool": "it.echo"}}}
HEADERS = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-11-25"}


class Child:
    """The real program in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process, ports: dict[str, Any]) -> None:
        self.process = process
        self.url = f"http://127.0.0.1:{ports['mcp_port']}/mcp"
        self.ready = f"http://127.0.0.1:{ports['management_port']}/readyz"


@pytest.fixture
async def child(start: Start, tmp_path: Path) -> AsyncIterator[tuple[Child, Modern]]:
    upstream = Modern()
    await start(upstream)
    write_config(tmp_path / "config.json", {"it": upstream.url}, timeout=30)
    environment = {
        "PATH": os.environ["PATH"],
        "MCP_CONFIG": f"file:{tmp_path}/config.json",
        "MCP_BIND": "127.0.0.1",
        "MCP_PORT": "0",
        "MCP_MANAGEMENT_PORT": "0",
        "MCP_DRAIN_SECONDS": "1",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mcp_optimizer", env=environment, stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
    )
    assert process.stderr is not None
    async with asyncio.timeout(30):
        while (line := json.loads(await process.stderr.readline()))["message"] != "listening":
            pass
    drain = asyncio.create_task(process.stderr.read())
    yield Child(process, line), upstream
    if process.returncode is None:
        process.kill()
    await process.wait()
    await drain


async def status(url: str) -> int:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status


async def until_status(url: str, wanted: int) -> None:
    for _ in range(600):
        if await status(url) == wanted:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{url} never answered {wanted}")


async def test_sigterm_loses_no_request(child: tuple[Child, Modern]) -> None:
    server, upstream = child
    await until_status(server.ready, 200)
    upstream.delay = 0.2
    answered, failures = 0, []

    async def hammer() -> None:
        """Calls over keep-alive connections until nobody listens any more; a connection that was accepted must be answered."""
        nonlocal answered
        async with aiohttp.ClientSession() as session:
            while True:
                try:
                    async with session.post(server.url, json=CALL, headers=HEADERS) as response:
                        body = await response.text()
                        if response.status != 200 or "echo" not in body:
                            failures.append(body)
                        answered += 1
                except aiohttp.ClientConnectorError:
                    return
                except aiohttp.ClientError as error:
                    failures.append(repr(error))
                    return

    hammers = [asyncio.create_task(hammer()) for _ in range(8)]
    await eventually(lambda: answered > 16)
    os.kill(server.process.pid, signal.SIGTERM)
    await until_status(server.ready, 503)
    before = answered
    await asyncio.gather(*hammers)
    assert failures == []
    assert answered > before, "nothing was served after readiness had failed"
    async with asyncio.timeout(30):
        assert await server.process.wait() == 0


async def test_a_call_in_flight_at_sigterm_is_answered_even_when_it_outlasts_the_drain(child: tuple[Child, Modern]) -> None:
    server, upstream = child
    await until_status(server.ready, 200)
    upstream.delay = 3.0

    async def call() -> tuple[int, str]:
        async with aiohttp.ClientSession() as session, session.post(server.url, json=CALL, headers=HEADERS) as response:
            return response.status, await response.text()

    calls = [asyncio.create_task(call()) for _ in range(5)]
    await eventually(lambda: len(upstream.calls) == 5)
    os.kill(server.process.pid, signal.SIGTERM)
    for code, body in await asyncio.gather(*calls):
        assert code == 200 and "echo" in body
    async with asyncio.timeout(30):
        assert await server.process.wait() == 0


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "MCP_CONFIG is '': set it to configmap:NAME or file:PATH"),
        ({"MCP_CONFIG": "file:x", "MCP_PORT": "http"}, "MCP_PORT is 'http': set it to a port number"),
        ({"MCP_CONFIG": "file:x", "LOG_LEVEL": "loud"}, "LOG_LEVEL is 'LOUD': set it to DEBUG"),
    ],
)
async def test_a_wrong_environment_ends_the_process_with_a_sentence(environment: dict[str, str], message: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mcp_optimizer", env={"PATH": os.environ["PATH"], **environment}, stderr=asyncio.subprocess.PIPE
    )
    _, stderr = await process.communicate()
    assert process.returncode == 2
    assert message in stderr.decode()
