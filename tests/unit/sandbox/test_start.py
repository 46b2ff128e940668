"""How an agent begins: with settings that it can rely on, and with no open port before its Pod is isolated."""

import asyncio
import contextlib
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.agent_process import PATIENCE, PYTHON, AgentProcess, environment_of, until

from mcp_sandbox.isolation import reachable

Start = Callable[..., AgentProcess]
DENIED = {"MCP_SANDBOX_EGRESS": "denied", "KUBERNETES_SERVICE_HOST": "127.0.0.1"}


@pytest.fixture
def reserved() -> Iterator[tuple[int, int]]:
    """Ports that nobody else is given, for the agent's settings: bound already, so that only a listener can be added."""
    with socket.socket() as first, socket.socket() as second:
        for sock in (first, second):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("127.0.0.1", 0))
        yield first.getsockname()[1], second.getsockname()[1]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MCP_SANDBOX_TOKEN_SHA256", "abc"),
        ("MCP_SANDBOX_WORKDIR", "/does/not/exist"),
        ("MCP_SANDBOX_PORT", "eight"),
        ("MCP_SANDBOX_IDLE_SECONDS", "0"),
        ("MCP_SANDBOX_LINGER_SECONDS", "soon"),
        ("MCP_SANDBOX_EGRESS", "open"),
        ("MCP_SANDBOX_EGRESS_SECONDS", "-1"),
    ],
)
def test_bad_settings_are_named(start: Start, name: str, value: str) -> None:
    agent = start(warm=False, **{name: value})
    assert agent.wait() == 2
    assert name in agent.log[-1]["reason"]


@pytest.mark.parametrize("host", ["", "kubernetes.default.svc", "10.96.0"])
def test_an_agent_that_cannot_prove_anything_of_the_network_does_not_start(start: Start, host: str) -> None:
    agent = start(warm=False, MCP_SANDBOX_EGRESS="denied", KUBERNETES_SERVICE_HOST=host)
    assert agent.wait() == 2
    assert f"KUBERNETES_SERVICE_HOST={host!r}" in agent.log[-1]["reason"] and "allowUnenforcedEgress" in agent.log[-1]["reason"]


def _stall() -> None:
    time.sleep(0.05)


async def test_a_busy_node_does_not_make_an_open_network_look_closed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        probe = asyncio.create_task(reachable(listener.getsockname(), 0.05))
        for _ in range(3):
            await asyncio.sleep(0)
            _stall()
        assert await probe


async def test_what_refuses_and_what_says_nothing_is_out_of_reach(reserved: tuple[int, int]) -> None:
    assert not await reachable(("127.0.0.1", reserved[0]))
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, contextlib.ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(waiting := socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        assert not await reachable(full.getsockname(), 0.1)


def test_a_pod_whose_jobs_could_fill_the_nodes_disk_does_not_start(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "termination-log"
    path.touch(mode=0o666)
    agent = start(warm=False, MCP_SANDBOX_TERMINATION_LOG=str(path))
    assert agent.wait() == 2
    assert repr(str(path)) in agent.log[-1]["reason"] and "mode 0700" in agent.log[-1]["reason"]


def test_a_pod_that_can_get_out_lets_nobody_in(start: Start, reserved: tuple[int, int]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        outside = {**DENIED, "KUBERNETES_SERVICE_PORT": str(listener.getsockname()[1])}
        agent = start(warm=False, **outside, MCP_SANDBOX_PORT=str(reserved[0]), MCP_SANDBOX_HEALTH_PORT=str(reserved[1]))
        assert "the network is open" in agent.log[-1]["reason"]
        for _ in range(3):
            accepted, _ = listener.accept()
            accepted.close()
            for port in reserved:
                with pytest.raises(ConnectionRefusedError):
                    socket.create_connection(("127.0.0.1", port))
    until("the agent to see that it is isolated", lambda: any(entry["event"] == "listening" for entry in agent.log))
    agent.port, agent.health_port = reserved
    until("the agent to be warm", lambda: agent.ready()[0] == 200)
    assert agent.run("1").result["ok"]


def test_an_agent_that_rehearses_yet_takes_no_job(start: Start, reserved: tuple[int, int]) -> None:
    slow = "import asyncio, sys\nimport mcp_sandbox.agent as a\nimport mcp_sandbox.__main__ as m\n"
    slow += 'async def knock(*_):\n  print(\'{"event": "waiting"}\', file=sys.stderr, flush=True)\n  await asyncio.sleep(1)\n'
    slow += "a._knock = knock\nsys.exit(m.main())"
    agent = start(warm=False, program=slow, MCP_SANDBOX_PORT=str(reserved[0]), MCP_SANDBOX_HEALTH_PORT=str(reserved[1]))
    agent.port, agent.health_port = reserved
    assert agent.ready() == (503, "warming up")
    link = agent.connect()
    link.send(agent.start("1"))
    refused = link.receive()
    assert (refused["code"], refused["state"]) == (409, "warming")
    until("the agent to be warm", lambda: agent.ready()[0] == 200)
    assert agent.run("1").result["ok"]


def test_an_agent_that_cannot_listen_ends_and_says_why(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        environment = {**environment_of(tmp_path, "x-sandbox-1"), "MCP_SANDBOX_PORT": str(taken.getsockname()[1])}
        done = subprocess.run([PYTHON, "-m", "mcp_sandbox"], env=environment, capture_output=True, timeout=PATIENCE, check=False)
    assert (done.returncode, b"Address already in use" in done.stderr) == (1, True)


def test_a_pod_that_still_gets_out_when_its_patience_is_over_ends_and_says_so(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        agent = start(warm=False, **DENIED, KUBERNETES_SERVICE_PORT=port, MCP_SANDBOX_EGRESS_SECONDS="0")
        assert agent.wait() == 7
    assert any(entry["event"] == "network open" for entry in agent.log)


def test_a_pod_that_need_not_prove_anything_is_ready_on_an_open_network(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        agent = start(KUBERNETES_SERVICE_HOST="127.0.0.1", KUBERNETES_SERVICE_PORT=port, MCP_SANDBOX_EGRESS="unchecked")
        until("ready", lambda: agent.ready()[0] == 200)
        assert agent.run("1").result["ok"]
