"""Programs a benchmark starts: the example servers and the real server process, on free ports of loopback."""

import asyncio
import contextlib
import json
import os
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx2

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "docs" / "examples" / "servers"
START_SECONDS = 60


@dataclass(frozen=True)
class Server:
    """The running server process."""

    url: str
    management: str
    config: Path
    pid: int

    def configure(self, upstreams: Mapping[str, str], *, mode: str = "hybrid") -> None:
        """Write a new configuration; it takes effect within a second."""
        write_config(self.config, upstreams, mode)


@contextlib.asynccontextmanager
async def example_servers() -> AsyncIterator[dict[str, str]]:
    """URLs of the example servers that can run here: acme always, server-everything where its modules are installed."""
    async with contextlib.AsyncExitStack() as stack:
        port = free_port()
        environment = {"PYTHONPATH": str(EXAMPLES / "acme"), "PORT": str(port), "HOST": "127.0.0.1"}
        await stack.enter_async_context(running([sys.executable, "-m", "acme"], environment, port))
        urls = {"acme": f"http://127.0.0.1:{port}/mcp"}
        script = EXAMPLES / "everything" / "node_modules" / "@modelcontextprotocol" / "server-everything" / "dist" / "index.js"
        if script.exists():
            port = free_port()
            await stack.enter_async_context(running(["node", str(script), "streamableHttp"], {"PORT": str(port)}, port))
            urls["everything"] = f"http://127.0.0.1:{port}/mcp"
        yield urls


@contextlib.asynccontextmanager
async def optimizer(
    upstreams: Mapping[str, str],
    *,
    mode: str = "hybrid",
    prefix: Sequence[str] = (),
    extra: Mapping[str, str] | None = None,
    module: str = "mcp_optimizer",
) -> AsyncIterator[Server]:
    """The server as it runs in its Pod, but for the cluster. `prefix` starts the command line, `extra` joins the environment."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.json"
        write_config(config, upstreams, mode)
        mcp, management = free_port(), free_port()
        environment = {
            "MCP_CONFIG": f"file:{config}",
            "MCP_BIND": "127.0.0.1",
            "MCP_PORT": str(mcp),
            "MCP_MANAGEMENT_PORT": str(management),
            "MCP_DRAIN_SECONDS": "0",
            **(extra or {}),
        }
        async with running([*prefix, sys.executable, "-m", module], environment, mcp) as pid:
            yield Server(f"http://127.0.0.1:{mcp}/mcp", f"http://127.0.0.1:{management}", config, pid)


async def settled(url: str, tools: int) -> None:
    """Wait until the catalogues of all servers, `tools` in all, are in force. `url` is that of the management port."""
    async with httpx2.AsyncClient() as http:
        for _ in range(600):
            # Not /stats: it counts what the servers offered, a moment before that is compiled and in force.
            lines = (await http.get(f"{url}/metrics")).text.splitlines()
            if f"mcp_optimizer_tools {tools:.1f}" in lines:
                return
            await asyncio.sleep(0.1)
    raise SystemExit("the optimizer never saw all tools")


def write_config(path: Path, upstreams: Mapping[str, str], mode: str) -> None:
    """The document the operator would render."""
    servers = [{"name": name, "url": url} for name, url in upstreams.items()]
    document = {"namespace": "bench", "name": "bench", "uid": "0", "mode": mode, "upstreams": servers, "sandbox": {"enabled": True}}
    path.with_suffix(".new").write_text(json.dumps(document))
    path.with_suffix(".new").replace(path)


def free_port() -> int:
    """A port nobody listens on at this moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextlib.asynccontextmanager
async def running(command: list[str], environment: Mapping[str, str], port: int) -> AsyncIterator[int]:
    """The pid of the command, as long as it is wanted; it listens on `port` by then."""
    process = await asyncio.create_subprocess_exec(
        *command, env={"PATH": os.environ["PATH"], **environment}, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    log = asyncio.create_task(process.stderr.read())
    try:
        async with asyncio.timeout(START_SECONDS):
            while not await _listens(port):
                if process.returncode is not None:
                    raise RuntimeError(f"{command} ended with {process.returncode}: {(await log).decode()[-2000:]}")
                await asyncio.sleep(0.1)
        yield process.pid
    finally:
        if process.returncode is None:
            process.terminate()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), 15)
        if process.returncode is None:
            process.kill()
        await log


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
