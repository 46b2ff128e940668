"""A lane over a watch that the test speaks for, with real agents as its Pods."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.agent_process import POOL_KEY, AgentProcess, start_agent
from tests.warm_pods import OWNER, FakeWatch, manifest

from mcp_optimizer.sandbox import PodLane
from mcp_optimizer_api.config import SandboxConfig

__all__ = ["OWNER", "FakeWatch", "manifest"]


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
