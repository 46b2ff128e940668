"""A server whose connection broke before it heard anything asks again: it gets its job, and the job runs once."""

import socket
import struct

from tests.agent_process import AgentProcess, until


def test_a_server_whose_connection_broke_gets_its_job_back_from_the_beginning(agent: AgentProcess) -> None:
    first, second = agent.connect(), agent.connect()
    frame = agent.start("print('hello')\n[call('s.t'), 1]")
    first.send(frame)
    first.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    first.sock.close()
    second.send(frame)
    run = second.finish(lambda call: {"ok": True, "value": 7})
    assert [frame["type"] for frame in run.frames if frame["type"] != "output"] == ["accepted", "call", "result"]
    assert (run.result["value"], run.printed()) == ([7, 1], "hello\n")
    assert agent.wait() == 0


def test_a_finished_job_whose_result_was_not_read_is_told_to_the_second_connection(agent: AgentProcess) -> None:
    first, second = agent.connect(), agent.connect()
    frame = agent.start("open('ran', 'a').write('x')\nopen('ran').read()")
    first.send(frame)
    until("the result to be there", lambda: len(first.sock.recv(4096, socket.MSG_PEEK)) > 60)
    second.send(frame)
    run = second.finish()
    assert ([frame["type"] for frame in run.frames], run.result["value"]) == (["accepted", "result"], "x")


def test_a_server_that_was_heard_from_does_not_get_its_job_twice(agent: AgentProcess) -> None:
    first, second, other = agent.connect(), agent.connect(), agent.connect()
    frame = agent.start("call('s.t')\nimport time\ntime.sleep(20)")
    first.send(frame)
    assert [first.receive()["type"], first.receive()["type"]] == ["accepted", "call"]
    first.send({"type": "callResult", "seq": 10**6, "ok": True})
    until("the agent to have heard", lambda: _refused(agent, frame))
    second.send(frame)
    answer = second.receive()
    assert (answer["code"], answer["state"]) == (409, "yours")
    other.send({**frame, "job": "another"})
    assert other.receive()["state"] == "claimed"


def _refused(agent: AgentProcess, frame: dict[str, object]) -> bool:
    link = agent.connect()
    link.send(frame)
    return link.receive()["type"] == "rejected"


def test_a_job_whose_server_does_not_come_back_is_ended(agent: AgentProcess) -> None:
    link = agent.connect()
    link.send(agent.start("import time\ntime.sleep(600)"))
    assert link.receive()["type"] == "accepted"
    link.sock.close()
    assert agent.wait() == 4


def test_a_result_that_its_server_did_not_take_is_no_delivered_one(agent: AgentProcess) -> None:
    link = agent.connect()
    link.send(agent.start("1"))
    until("the result to be there", lambda: len(link.sock.recv(4096, socket.MSG_PEEK)) > 60)
    link.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    link.sock.close()
    assert agent.wait() == 4
