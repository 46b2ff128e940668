"""Runs the server inside the test's event loop, or as a process, on free ports."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp

from mcp_optimizer.app import Process
from mcp_optimizer.kube import KubeClient
from mcp_optimizer.lane import SandboxLane
from mcp_optimizer.settings import Settings

DEADLINE = 30.0


class Running:
    """A running server and its configuration file."""

    def __init__(self, process: Process, config_file: Path) -> None:
        self.process = process
        self.config_file = config_file

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.process.mcp_port}/mcp"

    def management(self, path: str) -> str:
        return f"http://127.0.0.1:{self.process.management_port}{path}"

    async def get(self, path: str) -> tuple[int, str]:
        async with aiohttp.ClientSession() as session, session.get(self.management(path)) as response:
            return response.status, await response.text()

    async def stats(self) -> dict[str, Any]:
        return dict(json.loads((await self.get("/stats"))[1]))

    async def tools_ready(self, count: int) -> None:
        await eventually(lambda: self.process.federation.snapshot is not None and len(self.process.federation.snapshot.tools) == count)

    def configure(self, **upstreams: str) -> None:
        write_config(self.config_file, upstreams)


def write_config(path: Path, upstreams: dict[str, str], **settings: Any) -> None:
    """Write a configuration in one step, as a ConfigMap's would appear. `settings` as for `document`."""
    temporary = path.with_suffix(".new")
    temporary.write_text(document(upstreams, **settings))
    temporary.replace(path)


def document(
    upstreams: dict[str, str],
    *,
    mode: str = "hybrid",
    timeout: int = 5,
    sandbox: dict[str, Any] | None = None,
    resilience: dict[str, Any] | None = None,
    **more: Any,
) -> str:
    """The document that the operator would render; `resilience` is added to every upstream, `more` are further members."""
    own = {"timeoutSeconds": timeout, **(resilience or {})}
    rendered = {
        "namespace": "ns",
        "name": "test",
        "uid": "u",
        "mode": mode,
        "upstreams": [{"name": name.replace("_", "-"), "url": url, **own} for name, url in upstreams.items()],
        "sandbox": sandbox or {"enabled": True},
        **more,
    }
    return json.dumps(rendered)


@contextlib.asynccontextmanager
async def serving(
    config_file: Path,
    *,
    lane: SandboxLane | None = None,
    kube: KubeClient | None = None,
    config_map: str = "",
    namespace: str = "",
    key_file: Path | None = None,
    fast_path: bool = True,
) -> AsyncIterator[Running]:
    """The server with this configuration file, or this ConfigMap, listening on free ports. Replicas share a key file."""
    settings = Settings(
        config=f"configmap:{config_map}" if config_map else f"file:{config_file}",
        namespace=namespace,
        pod="pod-1",
        bind="127.0.0.1",
        port=0,
        management_port=0,
        sandbox_key_file=key_file,
        fast_path=fast_path,
        drain_seconds=0.0,
        finish_seconds=20,
    )
    process = Process(settings, lane=lane, kube=kube)
    task = asyncio.create_task(process.run())
    listening = asyncio.create_task(process.listening.wait())
    await asyncio.wait([task, listening], return_when=asyncio.FIRST_COMPLETED)
    try:
        yield Running(process, config_file)
    finally:
        listening.cancel()
        process.stop.set()
        await task


async def eventually(condition: Callable[[], bool], deadline: float = DEADLINE) -> None:
    """Poll until the condition holds; fail after the deadline."""
    end = time.monotonic() + deadline
    while not condition():
        assert time.monotonic() < end, "the condition never held"
        await asyncio.sleep(0.02)
