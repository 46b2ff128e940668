"""What the fast lane does itself, what it hands on, and what it refuses to hand on."""

import asyncio
import os
import signal
import sys
from typing import Any

import pytest

from mcp_optimizer.lane import JobRequest
from mcp_optimizer.sandbox.conversation import Conversation
from mcp_optimizer_api.job import ArtifactLimits

from .conftest import Bench, children_of, eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_job_runs_without_a_pod_and_says_so(bench: Bench) -> None:
    outcome = await bench.run('total = 0\nfor i in range(3):\n    total += call("s.t", n=i)["n"]\ntotal')
    assert (outcome.ok, outcome.value, outcome.calls, outcome.lane) == (True, 3, 3, "fast")
    assert bench.called == [("s.t", {"n": 0}), ("s.t", {"n": 1}), ("s.t", {"n": 2})]
    assert bench.pods.jobs == []
    assert bench.sample("mcp_optimizer_fast_lane_jobs_total", outcome="ok")
    assert bench.sample("mcp_optimizer_fast_lane_seconds_count")
    assert bench.lane.stats().fast_jobs


async def test_its_child_may_send_no_files(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing there makes any, so what sends some is no child of ours any more."""
    limits: list[ArtifactLimits | None] = []

    class Noted(Conversation):
        def __init__(self, *arguments: Any, job: JobRequest, **more: Any) -> None:
            limits.append(job.artifacts)
            super().__init__(*arguments, job=job, **more)

    monkeypatch.setattr("mcp_optimizer.fastlane.lane.Conversation", Noted)
    outcome = await bench.run("1", artifacts=ArtifactLimits(max_count=5, max_bytes=1000))
    assert (outcome.lane, limits) == ("fast", [None])


async def test_ten_calls_are_in_flight_at_once(bench: Bench) -> None:
    gate, waiting = asyncio.Event(), 0

    async def on_call(tool: str, arguments: dict[str, Any]) -> Any:
        nonlocal waiting
        waiting += 1
        if waiting == 10:
            gate.set()
        await gate.wait()
        return await bench.on_call(tool, arguments)

    code = 'import asyncio\nawait asyncio.gather(*[acall("s.t", n=i) for i in range(10)])'
    outcome = await bench.lane.run(JobRequest(code=code), on_call)
    assert outcome.value == [{"n": i} for i in range(10)]


async def test_while_it_is_off_nothing_of_it_is_loaded_or_started(own: Bench) -> None:
    own.configure(on=False)
    outcome = await own.run("1 + 1")
    assert outcome.value == "from a Pod"
    assert own.lane.stats().fast_starts == 0
    script = "import sys, mcp_optimizer.fastlane.lane; print([name for name in sys.modules if 'monty' in name])"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE)
    assert (await process.communicate())[0].strip() == b"[]"


async def test_a_client_that_leaves_while_the_child_starts_leaves_no_process_that_nobody_knows(own: Bench) -> None:
    before = set(children_of(os.getpid()))
    leaving = asyncio.create_task(own.run("1"))
    await eventually(lambda: own.lane.child_pid)
    leaving.cancel()
    await asyncio.wait([leaving])
    assert (await own.run("1 + 1")).lane == "fast"
    assert own.lane.stats().fast_starts == 1
    assert set(children_of(os.getpid())) - before == {own.lane.child_pid}
    await own.lane.close()
    await eventually(lambda: set(children_of(os.getpid())) <= before)


@pytest.mark.parametrize(
    ("code", "changes", "reason"),
    [
        ("import statistics", {}, "import"),
        ("1", {"lane": "pod"}, "asked"),
        ("1", {"timeout_s": 15.0, "timeout_chosen": True}, "timeout_s"),
    ],
)
async def test_a_job_that_is_not_for_it_goes_to_a_pod_untried(bench: Bench, code: str, changes: dict[str, Any], reason: str) -> None:
    assert (await bench.run(code, **changes)).value == "from a Pod"
    assert bench.sample("mcp_optimizer_fast_lane_unfit_total", reason=reason) == 1
    assert bench.fallbacks == []


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ('"a".group()', "unsupported"),
        ('x = "a" * 10**9', "memory"),
        ("while True: pass", "timeout"),
    ],
)
async def test_a_job_it_cannot_do_goes_to_a_pod_while_it_has_called_nothing(bench: Bench, code: str, reason: str) -> None:
    bench.configure(timeout_seconds=0.5)
    seen: list[str] = []

    async def progress(stream: str, data: str) -> None:
        seen.append(data)

    outcome = await bench.run(f'print("once")\n{code}', progress)
    assert outcome.value == "from a Pod"
    assert bench.fallbacks == [("fast_lane", "pod", reason)]
    assert seen == [], "the Pod's run prints it"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ('"a".group()', "exception"),
        ('x = "a" * 10**9', "memory"),
        ("while True: pass", "timeout"),
    ],
)
async def test_a_job_that_has_called_a_tool_is_not_run_again(bench: Bench, code: str, kind: str) -> None:
    bench.configure(timeout_seconds=0.5)
    outcome = await bench.run(f'call("s.t")\n{code}')
    assert outcome.error is not None
    assert outcome.error.kind == kind
    assert 'after 1 tool calls it is not run again by itself: to run it in a Pod pass lane: "pod"' in outcome.error.message
    assert (bench.pods.jobs, bench.fallbacks) == ([], [])


async def test_a_time_that_the_caller_chose_is_a_timeout_and_no_reason_for_a_pod(bench: Bench) -> None:
    outcome = await bench.run("while True: pass", timeout_s=0.5, timeout_chosen=True)
    assert outcome.error is not None
    assert (outcome.error.kind, bench.pods.jobs) == ("timeout", [])


async def test_output_is_shown_as_it_comes_once_a_tool_was_called(bench: Bench) -> None:
    seen: list[str] = []

    async def progress(stream: str, data: str) -> None:
        seen.append(f"{stream}:{data}")

    outcome = await bench.run('print("before")\ncall("s.t")\nprint("after")', progress)
    assert outcome.stdout == "before\nafter\n"
    assert seen == ["stdout:before\n", "stdout:after\n"]


async def test_a_cancelled_job_leaves_no_worker_behind(bench: Bench) -> None:
    await bench.run("1")
    host = bench.lane._child.pid  # type: ignore[union-attr]
    assert host is not None
    for code in ('call("s.t")\nwhile True: pass', 'call("s.slow")'):
        bench.called.clear()
        task = asyncio.create_task(bench.run(code))
        await eventually(lambda: bench.called)
        busy = set(children_of(host))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await eventually(lambda before=busy: before - set(children_of(host)))
    assert (await bench.run("1")).value == 1


async def test_a_child_that_dies_takes_its_jobs_along_and_is_started_again_later(own: Bench) -> None:
    await own.run("1")
    child = own.lane._child
    assert child is not None
    task = asyncio.create_task(own.run('call("s.t")\ncall("s.slow")'))
    await eventually(lambda: len(own.called) == 2)
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    outcome = await task
    assert outcome.error is not None
    assert outcome.error.kind == "lost"
    assert "2 tool calls" in outcome.error.message
    await eventually(lambda: child.pid is None)
    assert (await own.run("1")).value == "from a Pod"
    assert own.fallbacks == [("fast_lane", "pod", "down")]
    child._not_before = 0
    assert (await own.run("1")).value == 1
    assert own.lane.stats().fast_starts == 2


async def test_more_jobs_than_it_takes_at_once_go_to_pods(bench: Bench) -> None:
    tasks = [asyncio.create_task(bench.run('call("s.slow")')) for _ in range(4)]
    await eventually(lambda: len(bench.called) == 4)
    assert (await bench.run("1")).value == "from a Pod"
    assert bench.fallbacks == [("fast_lane", "pod", "busy")]
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_new_limits_take_a_new_child_and_let_running_jobs_end(own: Bench) -> None:
    task = asyncio.create_task(own.run('call("s.slow")'))
    await eventually(lambda: own.called)
    old = own.lane._child
    own.configure(memory_bytes=8 * 1024 * 1024)
    assert (await own.run("1")).value == 1
    assert old is not None and old.pid is not None
    task.cancel()
    await asyncio.wait([task])
    await eventually(lambda: old.pid is None)


@pytest.mark.parametrize("program", ["/bin/false", "/bin/echo"])
async def test_a_child_that_cannot_start_is_tried_again_only_after_a_pause(
    own: Bench, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    monkeypatch.setattr(sys, "executable", program)
    assert [(await own.run("1")).value for _ in range(3)] == ["from a Pod"] * 3
    assert own.fallbacks == [("fast_lane", "pod", "down")] * 3
    assert own.lane.stats().fast_starts == 1
