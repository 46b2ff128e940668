"""A session keeps its Pod: real agents, one after the other run in the same process."""

import asyncio
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.agent_process import AgentProcess

from mcp_optimizer.errors import CallFailure
from mcp_optimizer.lane import CallOutcome, JobOutcome, JobRequest, OpenSession
from mcp_optimizer.sandbox import PodLane
from mcp_optimizer.sandbox import session as session_module
from mcp_optimizer.sandbox.session import PodSession
from mcp_optimizer_api.config import SessionsConfig
from mcp_optimizer_api.job import RunLimits

from .conftest import OWNER, FakeWatch, config, eventually

Spawn = Callable[..., AgentProcess]


async def on_call(tool: str, arguments: dict[str, Any]) -> CallOutcome:
    """Tools of these tests."""
    await asyncio.sleep(60 if tool == "slow" else 0)
    return CallOutcome(ok=True, value=arguments)


async def opened(lane: PodLane, code: str = "x = 1") -> OpenSession:
    """A new session."""
    outcome = await lane.run(JobRequest(code=code, session=True), on_call)
    assert outcome.ok and outcome.session is not None
    return outcome.session


async def run(session: OpenSession, code: str, **more: Any) -> JobOutcome:
    """Its next run."""
    return await session.run(JobRequest(code=code, **more), on_call)


async def test_a_session_keeps_its_pod_and_its_variables_and_no_place(lane: PodLane, spawn: Spawn) -> None:
    lane.configure(config(max_concurrent=1), "ns", OWNER)
    spawn("one")
    spawn("two")
    session = await opened(lane)
    assert (lane.stats().sessions, lane.stats().busy, lane.stats().jobs) == (1, 0, 1)
    assert (await lane.run(JobRequest(code="2"), on_call)).value == 2
    outcome = await run(session, "x += call('a.b', v=2)['v']\nprint('out')\n(x, params)", params={"p": 1})
    assert (outcome.value, outcome.stdout, outcome.calls, outcome.session) == ([3, {"p": 1}], "out\n", 1, session)
    failed = await run(session, "1/0")
    assert failed.error is not None and failed.error.kind == "exception" and failed.session is session
    assert (await run(session, "x")).value == 3
    assert lane.stats().jobs == 5


async def test_the_operator_hears_of_the_claim_and_of_the_end_of_the_session_only(lane: PodLane, spawn: Spawn) -> None:
    agent = spawn("one")
    events = lane.events()
    session = await opened(lane)
    await run(session, "1")
    session.close("enough")
    assert [(await anext(events)).type for _ in range(2)] == ["claimed", "finished"]
    assert await asyncio.to_thread(agent.wait) == 0
    with pytest.raises(CallFailure, match="has ended: enough"):
        await run(session, "1")
    assert lane.stats().sessions == 0


@pytest.mark.parametrize(
    ("code", "kind"),
    [("import time\ntime.sleep(20)", "timeout"), ("import os\nos._exit(1)", "killed"), ("b = bytearray(10**10)", "memory")],
)
async def test_a_run_that_the_worker_does_not_survive_ends_the_session(lane: PodLane, spawn: Spawn, code: str, kind: str) -> None:
    spawn("one")
    session = await opened(lane)
    outcome = await run(session, code, timeout_s=0.5)
    assert outcome.error is not None and outcome.error.kind == kind
    assert outcome.session is None and session.ended == f"its last run ended with {kind}"
    assert lane.stats().sessions == 0


async def test_a_cancelled_run_ends_the_session_and_its_pod(lane: PodLane, spawn: Spawn) -> None:
    agent = spawn("one")
    session = await opened(lane)
    task = asyncio.create_task(run(session, "call('slow')"))
    await eventually(lambda: lane.stats().busy == 1)
    task.cancel()
    await asyncio.wait([task])
    assert session.ended == "its last run was cancelled"
    assert await asyncio.to_thread(agent.wait) == 0


async def test_a_session_ends_after_its_idle_time_and_says_so(lane: PodLane, spawn: Spawn) -> None:
    lane.configure(config(sessions={"idleSeconds": 1}), "ns", OWNER)
    agent = spawn("one")
    session = await opened(lane)
    await eventually(lambda: session.ended is not None)
    assert "no run for 1 s" in str(session.ended)
    # Both sides look at a clock of their own: when the agent's last word meets a closed connection, it was not delivered (4).
    assert await asyncio.to_thread(agent.wait) in (0, 4)


async def test_a_session_whose_pod_dies_between_runs_ends(lane: PodLane, spawn: Spawn) -> None:
    agent = spawn("one")
    session = await opened(lane)
    agent.process.kill()
    await eventually(lambda: session.ended is not None)
    assert session.ended == "its sandbox Pod was lost"


async def test_a_session_whose_pod_is_told_to_end_says_why(lane: PodLane, spawn: Spawn) -> None:
    agent = spawn("one")
    session = await opened(lane)
    agent.process.terminate()
    await eventually(lambda: session.ended is not None)
    assert "told to end" in str(session.ended)


async def test_a_run_that_is_refused_a_place_leaves_the_session_as_it_is(lane: PodLane, spawn: Spawn) -> None:
    lane.configure(config(max_concurrent=1, queue_seconds=1), "ns", OWNER)
    spawn("one")
    session = await opened(lane)
    spawn("two")
    busy = asyncio.create_task(lane.run(JobRequest(code="call('slow')"), on_call))
    await eventually(lambda: lane.stats().busy == 1)
    with pytest.raises(CallFailure) as refused:
        await run(session, "x")
    assert refused.value.code == 429
    busy.cancel()
    await asyncio.wait([busy])
    with pytest.raises(CallFailure, match="too large"):
        await run(session, "1", params={"big": "x" * 5_000_000})
    assert (await run(session, "x")).value == 1


async def test_the_end_of_the_replica_ends_its_sessions(watch: FakeWatch, lane: PodLane, spawn: Spawn) -> None:
    agent = spawn("one")
    session = await opened(lane)
    await lane.close()
    assert session.ended == "its replica was shut down"
    assert await asyncio.to_thread(agent.wait) == 0


async def test_a_pod_that_takes_no_code_holds_a_run_no_longer_than_its_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    async def forever(*_: Any) -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr(session_module, "SEND_SECONDS", 0.01)
    held = SimpleNamespace(wire=SimpleNamespace(send=forever, next_size=forever), since=time.monotonic(), release=lambda: None)
    session = PodSession(cast(Any, held), SessionsConfig(), cast(Any, None), lambda _: None)
    try:
        async with asyncio.timeout(30):
            await session.begin(JobRequest(code="1"), RunLimits(timeout_seconds=1, max_calls=1, max_output_bytes=1, max_result_bytes=1))
    finally:
        session.close("enough")


async def test_a_pod_that_begins_to_say_something_and_stops_keeps_its_session_no_longer_than_it_may_idle() -> None:
    said = asyncio.Event()

    async def header(limit: int) -> int:
        said.set()
        return 5

    async def never(*_: Any) -> Any:
        await asyncio.Event().wait()

    held = SimpleNamespace(wire=SimpleNamespace(next_size=header, receive=never), since=time.monotonic(), release=lambda: None)
    session = PodSession(cast(Any, held), SessionsConfig(idle_seconds=1), cast(Any, None), lambda _: None)
    await said.wait()
    with pytest.raises(CallFailure, match="has ended"):
        await run(session, "1")
    await eventually(lambda: session.ended)
    assert session.ended is not None and "idleSeconds" in session.ended
    assert session._listening is not None
    session._listening.cancel()


async def test_a_session_that_opens_as_its_client_leaves_is_closed(lane: PodLane, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[str] = []

    async def opens(*_: Any) -> JobOutcome:
        asyncio.get_running_loop().call_soon(leaving.cancel)
        return JobOutcome(ok=True, session=cast(Any, SimpleNamespace(close=closed.append)))

    monkeypatch.setattr(lane, "_run_admitted", opens)
    leaving = asyncio.create_task(lane.run(JobRequest(code="1", session=True), on_call))
    await asyncio.wait([leaving])
    assert leaving.cancelled()
    assert closed == ["its last run was cancelled"]
