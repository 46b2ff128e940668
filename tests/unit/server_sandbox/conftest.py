"""A lane over a watch that the test speaks for, with real agents as its Pods."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.agent_process import POOL_KEY, AgentProcess, start_agent

from mcp_optimizer.kube import Event
from mcp_optimizer.sandbox import PodLane
from mcp_optimizer_api.config import SandboxConfig
from mcp_optimizer_api.job import pod_token, token_digest

OWNER = "uid-of-our-optimizer"


def manifest(name: str, port: int = 8765, **changes: Any) -> dict[str, Any]:
    """A warm sandbox Pod as the API server shows it. `changes`: ready, owner, digest, deleting, terminated, ip."""
    metadata: dict[str, Any] = {"name": name, "uid": f"uid-{name}"}
    metadata["ownerReferences"] = [{"uid": changes.get("owner", OWNER), "controller": True}]
    if changes.get("deleting"):
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    status: dict[str, Any] = {"podIP": changes.get("ip", "127.0.0.1"), "phase": "Running"}
    status["conditions"] = [{"type": "Ready", "status": "True" if changes.get("ready", True) else "False"}]
    if changes.get("terminated"):
        status["containerStatuses"] = [{"state": {"terminated": {"reason": changes["terminated"], "exitCode": 137}}}]
    digest = changes.get("digest", token_digest(pod_token(POOL_KEY, name)))
    container = {"env": [{"name": "MCP_SANDBOX_TOKEN_SHA256", "value": digest}], "ports": [{"name": "job", "containerPort": port}]}
    return {"metadata": metadata, "spec": {"containers": [container]}, "status": status}


class FakeWatch:
    """Stands in for the API server."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self._events: asyncio.Queue[Event] = asyncio.Queue()

    def tell(self, kind: Any, *pods: Mapping[str, Any]) -> None:
        """Something the watch reports."""
        self._events.put_nowait(Event(kind, tuple(pods)))

    async def list_and_watch(self, path: str, params: Mapping[str, str] | None = None) -> AsyncGenerator[Event, None]:
        """Reports until the caller stops."""
        self.asked.append((path, dict(params or {})))
        while True:
            yield await self._events.get()


@pytest.fixture
def watch() -> FakeWatch:
    """The API server's voice."""
    return FakeWatch()


def config(**changes: Any) -> SandboxConfig:
    """A configuration for tests."""
    values = {"enabled": True, "pod_selector": "a=b", "queue_seconds": 5, "timeout_seconds": 20, "memory_bytes": 256 * 1024 * 1024}
    return SandboxConfig.model_validate({**values, **changes})


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """The mounted pool key."""
    path = tmp_path / "key"
    path.write_bytes(POOL_KEY)
    return path


@pytest_asyncio.fixture
async def lane(watch: FakeWatch, key_file: Path) -> AsyncIterator[PodLane]:
    """A lane that is configured and watches."""
    lane = PodLane(watch, key_file)
    lane.configure(config(), "ns", OWNER)
    yield lane
    await lane.close()


@pytest.fixture
def spawn(watch: FakeWatch, tmp_path: Path) -> Iterator[Callable[..., AgentProcess]]:
    """Start an agent and, unless told otherwise, let the watch report its Pod."""
    agents: list[AgentProcess] = []

    def one(name: str, *, announce: bool = True) -> AgentProcess:
        agents.append(start_agent(tmp_path, name))
        if announce:
            watch.tell("changed", manifest(name, agents[-1].port))
        return agents[-1]

    yield one
    for agent in agents:
        agent.kill()


async def eventually(check: Callable[[], Any]) -> None:
    """Poll until true."""
    async with asyncio.timeout(30):
        while not check():  # noqa: ASYNC110 -- what is waited for has no event
            await asyncio.sleep(0.01)
