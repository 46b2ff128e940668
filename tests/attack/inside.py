"""The server's own walls, proven inside this process: a lane, a Pod that was taken over and says what it likes, and a wall taken out."""

import asyncio
import contextlib
import json
import struct
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from mcp_optimizer.kube import Event
from mcp_optimizer.lane import CallOutcome, JobOutcome, JobRequest
from mcp_optimizer.sandbox import PodLane
from mcp_optimizer_api.config import SandboxConfig
from mcp_optimizer_api.job import pod_token, token_digest

KEY = b"k" * 32
OWNER = "uid-of-our-optimizer"
_ALONE = asyncio.Lock()
"""Walls are taken out of modules that all proofs share."""
Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter, str], Awaitable[None]]


def frame(content: Any) -> bytes:
    """A frame with this JSON in it; bytes are a body as it is."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return struct.pack(">I", len(body)) + body


def result(**values: Any) -> bytes:
    """The frame that ends a job."""
    return frame({"type": "result", "ok": True, "value": 1, "durationMs": 1, **values})


async def receive(reader: asyncio.StreamReader) -> Any:
    """The content of one frame."""
    (length,) = struct.unpack(">I", await reader.readexactly(4))
    return json.loads(await reader.readexactly(length))


class Told:
    """Stands in for the API server: one list of Pods, then silence."""

    def __init__(self) -> None:
        self.pods: list[dict[str, Any]] = []

    async def list_and_watch(self, path: str, params: Mapping[str, str] | None = None) -> AsyncGenerator[Event, None]:
        """As `KubeClient` does."""
        yield Event("listed", tuple(self.pods))
        await asyncio.Event().wait()


def warm_pod(name: str, port: int, *, owner: str = OWNER, digest: str | None = None) -> dict[str, Any]:
    """A Pod of this machine as the API server would show it."""
    digest = token_digest(pod_token(KEY, name)) if digest is None else digest
    container = {"env": [{"name": "MCP_SANDBOX_TOKEN_SHA256", "value": digest}], "ports": [{"name": "job", "containerPort": port}]}
    return {
        "metadata": {"name": name, "uid": f"uid-{name}", "ownerReferences": [{"uid": owner, "controller": True}]},
        "spec": {"containers": [container]},
        "status": {"podIP": "127.0.0.1", "phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    }


@contextlib.asynccontextmanager
async def impostor(script: Script, seen: list[Any] | None = None) -> AsyncIterator[int]:
    """The port of a Pod that accepts every job and then follows the script; `seen` gets each `start`."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError):
            start = await receive(reader)
            if seen is not None:
                seen.append(start)
            writer.write(frame({"type": "accepted", "job": start["job"]}))
            await script(reader, writer, start["job"])
            await writer.drain()
            await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def says(*frames: bytes) -> Script:
    """A script without answers."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, job: str) -> None:
        for each in frames:
            writer.write(each)

    return script


@contextlib.asynccontextmanager
async def lane(*pods: dict[str, Any], **changes: Any) -> AsyncIterator[PodLane]:
    """The product's lane with these Pods to choose from."""
    told = Told()
    told.pods = list(pods)
    with tempfile.NamedTemporaryFile() as key:
        key.write(KEY)
        key.flush()
        lane = PodLane(told, Path(key.name))
        values = {"enabled": True, "pod_selector": "a=b", "queue_seconds": 2, "timeout_seconds": 20, "memory_bytes": 1 << 28}
        lane.configure(SandboxConfig.model_validate({**values, **changes}), "ns", OWNER)
        try:
            yield lane
        finally:
            await lane.close()


async def outcome_of(script: Script, calls: list[str] | None = None, **changes: Any) -> JobOutcome:
    """How a job ends whose Pod follows the script; `calls` gets the tools that were really called."""

    async def on_call(tool: str, arguments: dict[str, Any]) -> CallOutcome:
        if calls is not None:
            calls.append(tool)
        return CallOutcome(ok=True, value=1)

    async with impostor(script) as port, lane(warm_pod("taken-over", port), **changes) as served:
        return await served.run(JobRequest(code="1", timeout_s=5), on_call)


async def proof(effect: Callable[[], Awaitable[str | None]], *walls: tuple[Any, str, Any]) -> str | None:
    """Why `walls` (where, name, what stands there instead) are not what keeps the effect away, or None. One proof at a time."""
    async with _ALONE:
        if (found := await effect()) is not None:
            return f"with the wall: {found}"
        kept = [getattr(where, name) for where, name, _ in walls]
        try:
            for where, name, instead in walls:
                setattr(where, name, instead)
            found = await effect()
        finally:
            for (where, name, _), original in zip(walls, kept, strict=True):
                setattr(where, name, original)
    return None if found is not None else "without it there is no effect either: it proves nothing"
