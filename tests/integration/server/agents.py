"""Two replicas of one MCPOptimizer over one pool of real agents."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from mcp_optimizer.sandbox import PodLane
from tests.agent_process import POOL_KEY, AgentProcess, start_agent
from tests.integration.server.harness import Running, eventually, serving, write_config
from tests.integration.server.test_tasks import ask
from tests.unit.server_sandbox.conftest import FakeWatch, manifest

SLOW = "import time\nprint('begun')\ntime.sleep(60)"
Shown = dict[str, Any]


class Pool:
    """Agents that both replicas see."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.watches = [FakeWatch(), FakeWatch()]
        self.agents: list[AgentProcess] = []
        (folder / "key").write_bytes(POOL_KEY)

    def lane(self, index: int) -> PodLane:
        return PodLane(self.watches[index], self.folder / "key")

    async def add(self, *seen_by: int) -> AgentProcess:
        """One more warm Pod, which the replicas with these numbers know of; all, when none is named."""
        name = f"sandbox-{len(self.agents)}"
        (self.folder / name).mkdir()
        self.agents.append(await asyncio.to_thread(start_agent, self.folder / name, name))
        for index in seen_by or (0, 1):
            self.watches[index].tell("changed", manifest(name, self.agents[-1].port, owner="u"))
        return self.agents[-1]


class Replicas:
    """Two servers of one MCPOptimizer."""

    def __init__(self, pool: Pool, one: Running, two: Running) -> None:
        self.pool, self.one, self.two = pool, one, two

    async def code(self, server: Running, **arguments: Any) -> Shown:
        """What a call of execute_code answers."""
        result = (await ask(server.url, "tools/call", {"name": "execute_code", "arguments": arguments}, {}))["result"]
        return {**json.loads(result["content"][0]["text"]), "failed": result["isError"]}

    async def until(self, done: Callable[[Shown], bool], **arguments: Any) -> Shown:
        """The first answer of the second replica that is as wanted."""
        async with asyncio.timeout(30):
            while not done(answer := await self.code(self.two, **arguments)):  # noqa: ASYNC110 -- what is waited for has no event
                await asyncio.sleep(0.05)
        return answer


@contextlib.asynccontextmanager
async def replicas(folder: Path, **sandbox: Any) -> AsyncIterator[Replicas]:
    pool = Pool(folder)
    write_config(folder / "config.json", {}, sandbox={"enabled": True, "memoryBytes": 256 * 1024 * 1024, **sandbox})
    config, key = folder / "config.json", folder / "key"
    try:
        async with (
            serving(config, key_file=key, lane=pool.lane(0)) as one,
            serving(config, key_file=key, lane=pool.lane(1)) as two,
        ):
            for server in (one, two):
                await server.tools_ready(0)
            yield Replicas(pool, one, two)
    finally:
        for agent in pool.agents:
            agent.kill()


async def gone(agent: AgentProcess) -> None:
    """The Pod has ended."""
    await eventually(lambda: agent.process.poll() is not None)
