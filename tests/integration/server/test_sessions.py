"""Sessions, many jobs and jobs that go on by themselves, through the public endpoint: two replicas, one pool of real agents."""

import asyncio
import json
from pathlib import Path

import pytest
from mcp import Client

from tests.integration.server.agents import SLOW, gone, replicas
from tests.integration.server.harness import eventually, write_config

pytestmark = pytest.mark.integration


async def test_a_session_is_found_through_any_replica_until_it_is_ended(tmp_path: Path) -> None:
    async with replicas(tmp_path) as both:
        agent = await both.pool.add(0)
        begun = await both.code(both.one, code="import math\nx = 40\nx", session="new")
        assert (begun["result"], begun["failed"]) == (40, False)
        session = begun["session"]
        assert "mcp_optimizer_sandbox_sessions 1.0" in (await both.one.get("/metrics"))[1]
        here = await both.code(both.one, code="x += 1\nparams['p']", session=session, params={"p": 7})
        there = await both.code(both.two, code="print(math.floor(2.5))\nx += 1\nx", session=session)
        assert (here["result"], there["result"], there["stdout"]) == (7, 42, "2\n")
        assert "session" not in here and "session" not in there
        raised = await both.code(both.two, code="1/0", session=session)
        assert raised["failed"] and raised["message"] == "ZeroDivisionError: division by zero"
        refused = await both.code(both.two, code="x", session=session, timeout_s=1000)
        assert refused["code"] == 400
        assert await both.code(both.two, code="", session=session) == {"session": "ended", "failed": False}
        await gone(agent)
        for server in (both.one, both.two):
            over = await both.code(server, code="x", session=session)
            assert (over["code"], "its client ended it" in over["message"], 'session: "new"' in over["message"]) == (404, True, True)


async def test_files_go_into_a_session_and_come_out_of_it_through_any_replica(tmp_path: Path) -> None:
    """One is larger than what replicas ask each other."""
    async with replicas(tmp_path) as both:
        await both.pool.add(0)
        code = "(artifacts / 'first').write_text((files / 'a').read_text() * 2)\nNone"
        begun = await both.code(both.one, code=code, session="new", files={"a": "abc"})
        (first,) = begun["artifacts"]
        assert (first["name"], first["bytes"]) == ("first", 6)
        code = "print((files / 'old').read_text())\nsize = (files / 'big').stat().st_size\n(artifacts / params['to']).write_text(str(size))\nsize"
        for server, name, size in ((both.one, "here", 1_500_000), (both.two, "there", 1_600_000)):
            given = {"big": "x" * size, "old": {"artifact": first["handle"]}}
            answer = await both.code(server, code=code, session=begun["session"], params={"to": name}, files=given)
            assert (answer["result"], answer["stdout"]) == (size, "abcabc\n")
            (left,) = answer["artifacts"]
            assert left["name"] == name
            for reader in (both.one, both.two):
                async with Client(reader.url) as client:
                    shown = await client.call_tool("discover", {"cursor": f"{left['handle']}@0"})
                    assert shown.content[0].text == str(size)  # type: ignore[union-attr]
        assert both.two.process.handles.kept.size == 0, "what was lent to the other replica has been taken back"
        for server in (both.one, both.two):
            large = await both.code(server, code="1", session=begun["session"], params={"p": "x" * 1_000_000})
            assert (large["code"], "pass it in files" in large["message"]) == (400, True)
            for bad in ({"../x": "1"}, {"x": 5}, {"x": {"base64": "?"}}, {"x": {"artifact": "none"}}, []):
                assert (await both.code(server, code="1", session=begun["session"], files=bad))["code"] == 400
            assert (await both.code(server, code="size", session=begun["session"]))["result"] == 1_600_000


async def test_one_call_at_a_time_runs_in_a_session_and_a_client_that_leaves_ends_it(tmp_path: Path) -> None:
    async with replicas(tmp_path) as both:
        for server in (both.one, both.two):
            agent = await both.pool.add(0)
            session = (await both.code(both.one, code="1", session="new"))["session"]
            waiting = asyncio.create_task(both.code(server, code=SLOW, session=session))
            lane = both.one.process.lane
            await eventually(lambda lane=lane: lane.stats().busy == 1)  # type: ignore[misc]
            for asked in (both.one, both.two):
                assert (await both.code(asked, code="1", session=session))["code"] == 409
            waiting.cancel()
            await asyncio.wait([waiting])
            await gone(agent)
            over = await both.code(both.two, code="1", session=session)
            assert (over["code"], "its last run was cancelled" in over["message"]) == (404, True)


async def test_what_ends_a_session_is_said_at_once_and_afterwards(tmp_path: Path) -> None:
    async with replicas(tmp_path, sessions={"maxSessions": 1}) as both:
        await both.pool.add(0)
        session = (await both.code(both.one, code="1", session="new"))["session"]
        full = await both.code(both.one, code="1", session="new")
        assert (full["code"], "1 sessions are open" in full["message"]) == (429, True)
        ended = await both.code(both.one, code=SLOW, session=session, timeout_s=0.5)
        assert (ended["code"], ended["session"], ended["stdout"]) == (408, "ended", "begun\n")
        assert "ended with timeout" in (await both.code(both.two, code="1", session=session))["message"]
        for bad in ("no-such-session", session[:-1] + ("A" if session[-1] != "A" else "B"), 5):
            assert (await both.code(both.one, code="1", session=bad))["code"] == 404
        write_config(tmp_path / "config.json", {}, sandbox={"enabled": True, "sessions": {"maxSessions": 0}})
        await eventually(lambda: both.one.process.federation.snapshot.config.sandbox.sessions.max_sessions == 0)  # type: ignore[union-attr]
        off = await both.code(both.one, code="1", session="new")
        assert (off["code"], "maxSessions is 0" in off["message"]) == (400, True)


async def test_a_session_ends_with_the_replica_that_holds_it(tmp_path: Path) -> None:
    async with replicas(tmp_path) as both:
        agent = await both.pool.add(0)
        session = (await both.code(both.one, code="1", session="new"))["session"]
        both.one.process.stop.set()
        await gone(agent)
        over = await both.until(lambda answer: "with the replica that held it" in answer["message"], code="1", session=session)
        assert over["code"] == 404


async def test_a_detached_job_is_polled_through_any_replica_and_its_answer_kept(tmp_path: Path) -> None:
    async with replicas(tmp_path) as both:
        await both.pool.add(0)
        flag = tmp_path / "go"
        code = f"import os, time\nprint('one')\nwhile not os.path.exists({str(flag)!r}): time.sleep(0.02)\nparams['v'] * 2"
        begun = await both.code(both.one, code=code, params={"v": 21}, detach=True)
        assert begun["state"] == "working"
        told = await both.until(lambda answer: "stdout" in answer, code="", job=begun["job"])
        assert told == {"state": "working", "stdout": "one\n", "failed": False}
        flag.touch()
        for _ in range(2):
            answer = await both.until(lambda answer: "result" in answer, code="", job=begun["job"])
            assert (answer["result"], answer["stdout"]) == (42, "one\n")
        assert (await both.code(both.two, code="", job="nonsense"))["code"] == 400


async def test_a_detached_job_is_cancelled_with_its_pod_and_lost_with_its_replica(tmp_path: Path) -> None:
    async with replicas(tmp_path) as both:
        agent = await both.pool.add(0)
        job = (await both.code(both.one, code=SLOW, detach=True))["job"]
        await eventually(lambda: both.one.process.lane.stats().busy == 1)
        for unclear in ({"job": job, "cancel": "false"}, {"cancel": True}):
            assert (await both.code(both.two, code="1", **unclear))["code"] == 400
        assert (await both.code(both.two, code="", job=job))["state"] == "working"
        assert (await both.code(both.two, code="", job=job, cancel=True))["state"] == "cancelled"
        await gone(agent)
        assert (await both.code(both.two, code="", job=job))["state"] == "cancelled"
        second = await both.pool.add(0)
        job = (await both.code(both.one, code=SLOW, detach=True))["job"]
        await eventually(lambda: both.one.process.lane.stats().busy == 1)
        await both.one.process.tasks.drain(0)
        await gone(second)
        assert "shut down" in (await both.code(both.two, code="", job=job))["message"]
        both.one.process.stop.set()
        lost = await both.until(lambda answer: answer["code"] == 503, code="", job=job)
        assert "was not run again" in lost["message"]


async def test_a_batch_runs_each_element_in_a_pod_of_its_own_and_answers_in_order(tmp_path: Path) -> None:
    async with replicas(tmp_path, queueSeconds=1) as both:
        for _ in range(2):
            await both.pool.add(0)
        code = "open('mine', 'x').close()\nif params['n'] == 1: raise ValueError('one')\nparams['n']"
        running = asyncio.create_task(both.code(both.one, code=code, batch=[{"n": n} for n in range(4)]))
        await eventually(lambda: both.one.process.lane.stats().jobs == 2)
        for _ in range(2):
            await both.pool.add(0)
        answer = await running
        assert (answer["status"], answer["failed"]) == ("partial", False)
        assert [item.get("result", item.get("message")) for item in answer["results"]] == [0, "ValueError: one", 2, 3]
        for arguments in ({"batch": []}, {"batch": [1]}, {"batch": [{}], "params": {}}, {"batch": [{}], "session": "new"}):
            assert (await both.code(both.one, code="1", **arguments))["code"] == 400


async def test_a_cancelled_batch_ends_all_its_jobs(tmp_path: Path) -> None:
    async with replicas(tmp_path) as both:
        agents = [await both.pool.add(0) for _ in range(2)]
        running = asyncio.create_task(both.code(both.one, code=SLOW, batch=[{}] * 5))
        await eventually(lambda: both.one.process.lane.stats().busy == 2)
        running.cancel()
        await asyncio.wait([running])
        for agent in agents:
            await gone(agent)


async def test_a_forwarded_run_streams_what_it_prints_and_ends_when_nobody_follows_it(tmp_path: Path) -> None:
    async with replicas(tmp_path) as both:
        agent = await both.pool.add(0)
        session = (await both.code(both.one, code="import os, time", session="new"))["session"]
        flag = tmp_path / "heard"

        async def hear(progress: float, total: float | None, message: str | None) -> None:
            flag.touch()

        code = f"print('one')\nwhile not os.path.exists({str(flag)!r}): time.sleep(0.02)\nprint('two')"
        async with Client(both.two.url) as client:
            result = await client.call_tool("execute_code", {"code": code, "session": session}, progress_callback=hear)
        assert json.loads(result.content[0].text)["stdout"] == "one\ntwo\n"  # type: ignore[union-attr]
        waiting = asyncio.create_task(both.code(both.two, code=SLOW, session=session))
        await eventually(lambda: both.one.process.lane.stats().busy == 1)
        (running,) = both.one.process.tasks.running.values()
        assert running.lease is not None
        running.lease.reschedule(asyncio.get_running_loop().time())
        assert (await waiting)["code"] == 408
        await gone(agent)
