"""The real program in a process of its own: for what only a process has, its memory and its end."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

from tests.integration.server.harness import DEADLINE

HEADERS = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-11-25"}


def call(tool: str, **arguments: Any) -> dict[str, Any]:
    """A request of an older client to run `tool` through the meta-tool."""
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "execute", "arguments": {"tool": tool, **arguments}}}


class Child:
    """A running server process."""

    def __init__(self, process: asyncio.subprocess.Process, ports: dict[str, Any]) -> None:
        self.process = process
        self.port = int(ports["mcp_port"])
        self.url = f"http://127.0.0.1:{self.port}/mcp"
        self.management = f"http://127.0.0.1:{ports['management_port']}"

    async def ready(self) -> None:
        """Wait until it is."""
        await self.until_status("/readyz", 200)

    async def until_status(self, path: str, wanted: int) -> None:
        """Wait until the management port answers `wanted` at `path`."""
        async with asyncio.timeout(DEADLINE), aiohttp.ClientSession() as session:
            while True:
                async with session.get(self.management + path) as response:
                    if response.status == wanted:
                        return
                await asyncio.sleep(0.05)

    async def metric(self, name: str) -> float:
        """The value of a series, written as Prometheus writes it; 0 when it is not there."""
        async with aiohttp.ClientSession() as session, session.get(self.management + "/metrics") as response:
            lines = (await response.text()).splitlines()
        return next((float(line.split()[-1]) for line in lines if line.startswith(name + " ")), 0.0)

    def resident_mb(self) -> float:
        """Memory in use."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@contextlib.asynccontextmanager
async def child(config_file: Path, **environment: str) -> AsyncIterator[Child]:
    """Start the program with this configuration; kill it at the end if it still runs."""
    variables = {
        "PATH": os.environ["PATH"],
        "MCP_CONFIG": f"file:{config_file}",
        "MCP_BIND": "127.0.0.1",
        "MCP_PORT": "0",
        "MCP_MANAGEMENT_PORT": "0",
        "MCP_DRAIN_SECONDS": "1",
        **environment,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mcp_optimizer", env=variables, stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
    )
    assert process.stderr is not None
    async with asyncio.timeout(DEADLINE):
        while (line := json.loads(await process.stderr.readline()))["message"] != "listening":
            pass
    log = asyncio.create_task(process.stderr.read())
    try:
        yield Child(process, line)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await log
