"""The latch: one winner, whatever else knocks at the port."""

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.agent_process import AgentProcess, Link, state_of, until

from mcp_optimizer_api.job import MAX_FRAME_BYTES

Start = Callable[..., AgentProcess]


def test_of_twenty_racers_exactly_one_wins(agent: AgentProcess) -> None:
    barrier = threading.Barrier(20)
    answers: list[dict[str, object]] = []
    links = [agent.connect() for _ in range(20)]

    def race(link: Link, number: int) -> None:
        frame = {**agent.start("import time\ntime.sleep(0.5)"), "job": f"racer-{number}"}
        barrier.wait()
        link.send(frame)
        answers.append(link.receive())

    threads = [threading.Thread(target=race, args=(link, number)) for number, link in enumerate(links)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(str(answer.get("code", "won")) for answer in answers) == ["409"] * 19 + ["won"]


def test_everybody_after_the_winner_is_told_409(agent: AgentProcess) -> None:
    winner = agent.connect()
    winner.send(agent.start("import time\ntime.sleep(20)"))
    assert winner.receive() == {"type": "accepted", "job": "job-1"}
    for _ in range(20):
        loser = agent.connect()
        loser.send({**agent.start("1"), "job": "another"})
        answer = loser.receive()
        assert (answer["type"], answer["code"], answer["state"]) == ("rejected", 409, "claimed")
        assert "claimed" in answer["message"]


def test_a_wrong_token_is_refused_and_leaves_the_pod_claimable(agent: AgentProcess) -> None:
    for token in ("", "0" * 64, agent.token[:-1], "é\ud800"):
        link = agent.connect()
        link.send({**agent.start("1"), "token": token})
        assert link.receive()["code"] == 401
    assert agent.ready()[0] == 200
    assert agent.run("40+2").result["value"] == 42


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param({"type": "result"}, "type must be 'start'", id="type"),
        pytest.param({"token": 5}, "token must be a string", id="token"),
        pytest.param({"version": 1}, "version must be 2", id="version"),
        pytest.param({"job": ""}, "job must be", id="empty job"),
        pytest.param({"job": "j" * 300}, "job must be", id="long job"),
        pytest.param({"code": ["1"]}, "code must be a string", id="code"),
        pytest.param({"params": [1]}, "params must be an object", id="params"),
        pytest.param({"limits": None}, "limits must be an object", id="no limits"),
        pytest.param({"limits": {}}, "limits.timeoutSeconds must be a number", id="empty limits"),
    ],
)
def test_a_malformed_start_is_told_what_is_wrong_and_leaves_the_pod_claimable(
    agent: AgentProcess, change: dict[str, object], words: str
) -> None:
    link = agent.connect()
    link.send({**agent.start("1"), **change})
    answer = link.receive()
    assert answer["code"] == 400
    assert words in answer["message"]
    assert agent.run("1").result["ok"]


@pytest.mark.parametrize("limit", [{"timeoutSeconds": 0}, {"memoryBytes": "1Gi"}, {"maxCalls": True}, {"maxResultBytes": MAX_FRAME_BYTES}])
def test_a_limit_out_of_bounds_is_named(agent: AgentProcess, limit: dict[str, object]) -> None:
    link = agent.connect()
    link.send(agent.start("1", **limit))  # type: ignore[arg-type]
    assert f"limits.{next(iter(limit))} must be a number" in link.receive()["message"]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="http"),
        pytest.param(b"\x00\x00\x00\x00", id="length zero"),
        pytest.param(b"\xff\xff\xff\xff", id="length 4 GiB"),
        pytest.param((MAX_FRAME_BYTES + 1).to_bytes(4, "big"), id="one byte too long"),
        pytest.param(b"\x00\x00\x00\x02[]", id="no object"),
        pytest.param(b"\x00\x00\x00\x04\xff\xfe\xfd\xfc", id="no text"),
        pytest.param((100_000).to_bytes(4, "big") + b"[" * 100_000, id="deep"),
        pytest.param((10_010).to_bytes(4, "big") + b'{"token":' + b"9" * 10_000 + b"}", id="endless number"),
    ],
)
def test_garbage_is_refused_with_400(agent: AgentProcess, data: bytes) -> None:
    link = agent.connect()
    link.sock.sendall(data)
    answer = link.receive()
    assert (answer["type"], answer["code"]) == ("rejected", 400)
    assert agent.ready()[0] == 200


def test_silent_strangers_cannot_keep_a_claim_out(agent: AgentProcess) -> None:
    strangers = [agent.connect() for _ in range(150)]
    for stranger in strangers:
        try:
            stranger.sock.sendall(b"\x00\x10\x00\x00{")
        except OSError:
            pass
    assert agent.run("1").result["ok"]


def test_greedy_strangers_cannot_fill_the_memory(agent: AgentProcess) -> None:
    for _ in range(60):
        stranger = agent.connect()
        try:
            stranger.sock.sendall(MAX_FRAME_BYTES.to_bytes(4, "big") + b"x" * (MAX_FRAME_BYTES - 1))
        except OSError:
            pass
    memory = dict(line.split(":\t") for line in Path(f"/proc/{agent.process.pid}/status").read_text().splitlines())
    assert int(memory["VmHWM"].split()[0]) < 100_000
    assert agent.run("1").result["ok"]


def test_a_stranger_that_never_finishes_is_dropped(agent: AgentProcess) -> None:
    stranger = agent.connect()
    stranger.sock.sendall(b"\x00")
    with pytest.raises((EOFError, ConnectionResetError)):
        stranger.receive()


def test_readiness_drops_at_the_claim(agent: AgentProcess) -> None:
    assert agent.ready() == (200, "warm")
    link = agent.connect()
    link.send(agent.start("import time\ntime.sleep(20)"))
    assert link.receive()["type"] == "accepted"
    status, reason = agent.ready()
    assert (status, "claimed" in reason) == (503, True)


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /livez HTTP/1.1\r\n\r\n", b"200"),
        (b"GET /else HTTP/1.0\r\n\r\n", b"404"),
        (b"POST /readyz HTTP/1.1\r\n\r\n", b"400"),
        (b"x" * 5000, b"400"),
    ],
)
def test_the_health_port_answers(agent: AgentProcess, request_bytes: bytes, status: bytes) -> None:
    with socket.create_connection(("127.0.0.1", agent.health_port), timeout=20) as sock:
        sock.sendall(request_bytes)
        assert sock.recv(100).split()[1] == status


def test_a_pod_whose_worker_dies_while_warm_ends(agent: AgentProcess) -> None:
    (worker,) = agent.children()
    os.kill(worker, 9)
    assert agent.wait() == 5


def test_a_pod_nobody_claims_ends_itself(start: Start) -> None:
    assert start(MCP_SANDBOX_IDLE_SECONDS="1").wait() == 3


def test_a_pod_stays_a_moment_after_its_job_and_takes_no_other(start: Start) -> None:
    agent = start(MCP_SANDBOX_LINGER_SECONDS="10")
    assert agent.run("1").result["ok"]
    late = agent.connect()
    late.send({**agent.start("2"), "job": "job-2"})
    assert late.receive()["code"] == 409
    assert agent.process.poll() is None
    until("what is left of its job to stand still", lambda: all(state_of(pid) == "T" for pid in agent.children()))
    agent.process.terminate()
    assert agent.wait() == 0


def test_a_warm_pod_ends_when_told_to(agent: AgentProcess) -> None:
    agent.process.terminate()
    assert agent.wait() == 6
