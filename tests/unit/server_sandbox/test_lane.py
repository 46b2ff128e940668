"""Jobs through the lane, in real agents: the good way, and every way a Pod or a caller can fail."""

import asyncio
import signal
from collections.abc import Callable
from typing import Any

import pytest
from tests.agent_process import AgentProcess

from mcp_optimizer.lane import CallOutcome, JobOutcome, JobRequest
from mcp_optimizer.sandbox import PodLane, held
from mcp_optimizer_api.job import CallError

from .conftest import OWNER, FakeWatch, config, eventually, manifest

Spawn = Callable[..., AgentProcess]


async def echo(tool: str, arguments: dict[str, Any]) -> CallOutcome:
    """A tool."""
    if tool == "no.such":
        return CallOutcome(ok=False, error=CallError(code=404, message="unknown tool no.such"))
    return CallOutcome(ok=True, value={"tool": tool, **arguments})


def run(lane: PodLane, code: str, **options: Any) -> "asyncio.Task[JobOutcome]":
    """Start a job."""
    request = JobRequest(code=code, params=options.pop("params", {}), timeout_s=options.pop("timeout_s", 20.0))
    return asyncio.create_task(lane.run(request, options.pop("on_call", echo), **options))


async def test_a_job_runs_and_its_calls_come_back(lane: PodLane, spawn: Spawn) -> None:
    spawn("a")
    outcome = await run(lane, "print('hi')\n[params['n'], call('s.t', x=1)]", params={"n": 5})
    assert (outcome.ok, outcome.value, outcome.stdout, outcome.calls) == (True, [5, {"tool": "s.t", "x": 1}], "hi\n", 1)
    stats = lane.stats()
    assert (stats.jobs, stats.succeeded, stats.busy) == (1, 1, 0)


async def test_the_watch_asks_for_the_pools_pods_only(lane: PodLane, watch: FakeWatch) -> None:
    await eventually(lambda: watch.asked)
    assert watch.asked == [("/api/v1/namespaces/ns/pods", {"labelSelector": "a=b"})]


async def test_a_failed_call_can_be_caught_in_the_job(lane: PodLane, spawn: Spawn) -> None:
    spawn("a")
    outcome = await run(lane, "try:\n  call('no.such')\nexcept ToolError as e:\n  result = [e.code, e.message]")
    assert outcome.value == [404, "unknown tool no.such"]


async def test_a_call_that_blows_up_in_the_endpoint_is_an_error_of_that_call(lane: PodLane, spawn: Spawn) -> None:
    async def broken(tool: str, arguments: dict[str, Any]) -> CallOutcome:
        raise RuntimeError("secret detail")

    spawn("a")
    outcome = await run(lane, "try:\n  call('x.y')\nexcept ToolError as e:\n  result = [e.code, e.message]", on_call=broken)
    assert outcome.value[0] == 500
    assert "secret" not in outcome.value[1]


@pytest.mark.parametrize("value", [object(), "x" * 5_000_000])
async def test_a_value_no_frame_can_carry_is_an_error_of_that_call(lane: PodLane, spawn: Spawn, value: object) -> None:
    async def strange(tool: str, arguments: dict[str, Any]) -> CallOutcome:
        return CallOutcome(ok=True, value=value)

    spawn("a")
    outcome = await run(lane, "try:\n  call('x.y')\nexcept ToolError as e:\n  result = e.code", on_call=strange)
    assert outcome.value == 502


async def test_ten_calls_at_most_run_at_once(lane: PodLane, spawn: Spawn) -> None:
    running, most = 0, 0

    async def slow(tool: str, arguments: dict[str, Any]) -> CallOutcome:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.02)
        running -= 1
        return CallOutcome(ok=True, value=arguments["n"])

    spawn("a")
    outcome = await run(lane, "import asyncio\nawait asyncio.gather(*(acall('s.t', n=n) for n in range(30)))", on_call=slow)
    assert outcome.ok, outcome
    assert most == 10


async def test_large_calls_wait_in_the_pod_and_all_get_through(lane: PodLane, spawn: Spawn) -> None:
    open_bytes, most = 0, 0

    async def slow(tool: str, arguments: dict[str, Any]) -> CallOutcome:
        nonlocal open_bytes, most
        open_bytes += len(arguments["x"])
        most = max(most, open_bytes)
        await asyncio.sleep(0.01)
        open_bytes -= len(arguments["x"])
        return CallOutcome(ok=True, value=1)

    spawn("a")
    outcome = await run(
        lane, "import asyncio\nsum(await asyncio.gather(*(acall('s.t', x='y' * 900_000) for n in range(12))))", on_call=slow
    )
    assert outcome.value == 12, outcome
    assert most <= 2 * 1024 * 1024


async def test_reported_output_acts_on_no_terminal(lane: PodLane, spawn: Spawn) -> None:
    seen: list[str] = []

    async def progress(stream: str, text: str) -> None:
        seen.append(text)

    spawn("a")
    outcome = await run(lane, "print('\\x1b[2J\\u202e')", progress=progress)
    assert (outcome.stdout, "".join(seen)) == ("\x1b[2J\u202e\n", "\\u001b[2J\\u202e\n")


async def test_output_is_reported_while_the_job_runs(lane: PodLane, spawn: Spawn) -> None:
    seen: list[tuple[str, str]] = []
    arrived = asyncio.Event()

    async def progress(stream: str, text: str) -> None:
        seen.append((stream, text))
        arrived.set()

    spawn("a")
    job = run(lane, "print('step 1')\ncall('wait.here')\nprint('step 2')", progress=progress, on_call=lambda t, a: _after(arrived))
    await job
    assert ("stdout", "step 1\n") in seen


async def _after(event: asyncio.Event) -> CallOutcome:
    await event.wait()
    return CallOutcome(ok=True)


async def test_progress_that_fails_does_not_fail_the_job(lane: PodLane, spawn: Spawn) -> None:
    async def broken(stream: str, text: str) -> None:
        raise RuntimeError

    spawn("a")
    assert (await run(lane, "print('x')\n5", progress=broken)).value == 5


@pytest.mark.parametrize(
    ("code", "kind"),
    [("1/0", "exception"), ("while True: pass", "timeout"), ("object()", "result_not_json"), ("x = bytearray(1 << 30)", "memory")],
)
async def test_a_failed_job_is_an_outcome_and_counted(lane: PodLane, spawn: Spawn, code: str, kind: str) -> None:
    spawn("a")
    outcome = await run(lane, code, timeout_s=1.0)
    assert outcome.error is not None
    assert outcome.error.kind == kind
    stats = lane.stats()
    assert (stats.jobs, stats.failed + stats.timed_out) == (1, 1)
    assert stats.timed_out == (kind == "timeout")


async def test_a_pod_somebody_else_claimed_is_passed_over(lane: PodLane, spawn: Spawn, watch: FakeWatch) -> None:
    taken = spawn("a")
    link = taken.connect()
    link.send(taken.start("import time\ntime.sleep(600)"))
    assert link.receive()["type"] == "accepted"
    job = run(lane, "1")
    await eventually(lambda: lane.stats().conflicts == 1)
    spawn("b")
    assert (await job).value == 1
    assert lane.stats().conflicts == 1


async def test_a_pod_that_cannot_be_reached_is_passed_over(lane: PodLane, spawn: Spawn, watch: FakeWatch) -> None:
    spawn("a", announce=False).kill()
    dead = spawn("b", announce=False)
    dead.kill()
    alive = spawn("c", announce=False)
    watch.tell("listed", manifest("b", dead.port), manifest("c", alive.port))
    outcomes = [await run(lane, "1")]
    assert outcomes[0].ok


async def test_a_pod_killed_in_mid_job_is_lost_and_the_job_is_not_run_again(lane: PodLane, spawn: Spawn, watch: FakeWatch) -> None:
    calls: list[str] = []

    async def once(tool: str, arguments: dict[str, Any]) -> CallOutcome:
        calls.append(tool)
        return CallOutcome(ok=True)

    agent = spawn("a")
    job = run(lane, "print('begun')\ncall('side.effect')\nimport time\ntime.sleep(600)", on_call=once)
    await eventually(lambda: calls)
    spare = spawn("b")
    agent.kill()
    watch.tell("deleted", manifest("a", agent.port))
    outcome = await job
    assert outcome.error is not None
    assert outcome.error.kind == "lost"
    assert "not run again" in outcome.error.message
    assert "Pod a: deleted" in outcome.error.message
    assert outcome.stdout == "begun\n"
    assert calls == ["side.effect"]
    assert spare.ready()[0] == 200
    assert lane.stats().lost == 1


async def test_a_pod_killed_for_memory_says_so(lane: PodLane, spawn: Spawn, watch: FakeWatch) -> None:
    agent = spawn("a")
    started = asyncio.Event()

    async def on_call(tool: str, arguments: dict[str, Any]) -> CallOutcome:
        started.set()
        return CallOutcome(ok=True)

    job = run(lane, "call('a.b')\nimport time\ntime.sleep(600)", on_call=on_call)
    await started.wait()
    agent.kill()
    watch.tell("changed", manifest("a", agent.port, ready=False, terminated="OOMKilled"))
    outcome = await job
    assert outcome.error is not None
    assert outcome.error.kind == "memory"


async def test_a_pod_that_went_without_closing_its_connection_is_noticed(lane: PodLane, spawn: Spawn, watch: FakeWatch) -> None:
    agent = spawn("a")
    job = run(lane, "import time\ntime.sleep(600)")
    await eventually(lambda: lane.stats().busy == 1)
    agent.process.send_signal(signal.SIGSTOP)  # silent, as a Pod whose node is gone
    watch.tell("changed", manifest("a", agent.port, ready=False, terminated="OOMKilled"))
    outcome = await job
    assert outcome.error is not None
    assert outcome.error.kind == "memory"


@pytest.mark.parametrize("change", [{"enabled": False}, {"pod_selector": "c=d"}])
async def test_a_new_configuration_leaves_running_jobs_alone(
    lane: PodLane, spawn: Spawn, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    monkeypatch.setattr(held, "LAST_WORDS_SECONDS", 0.0)
    spawn("a")

    async def on_call(tool: str, arguments: dict[str, Any]) -> CallOutcome:
        lane.configure(config(**change), "ns", OWNER)
        await asyncio.sleep(0.1)
        return CallOutcome(ok=True, value="done")

    assert (await run(lane, "call('a.b')", on_call=on_call)).value == "done"


async def test_a_cancelled_caller_cancels_the_job(lane: PodLane, spawn: Spawn) -> None:
    agent = spawn("a")
    started = asyncio.Event()

    async def on_call(tool: str, arguments: dict[str, Any]) -> CallOutcome:
        started.set()
        return CallOutcome(ok=True)

    job = run(lane, "call('a.b')\nimport time\ntime.sleep(600)", on_call=on_call)
    await started.wait()
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job
    assert await asyncio.to_thread(agent.wait) in (0, 4)
    assert lane.stats().busy == 0


async def test_claims_and_ends_are_announced(lane: PodLane, spawn: Spawn) -> None:
    events = lane.events()
    agent = spawn("a")
    assert (await run(lane, "1")).ok
    seen = [await anext(events), await anext(events)]
    assert [(event.type, event.pod, event.uid) for event in seen] == [("claimed", agent.pod, "uid-a"), ("finished", agent.pod, "uid-a")]


async def test_jobs_beside_each_other_get_a_pod_each(lane: PodLane, spawn: Spawn) -> None:
    for name in "abcd":
        spawn(name)
    outcomes = await asyncio.gather(*(run(lane, "call('s.t', n=params['n'])['n']", params={"n": n}) for n in range(4)))
    assert sorted(outcome.value for outcome in outcomes) == [0, 1, 2, 3]
    assert lane.stats().jobs == 4
    assert lane.stats().warm_seen == 0


async def test_closing_cancels_what_runs(lane: PodLane, spawn: Spawn) -> None:
    agent = spawn("a")
    job = run(lane, "import time\ntime.sleep(600)")
    await eventually(lambda: lane.stats().busy == 1)
    await lane.close()
    with pytest.raises(asyncio.CancelledError):
        await job
    await asyncio.to_thread(agent.wait)
