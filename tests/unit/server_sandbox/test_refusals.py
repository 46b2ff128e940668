"""When a job is refused before it starts: the code and the sentence say why, and no Pod is spent."""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.agent_process import AgentProcess

from mcp_optimizer.errors import CallFailure
from mcp_optimizer.lane import CallOutcome, JobOutcome, JobRequest
from mcp_optimizer.sandbox import PodLane, claims, pool
from mcp_optimizer.sandbox.claim import Refused
from mcp_optimizer.sandbox.pods import SandboxPod
from mcp_optimizer.sandbox.unreachable import Failures
from mcp_optimizer_api.job import Start

from .conftest import OWNER, FakeWatch, config, eventually, manifest

Spawn = Callable[..., AgentProcess]


async def no_tool(tool: str, arguments: dict[str, Any]) -> CallOutcome:
    """Nothing here calls."""
    raise AssertionError(tool)


def run(lane: PodLane, code: str, **params: Any) -> "asyncio.Task[JobOutcome]":
    """Start a job."""
    return asyncio.create_task(lane.run(JobRequest(code=code, params=params, timeout_s=20.0), no_tool))


async def test_pods_of_others_are_never_dialled(lane: PodLane, spawn: Spawn, watch: FakeWatch) -> None:
    agent = spawn("a", announce=False)
    lane.configure(config(queue_seconds=1), "ns", OWNER)
    watch.tell("listed", manifest("a", agent.port, owner="somebody"), manifest("fake", agent.port, digest="0" * 64))
    with pytest.raises(CallFailure) as failure:
        await run(lane, "1")
    assert failure.value.code == 503
    assert agent.ready()[0] == 200


async def test_an_empty_pool_is_waited_for(lane: PodLane, spawn: Spawn) -> None:
    job = run(lane, "1")
    await asyncio.sleep(0)
    assert not job.done()
    spawn("late")
    assert (await job).ok


async def test_an_empty_pool_refuses_with_503_in_the_end(lane: PodLane) -> None:
    lane.configure(config(queue_seconds=0), "ns", OWNER)
    with pytest.raises(CallFailure) as failure:
        await run(lane, "1")
    assert failure.value.code == 503
    assert "no sandbox Pod is warm" in failure.value.message
    assert lane.stats().refused == 1


async def test_more_jobs_than_allowed_are_refused_with_429(lane: PodLane, spawn: Spawn) -> None:
    lane.configure(config(max_concurrent=1, queue_seconds=1), "ns", OWNER)
    spawn("a")
    spawn("b")
    busy = run(lane, "import time\ntime.sleep(600)")
    await eventually(lambda: lane.stats().busy == 1)
    with pytest.raises(CallFailure) as failure:
        await run(lane, "1")
    assert failure.value.code == 429
    busy.cancel()
    await asyncio.wait([busy])
    assert (await run(lane, "1")).ok


async def test_a_switched_off_lane_says_why(lane: PodLane) -> None:
    lane.configure(config(enabled=False, disabled_reason="spec.sandbox.pool.max is 0"), "ns", OWNER)
    with pytest.raises(CallFailure, match=r"spec\.sandbox\.pool\.max is 0") as failure:
        await run(lane, "1")
    assert failure.value.code == 503


async def test_a_lane_without_configuration_refuses(watch: FakeWatch, key_file: Path) -> None:
    with pytest.raises(CallFailure, match="no configuration yet"):
        await run(PodLane(watch, key_file), "1")


async def test_a_missing_key_is_named(lane: PodLane, spawn: Spawn, key_file: Path) -> None:
    await asyncio.to_thread(key_file.unlink)
    lane.configure(config(queue_seconds=1), "ns", OWNER)
    spawn("a")
    with pytest.raises(CallFailure, match="pool key is missing"):
        await run(lane, "1")


async def test_code_too_large_for_a_frame_is_refused_before_a_pod_is_spent(lane: PodLane, spawn: Spawn) -> None:
    agent = spawn("a")
    with pytest.raises(CallFailure) as failure:
        await run(lane, "1", x="y" * 5_000_000)
    assert failure.value.code == 400
    assert agent.ready()[0] == 200


async def test_a_start_that_its_agents_refuse_spoils_no_pod(lane: PodLane, spawn: Spawn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "PENALTY_SECONDS", 0.3)
    lane.configure(config(queue_seconds=1), "ns", OWNER)
    spawn("a")
    with pytest.raises(CallFailure, match="timeoutSeconds"):
        await lane.run(JobRequest(code="1", timeout_s=0.001), no_tool)
    assert (await run(lane, "1")).ok


async def test_a_pod_that_stays_out_of_reach_is_announced_from_the_third_failure_on(
    lane: PodLane, watch: FakeWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "PENALTY_SECONDS", 0.05)
    events = lane.events()
    lane.configure(config(queue_seconds=2), "ns", OWNER)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound and not listening: every connection is refused
        watch.tell("listed", manifest("cut-off", nobody.getsockname()[1]))
        job = run(lane, "1")
        event = await asyncio.wait_for(anext(events), 20)
        with pytest.raises(CallFailure):
            await job
    assert (event.type, event.pod, event.uid) == ("unreachable", "cut-off", "uid-cut-off")


def test_failures_are_counted_for_each_pod_and_a_lost_announcement_is_repeated() -> None:
    failures = Failures()
    assert [failures.note("a"), failures.note("b"), failures.note("a")] == [False, False, False]
    assert [failures.note("a"), failures.note("a"), failures.note("b")] == [True, True, False]


async def test_pods_that_come_back_unfit_again_and_again_keep_no_job_beyond_its_time(
    lane: PodLane, watch: FakeWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def unreachable(pod: SandboxPod, start: Start) -> Refused:
        asked.append(pod.name)
        await asyncio.sleep(0)
        return Refused("unreachable", "no connection")

    monkeypatch.setattr(claims, "claim", unreachable)
    monkeypatch.setattr(pool, "PENALTY_SECONDS", 0.0)
    lane.configure(config(queue_seconds=0), "ns", OWNER)
    watch.tell("listed", *(manifest(name) for name in "abc"))
    await eventually(lambda: lane.stats().warm_seen == 3)
    async with asyncio.timeout(30):
        with pytest.raises(CallFailure, match="refused") as failure:
            await run(lane, "1")
    assert (failure.value.code, len(asked)) == (503, 1)


async def test_a_client_that_leaves_while_its_pod_is_dialled_leaves_the_pod_to_others(
    lane: PodLane, spawn: Spawn, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialled = asyncio.Event()

    async def dial(pod: SandboxPod, start: Start) -> Refused:
        dialled.set()
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(pool, "PENALTY_SECONDS", 0.0)
    spawn("a")
    with monkeypatch.context() as patch:
        patch.setattr(claims, "claim", dial)
        leaving = run(lane, "1")
        await dialled.wait()
        leaving.cancel()
        await asyncio.wait([leaving])
    assert (await run(lane, "1")).ok
