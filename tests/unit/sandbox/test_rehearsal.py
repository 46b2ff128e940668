"""What is done once before a job comes is not done for it."""

import asyncio
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.agent_process import AgentProcess

from mcp_sandbox.rehearsal import rehearse
from mcp_sandbox.worker import Worker

NOBODY = 1 << 30
"""No process has this id."""
UNREHEARSED = "\n".join(
    (
        "import sys",
        "import mcp_sandbox.__main__, mcp_sandbox.agent, mcp_sandbox.worker",
        "mcp_sandbox.agent.rehearse = lambda worker: None",
        "mcp_sandbox.worker._rehearse = lambda: None",
        "sys.exit(mcp_sandbox.__main__.main())",
    )
)


def faults_of_a_job(agent: AgentProcess) -> tuple[int, int]:
    """Page faults of the agent and of its worker, from the claim to the result."""
    pids = (agent.process.pid, agent.children()[0])
    before = [_faults(pid) for pid in pids]
    assert agent.run("1+1").result["value"] == 2
    after = [_faults(pid) for pid in pids]
    return after[0] - before[0], after[1] - before[1]


def _faults(pid: int) -> int:
    """`minflt`: the eighth field behind the name."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[7])


def test_a_job_meets_few_pages_that_agent_and_worker_have_not_copied_before(start: Callable[..., AgentProcess]) -> None:
    agent, worker = faults_of_a_job(start(MCP_SANDBOX_LINGER_SECONDS="5"))
    agent_without, worker_without = faults_of_a_job(start(MCP_SANDBOX_LINGER_SECONDS="5", program=UNREHEARSED))
    assert agent < 0.6 * agent_without, f"{agent} page faults, {agent_without} without a rehearsal"
    assert worker < 0.2 * worker_without, f"{worker} page faults, {worker_without} without a rehearsal"


def test_the_job_finds_nothing_of_the_rehearsal(agent: AgentProcess) -> None:
    code = "import os, sys\nsorted(globals()), os.listdir(files), os.listdir(artifacts), vars(sys.modules['__main__']) is globals(), "
    names, files, artifacts, own, open_files = agent.run(f"{code}len(os.listdir('/proc/self/fd'))").result["value"]
    assert not {"json", "_", "undefined_name"} & set(names)
    assert (files, artifacts, own) == ([], [], True)
    assert open_files == 5, "standard streams, the channel, and the folder that is listed"
    assert "rehearsal failed" not in [entry["event"] for entry in agent.log]


async def test_the_agent_keeps_nothing_of_the_rehearsal_and_the_worker_hears_nothing(tmp_path: Path) -> None:
    (stdout, stdout_write), (stderr, stderr_write) = os.pipe(), os.pipe()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for end in (stdout, stderr):
            os.set_blocking(end, False)
        theirs.setblocking(False)
        (tmp_path / "artifacts").mkdir()
        loop = asyncio.get_running_loop()
        before = _timers(loop)
        rehearse(Worker(NOBODY, ours, stdout, stderr, str(tmp_path), None, 0))
        assert _timers(loop) == before
        assert not loop.remove_reader(stdout) and not loop.remove_reader(stderr)
        with pytest.raises(BlockingIOError):
            theirs.recv(1)
    for end in (stdout, stdout_write, stderr, stderr_write):
        os.close(end)


def _timers(loop: Any) -> int:
    return sum(not handle.cancelled() for handle in loop._scheduled)
