"""SIGTERM: readiness fails first, everything that was asked is answered, then the process ends with 0."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.integration.server.child import HEADERS, Child, call, child
from tests.integration.server.conftest import Start
from tests.integration.server.harness import eventually, write_config
from tests.integration.server.upstreams import Modern

pytestmark = pytest.mark.integration
CALL = call("it.echo")


@pytest.fixture
async def server(start: Start, tmp_path: Path) -> AsyncIterator[tuple[Child, Modern]]:
    upstream = Modern()
    await start(upstream)
    write_config(tmp_path / "config.json", {"it": upstream.url}, timeout=30)
    async with child(tmp_path / "config.json") as running:
        await running.ready()
        yield running, upstream


async def test_sigterm_loses_no_request(server: tuple[Child, Modern]) -> None:
    process, upstream = server
    upstream.delay = 0.2
    answered, failures = 0, []

    async def hammer() -> None:
        """Calls over keep-alive connections until nobody listens any more; a connection that was accepted must be answered."""
        nonlocal answered
        async with aiohttp.ClientSession() as session:
            while True:
                try:
                    async with session.post(process.url, json=CALL, headers=HEADERS) as response:
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
    os.kill(process.process.pid, signal.SIGTERM)
    await process.until_status("/readyz", 503)
    before = answered
    await asyncio.gather(*hammers)
    assert failures == []
    assert answered > before, "nothing was served after readiness had failed"
    async with asyncio.timeout(30):
        assert await process.process.wait() == 0


async def test_a_call_in_flight_at_sigterm_is_answered_even_when_it_outlasts_the_drain(server: tuple[Child, Modern]) -> None:
    process, upstream = server
    upstream.delay = 3.0

    async def ask() -> tuple[int, str]:
        async with aiohttp.ClientSession() as session, session.post(process.url, json=CALL, headers=HEADERS) as response:
            return response.status, await response.text()

    calls = [asyncio.create_task(ask()) for _ in range(5)]
    await eventually(lambda: len(upstream.calls) == 5)
    os.kill(process.process.pid, signal.SIGTERM)
    for code, body in await asyncio.gather(*calls):
        assert code == 200 and "echo" in body
    async with asyncio.timeout(30):
        assert await process.process.wait() == 0


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "MCP_CONFIG is '': set it to configmap:NAME or file:PATH"),
        ({"MCP_CONFIG": "file:x", "MCP_PORT": "http"}, "MCP_PORT is 'http': set it to a port number"),
        ({"MCP_CONFIG": "file:x", "MCP_GRACE_SECONDS": "7"}, "MCP_GRACE_SECONDS is 7: set it to 10 or more, or lower MCP_DRAIN_SECONDS"),
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
