"""Between its result and the end of its Pod a job stands still: taking it down is not in the way of its result."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.agent_process import AgentProcess, state_of, until, worker_of
from tests.unit.sandbox.test_containment import ESCAPE, alive, as_pid_1, escaped

Start = Callable[..., AgentProcess]
LONG = {"MCP_SANDBOX_LINGER_SECONDS": "60"}
TICKING = """
import threading
def tick():
    while True:
        with open('ticks', 'a') as file: file.write('x')
threading.Thread(target=tick, daemon=True).start()
"""
DEAF_TO_STOP = """
import os, signal, threading
def go_on():
    while True: os.kill(os.getpid(), signal.SIGCONT)
threading.Thread(target=go_on, daemon=True).start()
"""
CONTINUED_LATER = """
import ctypes, signal, struct
libc, timer = ctypes.CDLL(None), ctypes.c_void_p()
assert libc.timer_create(1, struct.pack('Pii48x', 0, signal.SIGCONT, 0), ctypes.byref(timer)) == 0
assert libc.timer_settime(timer, 0, struct.pack('qqqq', 0, 0, 0, 500_000_000), None) == 0
"""


@pytest.fixture
def patient(start: Start) -> AgentProcess:
    """An agent that stays for at least 20 seconds after its job."""
    return start(**LONG)


@pytest.mark.parametrize("code", ["1", "1/0", "object()"], ids=["value", "exception", "no-json"])
def test_a_worker_that_has_reported_stands_still(patient: AgentProcess, code: str) -> None:
    worker = worker_of(patient)
    patient.run(code)
    until("the worker to stand still", lambda: state_of(worker) == "T")
    assert patient.process.poll() is None


def test_its_threads_do_too(patient: AgentProcess, tmp_path: Path) -> None:
    worker = worker_of(patient)
    assert patient.run(TICKING + "1").result["ok"]
    until("the worker to stand still", lambda: state_of(worker) == "T")
    ticks = (tmp_path / "ticks").stat().st_size
    patient.process.terminate()
    assert patient.wait() == 0
    assert (tmp_path / "ticks").stat().st_size == ticks


def test_every_other_process_is_killed_at_once(patient: AgentProcess, tmp_path: Path) -> None:
    worker = worker_of(patient)
    assert patient.run(ESCAPE + "1").result["ok"]
    until("the children to be dead", lambda: not [pid for pid in escaped(tmp_path) if alive(pid)])
    assert len(escaped(tmp_path)) == 3
    assert state_of(worker) == "T"


@pytest.mark.parametrize("trick", [DEAF_TO_STOP, CONTINUED_LATER], ids=["all-the-time", "later"])
def test_one_that_does_not_stand_still_is_killed(patient: AgentProcess, trick: str) -> None:
    worker = worker_of(patient)
    assert patient.run(trick + "1").result["ok"]
    until("the worker to be dead", lambda: state_of(worker) in ("Z", ""))
    assert patient.process.poll() is None


def test_so_is_one_that_somebody_continues(patient: AgentProcess) -> None:
    worker = worker_of(patient)
    assert patient.run("1").result["ok"]
    until("the worker to stand still", lambda: state_of(worker) == "T")
    os.kill(worker, signal.SIGCONT)
    until("the worker to be dead", lambda: state_of(worker) in ("Z", ""))


def test_a_job_that_was_cut_short_is_killed_at_once(patient: AgentProcess) -> None:
    worker = worker_of(patient)
    assert patient.run("while True: pass", timeoutSeconds=0.5).kind == "timeout"
    until("the worker to be dead", lambda: state_of(worker) in ("Z", ""))
    assert patient.process.poll() is None


@pytest.mark.parametrize("end", ["1", DEAF_TO_STOP + "1"], ids=["quiet", "restless"])
def test_nothing_is_left_when_the_pod_has_ended(agent: AgentProcess, end: str) -> None:
    worker = worker_of(agent)
    assert agent.run(end).result["ok"]
    assert agent.wait() == 0
    assert not alive(worker)


def test_as_pid_1_the_whole_pod_is_stopped_with_one_signal(start: Start, tmp_path: Path) -> None:
    agent = as_pid_1(start)
    assert agent.run(ESCAPE + "1").result["ok"]
    assert agent.wait() == 0
    assert len(escaped(tmp_path)) == 3
