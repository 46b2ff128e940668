"""What the sandbox benchmark computes from what it saw."""

import ast
import asyncio
import json
import math
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from bench import job_client, sandbox_cluster
from bench.figures import line, percentile
from bench.job_client import outcome
from bench.pool_watch import PoolWatch
from bench.sandbox_client import Target
from bench.sandbox_node import stage_text, writes_since


@pytest.mark.parametrize(("percent", "value"), [(50, 2), (99, 4), (1, 1), (75, 3)])
def test_a_percentile_is_a_value_that_was_measured(percent: float, value: float) -> None:
    assert percentile([4, 1, 3, 2], percent) == value


def test_no_measurement_is_no_number() -> None:
    assert math.isnan(percentile([], 50))


def test_the_line_can_be_read_by_a_script() -> None:
    assert line("sandbox", warm_p50_ms=1.2345, writes=0, unknown=math.nan) == "sandbox warm_p50_ms=1.23 writes=0 unknown=nan"


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ('{"result": {"content": [{"type": "text", "text": "2"}]}}', {"ok": True, "text": "2"}),
        ('event: message\ndata: {"result": {"content": [], "isError": true}}\n\n', {"ok": False, "text": ""}),
        ('{"error": {"code": 1}}', {"ok": False, "text": '{"code": 1}'}),
    ],
)
def test_a_reply_tells_whether_the_job_succeeded(reply: str, expected: dict[str, Any]) -> None:
    assert outcome(reply) == expected


def pod(name: str, ready: str, **metadata: Any) -> dict[str, Any]:
    """A Pod."""
    return {"metadata": {"name": name, **metadata}, "status": {"conditions": [{"type": "Ready", "status": ready}]}}


def test_a_replacement_counts_from_its_first_readiness() -> None:
    watch = PoolWatch()
    watch.take_in({"type": "ADDED", "object": pod("a", "True")})
    known = watch.known()
    watch.take_in({"type": "ADDED", "object": pod("b", "False")})
    assert watch.known() == known == {"a"}
    watch.take_in({"type": "MODIFIED", "object": pod("b", "True")})
    first = watch.wait_for_new(known)
    watch.take_in({"type": "MODIFIED", "object": pod("b", "True", deletionTimestamp="now")})
    assert watch.wait_for_new(known) == first
    watch.wait_for_warm(1)


@pytest.mark.parametrize(
    "after",
    [
        {"type": "MODIFIED", "object": pod("b", "True")},
        {"type": "MODIFIED", "object": {**pod("b", "False"), "status": {"phase": "Failed"}}},
        {"type": "MODIFIED", "object": pod("b", "False", deletionTimestamp="now")},
        {"type": "DELETED", "object": pod("b", "False")},
    ],
)
def test_a_pool_is_not_still_while_a_pod_starts_in_silence(after: dict[str, Any]) -> None:
    watch, told = PoolWatch(), threading.Event()
    watch.take_in({"type": "ADDED", "object": pod("a", "True")})
    watch.take_in({"type": "ADDED", "object": pod("b", "False")})

    def later() -> None:
        told.set()
        watch.take_in(after)

    timer = threading.Timer(0.2, later)
    timer.start()
    watch.wait_until_still(0.01)
    assert told.is_set()
    timer.join()
    watch.take_in({"type": "MODIFIED", "object": pod("a", "False")})
    watch.wait_until_still(0.01)


def test_writes_are_those_of_the_servers_account_and_those_of_whole_lives_of_its_sandbox_pods(tmp_path: Path) -> None:
    def event(user: str, verb: str = "create", resource: str = "pods", namespace: str = "ns", name: str = "x-sandbox-a") -> str:
        place = {"resource": resource, "namespace": namespace, "name": name}
        return json.dumps({"verb": verb, "user": {"username": user}, "objectRef": place}) + "\n"

    server = "system:serviceaccount:ns:x-optimizer"
    log = tmp_path / "audit.log"
    ended_before = event("operator", name="x-sandbox-c") + event("operator", "delete", name="x-sandbox-c")
    log.write_text(event(server) + event("operator", "get") + ended_before)
    offset = log.stat().st_size
    with log.open("a") as file:
        file.write(event(server, resource="events") + event(server, "get") + event("kubelet", "patch") + event("operator", "delete"))
        file.write(event("kubelet", "patch") + event("operator", name="x-sandbox-b") + event("kubelet", "delete", namespace="other"))
        file.write(event("kubelet", "delete", name="y-sandbox-a"))
    assert writes_since(Target("ns", "x", "", log, None), offset) == (1, 4)
    assert all(math.isnan(number) for number in writes_since(Target("ns", "x", "", tmp_path / "none", None), 0))


def test_stages_are_means_of_what_came_between_two_readings() -> None:
    before, after = (
        {"sandbox.sum": 1.0, "sandbox.count": 10},
        {"sandbox.sum": 1.02, "sandbox.count": 12, "parse.sum": 0.0, "parse.count": 0},
    )
    assert stage_text(before, after) == "sandbox 10.00 ms × 2"


async def test_jobs_of_a_line_begin_together_and_each_says_what_became_of_it() -> None:
    inside, together = 0, asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal inside
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        body = await reader.readexactly(int(head.split("Content-Length: ")[1].split("\r")[0]))
        inside += 1
        if inside == 3:
            together.set()
        await together.wait()
        text = json.loads(body)["params"]["arguments"]["code"]
        reply = json.dumps({"result": {"content": [{"type": "text", "text": text}], "isError": text == "bad"}}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(reply) + reply)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/mcp"
        answers = await asyncio.wait_for(job_client.run({"url": url, "jobs": [{"code": text} for text in ("a", "bad", "c")]}), 30)
    assert [(answer["ok"], answer["text"]) for answer in answers] == [(True, "a"), (False, "bad"), (True, "c")]


async def test_a_client_that_leaves_says_when_and_takes_its_connection_with_it() -> None:
    gone: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        gone.set_result(time.time())
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/mcp"
        (answer,) = await asyncio.wait_for(job_client.run({"url": url, "jobs": [{"code": "1"}], "leave": 0.01}), 30)
        assert answer["left"] <= await asyncio.wait_for(gone, 30)


async def test_a_job_that_reaches_nobody_is_a_failed_job() -> None:
    (answer,) = await job_client.run({"url": "http://127.0.0.1:1/mcp", "jobs": [{"code": "1"}]})
    assert not answer["ok"] and "ConnectionRefusedError" in answer["text"]


def test_a_measured_job_is_one_that_the_server_has_not_looked_at() -> None:
    programs = [sandbox_cluster.fresh("1+1")["code"] for _ in range(3)]
    assert len(set(programs)) == 3
    assert {ast.dump(ast.parse(program)) for program in programs} == {ast.dump(ast.parse("1+1"))}


def test_of_several_bursts_the_middle_one_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = iter([[9.0, 9.0], [1.0, 30.0], [5.0, 6.0]])
    monkeypatch.setattr(sandbox_cluster, "burst", lambda target, jobs, *, mixed: next(rounds))
    target = Target("n", "o", "kubeconfig", Path("audit.log"), None)
    assert sandbox_cluster.bursts(target, 2, 3) == [5.0, 6.0]
