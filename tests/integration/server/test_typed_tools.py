"""Code in a real sandbox agent uses tools as functions and searches for them; a program that cannot work costs no sandbox."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from mcp import Client

from mcp_optimizer.sandbox import PodLane
from tests.agent_process import POOL_KEY, AgentProcess, start_agent
from tests.integration.server.conftest import Start
from tests.integration.server.harness import Running, serving, write_config
from tests.integration.server.upstreams import TOOLS, Modern
from tests.unit.server_sandbox.conftest import FakeWatch, manifest

pytestmark = pytest.mark.integration
OWNER = "u"
NASTY = {
    "name": "class",
    "description": '""" + __import__(\'os\').abort() + """ \'\'\'',
    "inputSchema": {"type": "object", "properties": {"from": {"type": "string", "description": "'''"}}, "required": ["from"]},
}
SETTINGS: dict[str, Any] = {
    "sandbox": {"enabled": True, "podSelector": "a=b", "timeoutSeconds": 20, "memoryBytes": 256 * 1024 * 1024},
    "tools": {"exclude": ["*.fail"]},
    "recording": {"enabled": True},
}
Warm = Callable[[str], AgentProcess]


@pytest.fixture
def watch() -> FakeWatch:
    return FakeWatch()


@pytest.fixture
def warm(watch: FakeWatch, tmp_path: Path) -> Iterator[Warm]:
    """Add a sandbox to the pool."""
    agents: list[AgentProcess] = []

    def one(name: str) -> AgentProcess:
        agents.append(start_agent(tmp_path, name))
        watch.tell("changed", manifest(name, agents[-1].port, owner=OWNER))
        return agents[-1]

    yield one
    for agent in agents:
        agent.kill()


@pytest_asyncio.fixture
async def server(start: Start, tmp_path: Path, watch: FakeWatch) -> AsyncIterator[Running]:
    upstream = await start(Modern([*TOOLS, NASTY]))
    write_config(tmp_path / "config.json", {"git_hub": upstream.url}, **SETTINGS)
    (tmp_path / "key").write_bytes(POOL_KEY)
    async with serving(tmp_path / "config.json", lane=PodLane(watch, tmp_path / "key")) as running:
        await running.tools_ready(len(TOOLS))  # one more, one excluded
        yield running


async def run(server: Running, code: str | None = None, **more: Any) -> dict[str, Any]:
    """What execute_code answers."""
    arguments = more if code is None else {"code": code, **more}
    async with Client(server.url) as client:
        result: Any = await client.call_tool("execute_code", arguments)
    return dict(json.loads(result.content[0].text))


async def test_code_uses_tools_as_functions_and_finds_them_by_words(server: Running, warm: Warm) -> None:
    await asyncio.to_thread(warm, "pod-1")
    code = """
import asyncio, inspect
from tools.git_hub import create_issue
weather = await asyncio.gather(*(atools.git_hub.weather(city=str(n)) for n in range(10)))
hit = search("current weather", limit=1)[0]
[
    create_issue(repo="a/b", title="x"), len(weather), weather[3]["city"], hit["id"], describe(hit["id"])["description"],
    dir(tools), dir(tools.git_hub), str(inspect.signature(create_issue)), tools.git_hub.class_(from_="y"),
]
"""
    answer = await run(server, code)
    assert answer["result"] == [
        {"tool": "create_issue", "repo": "a/b", "title": "x"},
        10,
        "3",
        "git-hub.weather",
        "Current weather of a city.",
        ["git_hub"],
        ["class_", "create_issue", "echo", "weather"],
        "(*, repo: str, title: str, labels: list[str] = ...) -> Any",
        {"tool": "class", "from": "y"},
    ]
    assert answer["calls"] == 12


async def test_a_program_that_cannot_work_costs_no_sandbox(server: Running, warm: Warm) -> None:
    agent = await asyncio.to_thread(warm, "pod-1")
    syntax = await run(server, "x = 1\ndef f(:\n    pass")
    assert syntax == {"code": 400, "kind": "preflight", "message": "nothing was run: line 2: SyntaxError: invalid syntax: def f(:"}
    wrong = await run(server, "tools.git_hub.create_isue()\ncall('git-hub.fail')\ncall('git-hub.create_issue', repo=repo, title=5)")
    assert (wrong["code"], wrong["kind"], len(wrong["findings"])) == (400, "preflight", 3)
    assert [finding[:7] for finding in wrong["findings"]] == ["line 1:", "line 2:", "line 3:"]
    stats = await server.stats()
    assert (stats["sandbox"]["jobs"], stats["sandbox"]["refused"]) == (0, 0) and agent.ready()[0] == 200
    assert 'mcp_optimizer_preflights_total{outcome="refused"} 2.0' in (await server.get("/metrics"))[1]
    # The one Pod there is still takes a job, and that can catch what the look before it leaves alone.
    assert (await run(server, "try:\n    tools.git_hub.nothing()\nexcept AttributeError:\n    r = 7\nr"))["result"] == 7


async def test_a_replay_answers_what_the_code_asked_about_tools_that_are_gone(server: Running, warm: Warm) -> None:
    await asyncio.to_thread(warm, "pod-1")
    first = await run(
        server, "[search('issue', limit=1), str(tools.git_hub.create_issue), tools.git_hub.create_issue(repo='a', title='b')][::2]"
    )
    assert first["result"][1] == {"tool": "create_issue", "repo": "a", "title": "b"}
    write_config(server.config_file, {}, **SETTINGS)
    await server.tools_ready(0)
    await asyncio.to_thread(warm, "pod-2")
    again = await run(server, replay=first["recording"])
    assert again["result"] == first["result"] and again["replay"] == {"identical": True, "catalogue_changed": True}
