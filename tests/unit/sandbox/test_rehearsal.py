"""What is done once before a job comes is not done for it."""

from collections.abc import Callable
from pathlib import Path

from tests.agent_process import AgentProcess

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
    assert agent < 0.7 * agent_without, f"{agent} page faults, {agent_without} without a rehearsal"
    assert worker < 0.7 * worker_without, f"{worker} page faults, {worker_without} without a rehearsal"


def test_nothing_of_the_rehearsal_is_left(agent: AgentProcess) -> None:
    code = "import os\nsorted(globals()), os.listdir(files), os.listdir(artifacts), __name__, sorted(os.listdir('.'))"
    names, files, artifacts, module, folder = agent.run(code).result["value"]
    assert not {"json", "_", "undefined_name"} & set(names)
    assert (files, artifacts, module, len(folder)) == ([], [], "__main__", 2)
