"""The back-channel: calls of the job go to the server and come back, within bounds, whatever the job tries."""

import json
from typing import Any

import pytest
from tests.agent_process import AgentProcess, Run


def echo(frame: dict[str, Any]) -> dict[str, Any]:
    """A tool that returns what it was given."""
    return {"ok": True, "value": {"tool": frame["tool"], **frame["arguments"]}}


def calls(run: Run) -> list[dict[str, Any]]:
    """The call frames."""
    return [frame for frame in run.frames if frame["type"] == "call"]


def test_a_call_returns_the_tools_value(agent: AgentProcess) -> None:
    run = agent.run("call('web.search', q='x', tool='y', n=[1, None])", answer=echo)
    assert run.result["value"] == {"tool": "y", "q": "x", "n": [1, None]}
    assert calls(run)[0]["tool"] == "web.search"
    assert run.result["calls"] == 1


def test_a_failed_call_raises_an_error_the_job_can_catch(agent: AgentProcess) -> None:
    run = agent.run("try:\n    call('no.such')\nexcept ToolError as error:\n    result = [error.code, error.message]")
    assert run.result["value"] == [404, "no tool no.such"]


def test_an_uncaught_failed_call_ends_the_job_with_its_reason(agent: AgentProcess) -> None:
    run = agent.run("call('no.such')")
    assert run.kind == "exception"
    assert "ToolError: no tool no.such (code 404)" in run.message
    assert "line 1" in run.result["error"]["traceback"]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("call('a.b', x=object())", "must be JSON values"),
        ("call('a.b', x=float('inf'))", "must be JSON values"),
        ("call('a.b', x='y' * 5_000_000)", "over 1048576 bytes"),
        ("x = []\nfor _ in range(100): x = [x]\ncall('a.b', x=x)", "nested deeper"),
        ("call(5)", "the first argument of call()"),
        ("call('')", "the first argument of call()"),
    ],
)
def test_a_call_that_makes_no_sense_fails_in_the_job_and_is_never_sent(agent: AgentProcess, code: str, words: str) -> None:
    run = agent.run(code)
    assert words in run.message
    assert calls(run) == []


def test_threads_and_coroutines_call_at_once(agent: AgentProcess) -> None:
    code = """
import asyncio
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(8) as pool:
    threads = list(pool.map(lambda n: call('a.b', n=n)['n'], range(40)))
coroutines = [answer['n'] for answer in await asyncio.gather(*(acall('a.b', n=n) for n in range(20)))]
[threads, coroutines]
"""
    run = agent.run(code, answer=echo)
    assert run.result["value"] == [list(range(40)), list(range(20))]


def test_answers_in_any_order_reach_the_thread_that_waits(agent: AgentProcess) -> None:
    link = agent.connect()
    code = "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(5) as p: r = list(p.map(lambda n: call('a.b', n=n), range(5)))\nr"
    link.send(agent.start(code))
    assert link.receive()["type"] == "accepted"
    waiting = [link.receive() for _ in range(5)]
    for frame in reversed(waiting):
        link.send({"type": "callResult", "seq": frame["seq"], "ok": True, "value": frame["arguments"]["n"] * 10})
    assert link.finish().result["value"] == [0, 10, 20, 30, 40]


def test_calls_over_the_budget_fail_without_reaching_the_server(agent: AgentProcess) -> None:
    code = "codes = []\nfor n in range(50):\n    try:\n        call('a.b', n=n)\n    except ToolError as error:\n        codes.append(error.code)\ncodes"
    run = agent.run(code, answer=echo, maxCalls=10)
    assert len(calls(run)) == 10
    assert run.result["value"] == [429] * 40
    assert run.result["calls"] == 10


def test_no_more_than_sixteen_calls_are_open_at_once(agent: AgentProcess) -> None:
    link = agent.connect()
    code = "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(30) as p: r = list(p.map(lambda n: call('a.b', n=n), range(30)))\nlen(r)"
    link.send(agent.start(code))
    assert link.receive()["type"] == "accepted"
    waiting = [link.receive() for _ in range(16)]
    link.sock.settimeout(0.5)
    with pytest.raises(TimeoutError):
        link.receive()
    link.sock.settimeout(20)
    for frame in waiting:
        link.send({"type": "callResult", "seq": frame["seq"], "ok": True})
    assert link.finish(lambda frame: {"ok": True}).result["value"] == 30


def test_a_megabyte_travels_both_ways(agent: AgentProcess) -> None:
    run = agent.run("len(call('a.b', text='x' * 1_000_000)['text'])", answer=lambda frame: {"ok": True, "value": frame["arguments"]})
    assert run.result["value"] == 1_000_000


FORGE = """
import json, os, socket, struct
sock = next(socket.socket(fileno=fd) for fd in range(3, 64) if os.path.exists(f'/proc/self/fd/{{fd}}') and os.readlink(f'/proc/self/fd/{{fd}}').startswith('socket:'))
body = {body}
sock.sendall(struct.pack('>I', {length}) + body)
import time
time.sleep(20)
"""


@pytest.mark.parametrize(
    "frame",
    [
        {"type": "accepted", "job": "x"},
        {"type": "call", "seq": "1", "tool": "a.b", "arguments": {}},
        {"type": "call", "seq": 1, "tool": 5, "arguments": {}},
        {"type": "call", "seq": 1, "tool": "a.b", "arguments": []},
        {"type": "call", "seq": -1, "tool": "a.b", "arguments": {}},
        {"type": "result", "ok": False, "error": {"kind": "lost", "message": "x"}},
        {"type": "result", "ok": True, "value": "x" * 50_000},
        {"type": "result", "ok": True, "value": float("nan")},
        [],
    ],
    ids=str,
)
def test_a_forged_frame_ends_the_job_and_goes_nowhere(agent: AgentProcess, frame: object) -> None:
    body = json.dumps(frame).encode()
    run = agent.run(FORGE.format(body=body, length=len(body)))
    assert run.kind == "killed"
    assert "broke the protocol" in run.message
    assert [frame["type"] for frame in run.frames] == ["accepted", "result"]
    assert agent.wait() == 0


def test_a_frame_of_four_gigabytes_ends_the_job(agent: AgentProcess) -> None:
    run = agent.run(FORGE.format(body=b"{}", length=0xFFFFFFFF))
    assert (run.kind, "broke the protocol" in run.message) == ("killed", True)


def test_a_frame_larger_than_any_report_is_not_even_parsed(agent: AgentProcess) -> None:
    run = agent.run(FORGE.format(body="b'[' * 2_000_000", length=2_000_000))
    assert (run.kind, "a frame of 2000000 bytes" in run.message) == ("killed", True)


def test_a_closed_channel_ends_the_job(agent: AgentProcess) -> None:
    run = agent.run("import os, time\nos.closerange(3, 100)\ntime.sleep(20)")
    assert run.kind == "killed"
