"""Agents that end with their test."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.agent_process import AgentProcess, start_agent


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., AgentProcess]]:
    """Start agents; keyword arguments as `start_agent`."""
    agents: list[AgentProcess] = []

    def one(**options: Any) -> AgentProcess:
        agents.append(start_agent(tmp_path, **options))
        return agents[-1]

    yield one
    for agent in agents:
        agent.kill()


@pytest.fixture
def agent(start: Callable[..., AgentProcess]) -> AgentProcess:
    """A warm agent."""
    return start()
