"""Between its result and the end of its Pod a job stands still: taking it down is not in the way of its result."""

import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.agent_process import AgentProcess, Session, state_of, until, worker_of
from tests.unit.sandbox.test_containment import ESCAPE, alive, as_pid_1, escaped
from tests.unit.sandbox.test_sessions import BY_THE_END_OF_A_CHILD

Start = Callable[..., AgentProcess]
STAY = """
from mcp_sandbox import __main__, agent, supervision
agent.random.uniform = lambda low, high: 6
supervision.HALT_SECONDS = 5
__main__.main()
"""
"""An agent that stays for a minute after its job, and gives that some seconds to stand still: however slow the machine, both happen."""
HASTY = STAY.replace("HALT_SECONDS = 5", "HALT_SECONDS = 0.25")
TICKING = """
import os, threading
def tick():
    while True:
        with open('ticks', 'a') as file: file.write('x')
threading.Thread(target=tick, daemon=True).start()
while not os.path.exists('ticks'): pass
"""
ALL_THE_TIME = """
import os, signal, threading
def go_on():
    while True: os.kill(os.getpid(), signal.SIGCONT)
threading.Thread(target=go_on, daemon=True).start()
"""
LATER = """
import ctypes, os, signal, struct
libc, timer = ctypes.CDLL(None), ctypes.c_void_p()
assert libc.timer_create(1, struct.pack('Pii48x', 0, signal.SIGCONT, 0), ctypes.byref(timer)) == 0
assert libc.timer_settime(timer, 0, struct.pack('qqqq', 0, 500_000_000, 0, 500_000_000), None) == 0
"""
FOR_A_MOMENT = LATER + "signal.signal(signal.SIGCONT, lambda *_: os.kill(os.getpid(), signal.SIGSTOP))\n"
WITH_A_LATE_CHILD = (
    LATER
    + """
import threading, time
def go_on():
    while not os.path.exists('go'): time.sleep(0.01)
    if os.fork() == 0:
        open(f'escaped-{os.getpid()}', 'w').close()
        time.sleep(600)
    libc.timer_settime(timer, 0, struct.pack('qqqq', 0, 0, 0, 0), None)
    os.kill(os.getpid(), signal.SIGSTOP)
threading.Thread(target=go_on, daemon=True).start()
"""
)


@pytest.fixture
def patient(start: Start) -> AgentProcess:
    """An agent that stays."""
    return start(program=STAY, MCP_SANDBOX_LINGER_SECONDS="10")


def stands(pid: int) -> bool:
    """Whether every thread of it does."""
    return {state_of(int(path.name)) for path in Path(f"/proc/{pid}/task").iterdir()} == {"T"}


def gone(pid: int) -> bool:
    """Whether it is dead."""
    return state_of(pid) in ("Z", "")


def continued(pid: int) -> None:
    """Let it go on."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("code", ["1", "1/0", "object()"], ids=["value", "exception", "no-json"])
def test_a_worker_that_has_reported_stands_still(patient: AgentProcess, code: str) -> None:
    worker = worker_of(patient)
    patient.run(code)
    until("the worker to stand still", lambda: stands(worker))
    assert patient.process.poll() is None


def test_its_threads_do_too(patient: AgentProcess, tmp_path: Path) -> None:
    worker = worker_of(patient)
    assert patient.run(TICKING + "1").result["ok"]
    until("the worker to stand still", lambda: stands(worker))
    ticks = (tmp_path / "ticks").stat().st_size
    patient.process.terminate()
    assert patient.wait() == 0
    assert (tmp_path / "ticks").stat().st_size == ticks


def test_every_other_process_is_killed_at_once(patient: AgentProcess, tmp_path: Path) -> None:
    worker = worker_of(patient)
    assert patient.run(ESCAPE + "1").result["ok"]
    until("the children to be dead", lambda: not [pid for pid in escaped(tmp_path) if alive(pid)])
    assert len(escaped(tmp_path)) == 3
    until("the worker to stand still", lambda: stands(worker))


def test_one_that_is_continued_all_the_time_stands_still_or_is_killed(start: Start) -> None:
    agent = start(program=HASTY, MCP_SANDBOX_LINGER_SECONDS="10")
    worker = worker_of(agent)
    assert agent.run(ALL_THE_TIME + "1").result["ok"]
    until("the worker to go on no more", lambda: gone(worker) or stands(worker))
    assert agent.process.poll() is None


@pytest.mark.parametrize("trick", [LATER, FOR_A_MOMENT, BY_THE_END_OF_A_CHILD])
def test_one_that_does_not_stand_still_is_killed(start: Start, trick: str) -> None:
    agent = start(program=HASTY, MCP_SANDBOX_LINGER_SECONDS="10")
    worker = worker_of(agent)
    assert agent.run("import os, signal\n" + trick + "1").result["ok"]
    until("the worker to be dead", lambda: gone(worker))
    assert agent.process.poll() is None


def test_so_is_one_that_has_a_child_by_then(patient: AgentProcess, tmp_path: Path) -> None:
    worker = worker_of(patient)
    assert patient.run(WITH_A_LATE_CHILD + "1").result["ok"]
    (tmp_path / "go").touch()
    until("the child", lambda: escaped(tmp_path))
    until("both to be dead", lambda: gone(worker) and gone(escaped(tmp_path)[0]))
    assert patient.process.poll() is None


def test_so_is_one_that_somebody_continues(start: Start) -> None:
    agent = start(program=HASTY, MCP_SANDBOX_LINGER_SECONDS="10")
    worker = worker_of(agent)
    assert agent.run("1").result["ok"]
    until("the worker to be dead", lambda: gone(worker) or continued(worker))
    assert agent.process.poll() is None


def test_a_job_that_was_cut_short_is_killed_at_once(patient: AgentProcess) -> None:
    worker = worker_of(patient)
    assert patient.run("while True: pass", timeoutSeconds=0.5).kind == "timeout"
    until("the worker to be dead", lambda: gone(worker))
    assert patient.process.poll() is None


def test_a_session_that_ends_by_its_own_report_stands_still(patient: AgentProcess) -> None:
    worker = worker_of(patient)
    assert Session(patient, "1").run("b = bytearray(10**10)").kind == "memory"
    until("the worker to stand still", lambda: stands(worker))


def test_as_pid_1_the_whole_pod_is_stopped_and_the_worker_left(start: Start) -> None:
    agent = as_pid_1(lambda **options: start(program=STAY, MCP_SANDBOX_LINGER_SECONDS="10", **options))
    first = worker_of(agent)
    below = Path(f"/proc/{first}/task/{first}/children")
    worker = int(below.read_text())
    assert agent.run(ESCAPE + "1").result["ok"]
    until("the worker to stand still", lambda: stands(worker))
    until("the others to be gone", lambda: [int(pid) for pid in below.read_text().split() if not gone(int(pid))] == [worker])
