"""A Pod that is a session's: runs one after the other in one process, and what ends it."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.agent_process import LIFE, LIMITS, AgentProcess, Session, state_of, until, worker_of

from mcp_optimizer_api.job import Result

Start = Callable[..., AgentProcess]


def test_variables_imports_files_and_functions_survive_between_runs(agent: AgentProcess) -> None:
    session = Session(agent, "import math\nopen('f', 'w').write('kept')\nx = 20\ndef double(v): return v * 2\nx")
    assert (session.first.result["value"], session.first.result["open"], session.first.result["run"]) == (20, True, 1)
    again = session.run("(double(x), math.floor(2.5), open('f').read(), params['n'])")
    assert again.result["value"] == [40, 2, "kept", 2]
    assert Result.model_validate(again.result).run == 2


def test_a_result_of_an_earlier_run_is_no_answer_of_this_one(agent: AgentProcess) -> None:
    session = Session(agent, "result = 5")
    assert session.first.result["value"] == 5
    assert session.run("y = 1").result["value"] is None
    assert session.run("result = 5").result["value"] == 5
    assert session.run("result").result["value"] == 5


def test_an_exception_keeps_the_session_and_shows_the_lines_of_the_run_it_came_from(agent: AgentProcess) -> None:
    session = Session(agent, "kept = 1\ndef broken():\n    raise ValueError('from the first')\n")
    failed = session.run("x = 1\nbroken()")
    assert (failed.kind, failed.result["open"]) == ("exception", True)
    trace = failed.result["error"]["traceback"]
    assert "raise ValueError('from the first')" in trace
    assert '<job run 2>", line 2' in trace
    assert session.run("syntax error here").kind == "exception"
    assert session.run("import sys\nsys.exit(3)").kind == "exception"
    assert session.run("kept + x").result["value"] == 2


@pytest.mark.parametrize(
    ("code", "limits", "kind"),
    [
        ("while True: pass", {"timeoutSeconds": 0.5}, "timeout"),
        ("import os\nos._exit(0)", {}, "killed"),
        ("b = bytearray(10**10)", {}, "memory"),
        ("call.__self__._sock.sendall(b'\\0\\0\\0\\x02{}')\nimport time\ntime.sleep(20)", {}, "killed"),
    ],
    ids=["timeout", "exit", "memory", "protocol"],
)
def test_what_a_worker_does_not_survive_whole_ends_the_session(agent: AgentProcess, code: str, limits: dict[str, float], kind: str) -> None:
    session = Session(agent, "1")
    failed = session.run(code, **limits)
    assert (failed.kind, failed.result["open"]) == (kind, False)
    assert agent.wait() == 0


def test_each_run_has_its_own_calls_and_output(agent: AgentProcess) -> None:
    code = "print('x' * 6)\n[call('a.b', i=i)['i'] for i in range(2)]"
    limits = {"maxCalls": 2, "maxOutputBytes": 7}
    session = Session(agent, code, **limits)
    for run in (session.first, session.run(code, **limits), session.run(code, **limits)):
        assert (run.result["value"], run.result["calls"], run.printed(), run.result["stdoutTruncated"]) == ([0, 1], 2, "x" * 6 + "\n", 0)
        assert {frame["run"] for frame in run.frames if frame["type"] != "accepted"} == {run.result["run"]}


def test_the_time_of_a_run_does_not_end_the_next_one(agent: AgentProcess) -> None:
    session = Session(agent, "import time", timeoutSeconds=2)
    assert session.run("time.sleep(2.2)\n'slept'").result["value"] == "slept"


def test_nothing_but_the_worker_is_left_between_runs_and_it_stands_still(agent: AgentProcess) -> None:
    worker = worker_of(agent)
    code = (
        "import os, subprocess, threading, time\n"
        "child = subprocess.Popen(['sleep', '300'])\n"
        "escaped = subprocess.Popen(['setsid', '--fork', 'sleep', '300']).wait()\n"
        "ticks = []\n"
        "threading.Thread(target=lambda: [(ticks.append(1), time.sleep(0.01)) for _ in iter(int, 1)], daemon=True).start()\n"
        "child.pid"
    )
    session = Session(agent, code)
    child = session.first.result["value"]
    until("the child to be dead", lambda: state_of(child) in ("Z", ""))
    until("the worker to stand still", lambda: state_of(worker) == "T")
    first = session.run("len(ticks), child.wait()").result["value"]
    assert first[1] == -9
    until("the worker to stand still", lambda: state_of(worker) == "T")
    assert session.run(f"while len(ticks) <= {first[0]}: time.sleep(0.01)\n'it goes on'").result["value"] == "it goes on"


BY_A_TIMER = """
import ctypes, struct
libc, timer = ctypes.CDLL(None), ctypes.c_void_p()
assert libc.timer_create(1, struct.pack('Pii48x', 0, signal.SIGCONT, 0), ctypes.byref(timer)) == 0
assert libc.timer_settime(timer, 0, struct.pack('qqqq', 0, 50_000_000, 0, 50_000_000), None) == 0
"""
BY_THE_END_OF_A_CHILD = """
import ctypes
if ctypes.CDLL(None).syscall(ctypes.c_long(220 if os.uname().machine == 'aarch64' else 56), ctypes.c_long(signal.SIGCONT), 0, 0, 0, 0) == 0:
    signal.pause()
"""


@pytest.mark.parametrize("trick", [BY_A_TIMER, BY_THE_END_OF_A_CHILD], ids=["timer", "end-of-a-child"])
def test_a_job_that_has_itself_continued_between_runs_ends_its_session(agent: AgentProcess, trick: str) -> None:
    worker = worker_of(agent)
    thread = "import os, signal, threading, time\nthreading.Thread(target=time.sleep, args=(300,), daemon=True).start()\n"
    session = Session(agent, thread + trick)
    message = session.first.message if session.first.result.get("error") else session.ended()
    assert "went on by itself" in message or "could not be ended" in message
    until("the worker to be dead", lambda: state_of(worker) in ("Z", ""))


def test_what_a_thread_prints_after_its_run_is_the_next_runs_and_nothing_of_the_first_comes_late(agent: AgentProcess) -> None:
    session = Session(agent, "import threading\ngo = threading.Event()\nprint('one')\n")
    assert session.first.printed() == "one\n"
    begun = session.run("late = threading.Thread(target=lambda: (go.wait(), print('thread')), daemon=True)\nlate.start()\nprint('two')")
    assert begun.printed() == "two\n"
    last = session.run("go.set()\nlate.join()")
    assert last.printed() == "thread\n"
    assert [frame["run"] for frame in last.frames] == [3, 3]


def test_a_call_that_is_open_when_its_run_ends_fails_in_its_thread_and_a_late_answer_is_dropped(
    agent: AgentProcess, tmp_path: Path
) -> None:
    flag = tmp_path / "heard"
    code = (
        "import os, threading, time\nseen = []\n"
        "def ask():\n    try:\n        seen.append(call('a.b'))\n    except ToolError as error:\n        seen.append(error.code)\n"
        "thread = threading.Thread(target=ask)\nthread.start()\n"
        f"while not os.path.exists({str(flag)!r}): time.sleep(0.01)"
    )
    session = Session(agent, "1")
    calls: list[dict[str, Any]] = []

    def keep(call: dict[str, Any]) -> None:
        calls.append(call)
        flag.touch()

    session.begin(code)
    session.finish(keep)
    session.link.send({"type": "callResult", "run": 2, "seq": calls[0]["seq"], "ok": True, "value": "late"})
    assert session.run("thread.join(5)\nseen").result["value"] == [408]


def test_a_session_without_a_run_ends_itself_and_says_so(agent: AgentProcess) -> None:
    session = Session(agent, "1", terms={"idleSeconds": 0.2})
    assert "no run for 0.2 s" in session.ended()
    session.link.sock.close()
    assert agent.wait() == 0


def test_a_session_ends_at_the_end_of_its_life_also_in_the_middle_of_a_run(start: Start) -> None:
    session = Session(start(), "1", terms={"maxSeconds": 0.5})
    assert "has lived its 0.5 s" in session.ended()
    agent = start()
    session = Session(agent, "1", terms={"maxSeconds": 1})
    failed = session.run("import time\ntime.sleep(20)")
    assert (failed.kind, failed.result["open"], "has lived" in failed.message) == ("timeout", False, True)
    assert agent.wait() == 0


def test_a_session_ends_with_its_connection_and_takes_its_worker_along(agent: AgentProcess) -> None:
    worker = worker_of(agent)
    session = Session(agent, "1")
    session.link.sock.close()
    assert agent.wait() == 0
    assert state_of(worker) in ("Z", "")


def test_a_worker_that_is_killed_between_runs_ends_the_session(agent: AgentProcess) -> None:
    session = Session(agent, "1")
    os.kill(worker_of(agent), 9)
    assert "killed by signal 9" in session.ended()


@pytest.mark.parametrize(
    "change", [{"run": 3}, {"run": 1}, {"run": None}, {"code": 5}, {"limits": {}}], ids=["ahead", "again", "none", "code", "limits"]
)
def test_a_run_that_is_not_the_next_one_or_malformed_ends_the_session(agent: AgentProcess, change: dict[str, Any]) -> None:
    session = Session(agent, "1")
    session.link.send({"type": "run", "run": 2, "code": "1", "params": {}, "limits": LIMITS, **change})
    assert "malformed run" in session.ended()


def test_a_run_before_the_last_has_ended_or_without_a_session_is_refused(start: Start) -> None:
    session = Session(start(), "1")
    session.begin("import time\ntime.sleep(20)")
    session.begin("1")
    assert session.finish().kind == "cancelled"
    agent = start()
    link = agent.connect()
    link.send(agent.start("import time\ntime.sleep(20)"))
    link.send({"type": "run", "run": 2, "code": "1", "params": {}, "limits": LIMITS})
    assert link.finish().kind == "cancelled"


@pytest.mark.parametrize("terms", [{"idleSeconds": 0}, {"maxSeconds": "long"}, {"idleSeconds": 1e9}])
def test_terms_out_of_bounds_are_named(agent: AgentProcess, terms: dict[str, Any]) -> None:
    link = agent.connect()
    link.send({**agent.start("1"), "session": {**LIFE, **terms}})
    assert f"session.{next(iter(terms))} must be a number" in link.receive()["message"]


def test_a_hostile_worker_cannot_give_its_frames_another_runs_number(agent: AgentProcess) -> None:
    forge = (
        "import json, struct\n"
        "def send(frame):\n    body = json.dumps(frame).encode()\n    call.__self__._sock.sendall(struct.pack('>I', len(body)) + body)\n"
    )
    session = Session(agent, forge)
    told = session.run("send({'type': 'call', 'run': 1, 'seq': 7, 'tool': 'a.b', 'arguments': {}})\n1")
    assert [frame["run"] for frame in told.frames if frame["type"] == "call"] == [2]
    assert session.run("send({'type': 'result', 'run': 2, 'ok': True, 'value': 1})\nimport time\ntime.sleep(20)").kind == "killed"
