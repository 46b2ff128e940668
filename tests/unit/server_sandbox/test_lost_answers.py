"""A connection that breaks between a job's `start` and the answer to it: the job runs once at most, and nobody is left in doubt."""

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from tests.agent_process import AgentProcess

from mcp_optimizer.errors import CallFailure
from mcp_optimizer.lane import CallOutcome, JobOutcome, JobRequest
from mcp_optimizer.sandbox import PodLane, claim, claims

from .conftest import OWNER, FakeWatch, config, eventually, manifest

Frames = list[dict[str, Any]]
Answering = Callable[[Callable[[list[str]], Frames]], Awaitable[list[str]]]
BREAKS: Frames = []
RESULT = {"type": "result", "ok": True, "value": 1, "durationMs": 1}


@pytest_asyncio.fixture
async def pod(watch: FakeWatch) -> AsyncIterator[Answering]:
    """A warm Pod that answers each `start` with what a function of the job ids so far says, and breaks the connection when that is nothing."""
    servers: list[asyncio.Server] = []

    async def begin(answer: Callable[[list[str]], Frames]) -> list[str]:
        asked: list[str] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            (length,) = struct.unpack(">I", await reader.readexactly(4))
            asked.append(json.loads(await reader.readexactly(length))["job"])
            for content in answer(asked):
                body = json.dumps({"job": asked[-1], **content}).encode()
                writer.write(struct.pack(">I", len(body)) + body)
            writer.close()

        servers.append(await asyncio.start_server(serve, "127.0.0.1", 0))
        watch.tell("changed", manifest("first", servers[-1].sockets[0].getsockname()[1]))
        return asked

    yield begin
    for server in servers:
        server.close()


@pytest.fixture(autouse=True)
def short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ends that are never told are not waited for."""
    monkeypatch.setattr(claims, "END_SECONDS", 1.0)


async def run(lane: PodLane, code: str = "1") -> JobOutcome:
    """A job without tools."""

    async def on_call(tool: str, arguments: dict[str, Any]) -> CallOutcome:
        return CallOutcome(ok=True, value=arguments)

    return await lane.run(JobRequest(code=code, timeout_s=20.0), on_call)


async def test_a_pod_that_stays_silent_may_run_the_job_so_no_other_does(
    lane: PodLane, pod: Answering, watch: FakeWatch, spawn: Callable[..., AgentProcess]
) -> None:
    asked = await pod(lambda asked: BREAKS)
    job = asyncio.create_task(run(lane))
    await eventually(lambda: asked)
    second = await asyncio.to_thread(spawn, "second")
    watch.tell("changed", manifest("first", ready=False, terminated="Error"))
    outcome = await job
    assert outcome.error is not None
    assert (outcome.error.kind, "may have run and was not run again" in outcome.error.message) == ("lost", True)
    assert (len(asked), len(set(asked))) == (1 + len(claim.ASK_AGAIN_AFTER), 1)
    assert second.ready()[0] == 200
    stats = lane.stats()
    assert (stats.jobs, stats.lost, stats.busy) == (1, 1, 0)


async def test_a_pod_that_ended_with_a_delivered_result_ran_the_job_of_another(
    lane: PodLane, pod: Answering, watch: FakeWatch, spawn: Callable[..., AgentProcess]
) -> None:
    asked = await pod(lambda asked: BREAKS)
    job = asyncio.create_task(run(lane, "6*7"))
    await eventually(lambda: asked)
    gone = manifest("first", ready=False)
    gone["status"]["containerStatuses"] = [{"state": {"terminated": {"reason": "Completed", "exitCode": 0}}}]
    watch.tell("changed", gone)
    await asyncio.to_thread(spawn, "second")
    assert (await job).value == 42
    stats = lane.stats()
    assert (stats.jobs, stats.conflicts, stats.lost) == (1, 1, 0)


@pytest.mark.parametrize("state", ["claimed", "warming"])
async def test_a_pod_that_says_the_job_never_began_there_lets_it_go_elsewhere(lane: PodLane, pod: Answering, state: str) -> None:
    lane.configure(config(queue_seconds=1), "ns", OWNER)
    refusal = {"type": "rejected", "code": 409, "message": "m", "state": state}
    await pod(lambda asked: BREAKS if len(asked) == 1 else [refusal])
    with pytest.raises(CallFailure, match="none came"):
        await run(lane)
    assert lane.stats().conflicts == 1


@pytest.mark.parametrize(
    "refusal",
    [
        pytest.param({"code": 409, "state": "yours"}, id="it ran already"),
        pytest.param({"code": 409}, id="an agent of before says no more than taken"),
        pytest.param({"code": 401}, id="another Pod has the address now"),
    ],
)
async def test_any_other_answer_after_a_lost_one_is_no_leave_to_run_elsewhere(
    lane: PodLane, pod: Answering, refusal: dict[str, Any]
) -> None:
    await pod(lambda asked: BREAKS if len(asked) == 1 else [{"type": "rejected", "message": "m", **refusal}])
    outcome = await run(lane)
    assert outcome.error is not None
    assert outcome.error.kind == "lost"


async def test_a_job_whose_answer_was_lost_is_taken_up_again_under_the_same_id(lane: PodLane, pod: Answering) -> None:
    asked = await pod(lambda asked: BREAKS if len(asked) == 1 else [{"type": "accepted"}, RESULT])
    assert (await run(lane)).value == 1
    assert (len(asked), len(set(asked))) == (2, 1)


async def test_a_broken_connection_in_front_of_a_real_agent_runs_the_job_once(
    lane: PodLane, spawn: Callable[..., AgentProcess], watch: FakeWatch
) -> None:
    agent = await asyncio.to_thread(spawn, "a", announce=False)
    connections, over = 0, asyncio.Event()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The first connection hands the start on and breaks before anything comes back."""
        nonlocal connections
        connections += 1
        first = connections == 1
        there, back = await asyncio.open_connection("127.0.0.1", agent.port)
        head = await reader.readexactly(4)
        back.write(head + await reader.readexactly(struct.unpack(">I", head)[0]))
        if first:
            await there.readexactly(4)
            back.transport.abort()
            writer.transport.abort()
            return
        pipes = [asyncio.create_task(_pump(there, writer)), asyncio.create_task(_pump(reader, back))]
        await asyncio.wait(pipes)
        for end in (back, writer):
            end.close()
        over.set()

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    watch.tell("changed", manifest("a", server.sockets[0].getsockname()[1]))
    outcome = await run(lane, "import os\nwith open('ran', 'a') as f: f.write('x')\nprint('once')\n[open('ran').read(), call('a.b', n=1)]")
    await over.wait()
    server.close()
    assert (outcome.value, outcome.stdout, outcome.calls) == (["x", {"n": 1}], "once\n", 1)
    assert connections == 2


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
        writer.write_eof()
    except OSError:
        writer.close()
