"""A job ends when it must, with everything it started, and the agent outlives it to say so."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.agent_process import AgentProcess, Link, until

Start = Callable[..., AgentProcess]
PLAIN_USER = 100_000 + os.getpid()
"""Nobody else's: the kernel counts processes per user, those of another run of these tests too."""
SYSTEM_PYTHON = "/usr/bin/python3"
ESCAPE = """
import os, signal, time
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.setsid()
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            open(f'escaped-{os.getpid()}', 'w').close()
            time.sleep(600)
        os._exit(0)
while len([name for name in os.listdir('.') if name.startswith('escaped')]) < 3:
    time.sleep(0.01)
"""


def escaped(folder: Path) -> list[int]:
    """Processes of ESCAPE, by the files they made."""
    return [int(path.name.partition("-")[2]) for path in folder.glob("escaped-*")]


def alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def started(agent: AgentProcess, code: str, **limits: float) -> Link:
    """A job that runs."""
    link = agent.connect()
    link.send(agent.start(code, **limits))
    assert link.receive()["type"] == "accepted"
    return link


@pytest.mark.parametrize("end", ["1", "while True: pass", "os._exit(0)", "os.kill(os.getpid(), 9)"])
def test_detached_children_end_with_their_job(agent: AgentProcess, tmp_path: Path, end: str) -> None:
    agent.run(ESCAPE + end, timeoutSeconds=3)
    assert agent.wait() == 0
    assert len(escaped(tmp_path)) == 3
    assert not [pid for pid in escaped(tmp_path) if alive(pid)]


def test_a_lost_connection_kills_the_job(agent: AgentProcess, tmp_path: Path) -> None:
    link = started(agent, ESCAPE + "time.sleep(600)")
    until("the children", lambda: len(escaped(tmp_path)) == 3)
    link.sock.close()
    assert agent.wait() == 4
    assert not [pid for pid in escaped(tmp_path) if alive(pid)]


def test_cancel_kills_the_job_and_says_so(agent: AgentProcess, tmp_path: Path) -> None:
    link = started(agent, ESCAPE + "time.sleep(600)")
    until("the children", lambda: len(escaped(tmp_path)) == 3)
    link.send({"type": "cancel"})
    assert link.finish().kind == "cancelled"
    assert agent.wait() == 0
    assert not [pid for pid in escaped(tmp_path) if alive(pid)]


def test_a_job_deaf_to_signals_is_killed_at_its_deadline(agent: AgentProcess) -> None:
    code = "import signal\nfor n in range(1, 32):\n  try: signal.signal(n, signal.SIG_IGN)\n  except (OSError, ValueError): pass\nwhile True: pass"
    assert agent.run(code, timeoutSeconds=1).kind == "timeout"


def test_a_child_that_comes_out_of_the_code_does_not_speak_for_the_job(agent: AgentProcess) -> None:
    run = agent.run("import os, time\nchild = os.fork()\nif child: os.waitpid(child, 0)\n'child' if child == 0 else 'parent'")
    assert run.result["value"] == "parent"


def test_a_pod_told_to_end_in_mid_job_says_that_the_job_is_lost(agent: AgentProcess) -> None:
    link = started(agent, "import time\ntime.sleep(600)")
    agent.process.terminate()
    run = link.finish()
    assert (run.kind, "lost" in run.message) == ("killed", True)
    assert agent.wait() == 0


def test_a_malformed_frame_of_the_server_ends_the_job(agent: AgentProcess) -> None:
    link = started(agent, "import time\ntime.sleep(600)")
    link.sock.sendall(b"\xff\xff\xff\xff")
    assert link.finish().kind == "cancelled"


def test_the_job_sees_nothing_of_the_pods_environment(start: Start, tmp_path: Path) -> None:
    agent = start(KUBERNETES_PORT="tcp://10.96.0.1:443", SECRET="hunter2")
    run = agent.run("import os\n[dict(os.environ), open('/proc/self/environ').read(), os.getcwd()]")
    environment, original, folder = run.result["value"]
    assert sorted(environment) == ["HOME", "LANG", "PATH", "TMPDIR"]
    assert original.strip("\0") == ""
    assert folder == str(tmp_path)


def test_the_job_has_its_limits_and_only_its_own_descriptors(agent: AgentProcess) -> None:
    code = """
import os, resource, sys
names = ['RLIMIT_AS', 'RLIMIT_NOFILE', 'RLIMIT_CORE', 'RLIMIT_NPROC', 'RLIMIT_FSIZE']
limits = {name: resource.getrlimit(getattr(resource, name))[0] for name in names}
status = dict(line.split(':\\t') for line in open('/proc/self/status').read().splitlines())
targets = sorted(os.readlink(f'/proc/self/fd/{fd}').partition(':')[0] for fd in range(100) if os.path.exists(f'/proc/self/fd/{fd}'))
[limits, status['NoNewPrivs'], targets, sys.stdin.read(), os.getsid(0) == os.getpid()]
"""
    limits, no_new_privileges, targets, stdin, leads_session = agent.run(code, maxProcesses=7).result["value"]
    memory = 256 * 1024 * 1024
    assert limits == {"RLIMIT_AS": memory, "RLIMIT_NOFILE": 100, "RLIMIT_CORE": 0, "RLIMIT_NPROC": 8, "RLIMIT_FSIZE": memory}
    assert no_new_privileges == "1"
    assert targets == ["/dev/null", "pipe", "pipe", "socket"]
    assert (stdin, leads_session) == ("", True)


def test_limits_cannot_be_raised_again(start: Start) -> None:
    run = as_plain_user(start).run("import resource\nresource.setrlimit(resource.RLIMIT_AS, (1 << 40, 1 << 40))")
    assert "not allowed to raise maximum limit" in run.message


def test_a_fork_bomb_is_bounded_and_killed(start: Start) -> None:
    code = "import os, time\nopen('x', 'a').write('x')\nwhile True:\n    try:\n        os.fork()\n        open('x', 'a').write('x')\n    except OSError:\n        time.sleep(0.01)"
    agent = as_plain_user(start)
    run = agent.run(code, timeoutSeconds=2, maxProcesses=20)
    assert run.kind == "timeout"
    assert agent.wait() == 0
    assert not [pid for pid in processes_of(PLAIN_USER) if alive(pid)]


def test_a_job_cannot_look_into_the_agent(start: Start) -> None:
    code = """
import os
out = []
for name in ('mem', 'environ', 'maps', 'fd/0'):
    try:
        open(f'/proc/{os.getppid()}/{name}', 'rb').read(10)
        out.append(name)
    except OSError:
        pass
out
"""
    assert as_plain_user(start).run(code).result["value"] == []


def test_as_pid_1_the_agent_survives_a_job_that_kills_everything(start: Start) -> None:
    agent = as_pid_1(start)
    run = agent.run("import os\nif os.fork() == 0:\n    os.setsid()\n    os.kill(-1, 9)\nimport time\ntime.sleep(600)")
    assert (run.kind, "signal 9" in run.message) == ("killed", True)
    assert agent.wait() == 0


def test_as_pid_1_the_agent_ends_a_job_with_too_many_processes_where_the_kernel_does_not(start: Start) -> None:
    code = "import os, time\nfor _ in range(30):\n    if os.fork() == 0:\n        os.setsid()\n        time.sleep(600)\ntime.sleep(600)"
    run = as_pid_1(start).run(code, maxProcesses=20)
    assert (run.kind, "the limit is 20" in run.message) == ("killed", True)


def test_as_pid_1_the_agent_counts_threads_too(start: Start) -> None:
    code = "import threading, time\nfor _ in range(30):\n    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\ntime.sleep(600)"
    run = as_pid_1(start).run(code, maxProcesses=20)
    assert (run.kind, "the limit is 20" in run.message) == ("killed", True)


def test_as_pid_1_the_agent_lets_a_job_have_the_processes_it_may(start: Start) -> None:
    code = "import os, time\nfor _ in range(19):\n    if os.fork() == 0:\n        time.sleep(600)\ntime.sleep(0.5)\n'done'"
    assert as_pid_1(start).run(code, maxProcesses=20).result["value"] == "done"


def as_pid_1(start: Start) -> AgentProcess:
    """An agent as root in a process namespace of its own, as in its Pod; root has no process limit from the kernel."""
    if (
        os.getuid() != 0
        or shutil.which("unshare") is None
        or subprocess.run(["unshare", "--pid", "--fork", "true"], check=False).returncode
    ):
        pytest.skip("needs root and unshare for a process namespace of its own")
    return start(prefix=("unshare", "--pid", "--fork", "--mount-proc", "--kill-child"))


def as_plain_user(start: Start) -> AgentProcess:
    """An agent under a user id of its own: the kernel does not limit or hide anything from root."""
    if os.getuid() != 0:
        return start()
    if (
        not Path(SYSTEM_PYTHON).exists()
        or subprocess.run([SYSTEM_PYTHON, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"], check=False).returncode
    ):
        pytest.skip(f"needs Python 3.11 at {SYSTEM_PYTHON}, readable for every user")
    return start(user=PLAIN_USER, python=SYSTEM_PYTHON)


def processes_of(user: int) -> list[int]:
    """Their process ids."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if path.stat().st_uid == user:
                found.append(int(path.name))
        except OSError:
            continue
    return found
