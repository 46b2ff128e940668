"""Warm sandbox Pods as a server sees them, without a cluster: a watch that the test speaks for, and real agents behind it."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

from mcp_optimizer.kube import Event
from mcp_optimizer.sandbox import PodLane
from mcp_optimizer_api.job import pod_token, token_digest

from .agent_process import POOL_KEY, AgentProcess, start_agent

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


class WarmPods:
    """A lane for a server in a test, and the Pods that it finds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "key").write_bytes(POOL_KEY)
        self.key_file = folder / "key"
        self.watches: list[FakeWatch] = []
        self.agents: list[AgentProcess] = []

    def lane(self) -> PodLane:
        """One more replica's way to these Pods. Its optimizer's uid must be OWNER."""
        self.watches.append(FakeWatch())
        return PodLane(self.watches[-1], self.key_file)

    async def add(self, **environment: str) -> AgentProcess:
        """One more warm Pod, each with a folder of its own."""
        name = f"x-sandbox-{len(self.agents)}"
        work = self.folder / name
        work.mkdir()
        agent = await asyncio.to_thread(start_agent, work, name, **environment)
        self.agents.append(agent)
        for watch in self.watches:
            watch.tell("changed", manifest(name, agent.port))
        return agent

    def close(self) -> None:
        """End all of them."""
        for agent in self.agents:
            agent.kill()
