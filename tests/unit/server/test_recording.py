"""What is kept of a job, and how a second run is compared with it."""

import asyncio
from typing import Any

import pytest

from mcp_optimizer.lane import Artifact, CallOutcome, JobFile, JobOutcome, JobRequest
from mcp_optimizer.memory import Holding
from mcp_optimizer.ration import Ration
from mcp_optimizer.recording import Given, Player, Recorder, read
from mcp_optimizer_api.job import CallError, JobError

JOB = JobRequest("code", {"p": [1, "ä"]}, 5.0, files=(JobFile("a", b"\xff\x00"),), seed=7)
HUGE = 123456789012345678901234567890


async def server(tool: str, arguments: dict[str, Any]) -> CallOutcome:
    """Answers with what it was asked; `late` in its own time."""
    if tool == "fail":
        return CallOutcome(ok=False, error=CallError(code=404, message="no"))
    if tool == "never":
        await asyncio.Event().wait()
    await asyncio.sleep(arguments.get("late", 0))
    return CallOutcome(ok=True, value={"asked": arguments, "huge": HUGE, "none": None, "float": 1.0})


async def recorded(*calls: tuple[str, dict[str, Any]], outcome: JobOutcome | None = None, limit: int = 10**6) -> bytes | None:
    recorder = Recorder(Given(JOB, "hash"), server, limit, None)
    tasks = [asyncio.create_task(recorder.call(*call)) for call in calls]
    await asyncio.wait(tasks, timeout=None if all(tool != "never" for tool, _ in calls) else 0.1) if tasks else None
    return recorder.finish(outcome or JobOutcome(ok=True, value=1))


async def player_of(*calls: tuple[str, dict[str, Any]], outcome: JobOutcome | None = None) -> Player:
    data = await recorded(*calls, outcome=outcome)
    assert data is not None
    return Player(read(data), server)


async def test_a_recording_has_all_that_the_job_was_given() -> None:
    data = await recorded(("t", {"x": 1}))
    assert data is not None
    tape = read(data)
    assert (tape.given.job, tape.given.catalogue) == (JOB, "hash")


async def test_answers_come_back_as_they_were_in_whatever_order_they_came() -> None:
    calls = [("t", {"late": 0.02, "b": HUGE, "a": 1}), ("t", {"a": 2}), ("fail", {})]
    player = await player_of(*calls)
    for tool, arguments in reversed(calls):
        again = dict(reversed(arguments.items()))
        assert await player.call(tool, again) == await server(tool, arguments)
    report = player.report(JobOutcome(ok=True, value=1, duration_ms=9))
    assert (report["identical"], report["order"]["call"], report["order"]["recorded"]["arguments"]["b"]) == (True, 1, HUGE)


async def test_equal_calls_get_their_answers_in_turn() -> None:
    answers = iter(("one", "two"))

    async def counting(tool: str, arguments: dict[str, Any]) -> CallOutcome:
        return CallOutcome(ok=True, value=next(answers))

    recorder = Recorder(Given(JOB, ""), counting, 10**6, None)
    for _ in range(2):
        await recorder.call("next", {})
    player = Player(read(recorder.finish(JobOutcome(ok=True)) or b""), server)
    assert [(await player.call("next", {})).value for _ in range(2)] == ["one", "two"]
    third = await player.call("next", {})
    assert third.error is not None and third.error.code == 409
    assert player.report(JobOutcome(ok=True))["first_difference"] == {
        "call": 3,
        "recorded": None,
        "actual": {"tool": "next", "arguments": {}},
    }


async def test_which_call_differs_does_not_depend_on_the_order_of_the_others() -> None:
    for order in ((0, 1, 2), (2, 0, 1), (2, 1, 0)):
        player = await player_of(*[("t", {"n": number}) for number in range(3)])
        asked: list[dict[str, Any]] = [{"n": 0}, {"n": "other"}, {"n": 2}]
        for number in order:
            await player.call("t", asked[number])
        found = player.report(JobOutcome(ok=True, value=1))["first_difference"]
        assert (found["recorded"]["arguments"], found["actual"]["arguments"]) == ({"n": 1}, {"n": "other"})


async def test_a_call_that_the_job_did_not_wait_for_is_no_difference_and_gets_no_answer() -> None:
    player = await player_of(("never", {}), ("t", {}))
    await player.call("t", {})
    assert player.report(JobOutcome(ok=True, value=1))["identical"] is True
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(player.call("never", {}), 0.05)


async def test_questions_about_the_catalogue_are_no_calls() -> None:
    player = await player_of(("$stubs", {"server": "a"}), ("t", {"x": 1}))
    for _ in range(2):
        assert (await player.call("$stubs", {"server": "a"})).value["asked"] == {"server": "a"}
    assert (await player.call("$search", {"query": "q"})).value["asked"] == {"query": "q"}
    await player.call("t", {"x": 2})
    assert player.report(JobOutcome(ok=True, value=1))["first_difference"] == {
        "call": 1,
        "recorded": {"tool": "t", "arguments": {"x": 1}},
        "actual": {"tool": "t", "arguments": {"x": 2}},
    }


@pytest.mark.parametrize(
    ("first", "second", "part", "at"),
    [
        (JobOutcome(ok=True, value=1), JobOutcome(ok=True, value=1.0), "result", 1),
        (JobOutcome(ok=True, value={"a": 1, "b": 2}), JobOutcome(ok=True, value={"b": 2, "a": 1}), "result", 2),
        (JobOutcome(ok=True), JobOutcome(ok=False, error=JobError(kind="exception", message="m")), "result", 0),
        (
            JobOutcome(ok=False, error=JobError(kind="exception", message="m")),
            JobOutcome(ok=False, error=JobError(kind="timeout", message="m")),
            "error",
            2,
        ),
        (JobOutcome(ok=True, stdout="a\n"), JobOutcome(ok=True, stdout="a\r\n"), "stdout", 1),
        (JobOutcome(ok=True, stderr="a", stderr_truncated=1), JobOutcome(ok=True, stderr="a"), "stderr", 1),
        (JobOutcome(ok=True, artifacts=(Artifact("a", b"1"),)), JobOutcome(ok=True, artifacts=(Artifact("b", b"1"),)), "artifacts", 4),
    ],
)
async def test_the_first_part_of_the_outcome_that_differs_is_named(first: JobOutcome, second: JobOutcome, part: str, at: int) -> None:
    player = await player_of(outcome=first)
    assert player.report(first) == {"identical": True}
    found = player.report(second)["first_difference"]
    assert (found["part"], found["at"]) == (part, at)


async def test_a_recording_that_grows_too_large_keeps_nothing_of_what_comes_later() -> None:
    recorder = Recorder(Given(JOB, ""), server, 10_000, None)
    for _ in range(3):
        assert (await recorder.call("t", {"x": "y" * 9000})).ok
    assert recorder._calls == []
    assert recorder.finish(JobOutcome(ok=True)) is None
    assert recorder.given_up == "it has more than the 10000 bytes that are kept (spec.recording.maxBytes)"


async def test_a_recording_that_finds_no_memory_is_given_up_and_the_calls_are_answered() -> None:
    holding = Holding(Ration(5000))
    recorder = Recorder(Given(JOB, ""), server, 10**6, holding)
    assert (await recorder.call("t", {"x": "y" * 9000})).ok
    assert (await recorder.call("t", {})).ok
    assert "no memory left" in str(recorder.given_up)
    assert holding.held <= 5000
