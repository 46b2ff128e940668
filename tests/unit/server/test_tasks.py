"""Tasks within their bounds: how many there may be, what they leave behind, what they say after their request is gone."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from mcp_optimizer.context import PLAIN, CallContext
from mcp_optimizer.errors import CallFailure
from mcp_optimizer.keys import Keys
from mcp_optimizer.lane import OnOutput
from mcp_optimizer.memory import holding
from mcp_optimizer.protocol.tasks import call_as_task
from mcp_optimizer.ration import Ration
from mcp_optimizer.seal import Sealer
from mcp_optimizer.state import tasks as module
from mcp_optimizer.state.peers import Peers
from mcp_optimizer.state.running import Round
from mcp_optimizer.state.signature import Signatures
from mcp_optimizer.state.tasks import Tasks

Fields = dict[str, Any]


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AFTER_SECONDS", 0.0)


def tasks(keys: Keys | None = None) -> Tasks:
    keys = keys or Keys(None)
    return Tasks(Sealer(keys), Peers(Signatures(keys)))


def explain(raised: BaseException) -> Fields:
    return {"code": -32603, "message": str(raised)}


def waits_for(event: asyncio.Event) -> Any:
    async def work(attempt: Round) -> Fields:
        await event.wait()
        return {"content": [], "isError": False}

    return work


async def settled(made: Tasks) -> None:
    await asyncio.gather(*(running.task for running in made.running.values() if running.task is not None), return_exceptions=True)
    await asyncio.sleep(0)


async def test_with_as_many_tasks_as_there_may_be_a_client_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_RUNNING", 2)
    made, go = tasks(), asyncio.Event()
    first = [await made.run(waits_for(go), explain, lambda: None) for _ in range(2)]
    assert {task["resultType"] for task in first} == {"task"}
    third = asyncio.create_task(made.run(waits_for(go), explain, lambda: None))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not third.done() and len(made.running) == 2
    go.set()
    assert await third == {"content": [], "isError": False}
    await settled(made)
    assert made.totals == {"completed": 2}


async def test_results_of_ended_tasks_make_room_for_newer_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ENDED", 3)
    made, go = tasks(), asyncio.Event()
    ids = [(await made.run(waits_for(go), explain, lambda: None))["taskId"] for _ in range(4)]
    go.set()
    await settled(made)
    assert len(made.ended) == 3
    with pytest.raises(CallFailure, match="no longer kept: run the call again"):
        await made.get(ids[0])
    assert (await made.get(ids[3]))["status"] == "completed"


async def test_a_result_too_large_to_be_kept_is_a_failure_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 1000)
    made, go = tasks(), asyncio.Event()

    async def work(attempt: Round) -> Fields:
        await go.wait()
        return {"content": [{"type": "text", "text": "x" * 2000}]}

    task_id = (await made.run(work, explain, lambda: None))["taskId"]
    go.set()
    await settled(made)
    ended = await made.get(task_id)
    assert ended["status"] == "failed" and "at most 1000 are kept" in ended["error"]["message"]


async def test_a_client_that_leaves_before_there_is_a_task_ends_its_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AFTER_SECONDS", 60.0)
    made, cancelled = tasks(), asyncio.Event()

    async def work(attempt: Round) -> Fields:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return {}

    call = asyncio.create_task(made.run(work, explain, lambda: None))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    assert cancelled.is_set() and not made.running


async def test_a_failure_is_explained_and_kept() -> None:
    made, go = tasks(), asyncio.Event()

    async def work(attempt: Round) -> Fields:
        await go.wait()
        raise RuntimeError("out of paper")

    task_id = (await made.run(work, explain, lambda: None))["taskId"]
    go.set()
    await settled(made)
    ended = await made.get(task_id)
    assert (ended["status"], ended["error"], ended["statusMessage"]) == (
        "failed",
        {"code": -32603, "message": "out of paper"},
        "out of paper",
    )
    assert "result" not in ended


async def test_a_question_without_questions_does_not_wait_for_ever() -> None:
    made, go = tasks(), asyncio.Event()

    async def work(attempt: Round) -> Fields:
        await go.wait()
        return {"resultType": "input_required", "inputRequests": {}}

    task_id = (await made.run(work, explain, lambda: None))["taskId"]
    go.set()
    await settled(made)
    assert (await made.get(task_id))["status"] == "failed"


async def test_a_server_that_wants_only_its_state_back_is_called_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.0)
    made, go, rounds = tasks(), asyncio.Event(), list[Round]()

    async def work(attempt: Round) -> Fields:
        await go.wait()
        rounds.append(attempt)
        return {"content": []} if len(rounds) == 3 else {"resultType": "input_required", "requestState": f"s{len(rounds)}"}

    task_id = (await made.run(work, explain, lambda: None))["taskId"]
    go.set()
    await settled(made)
    assert (await made.get(task_id))["status"] == "completed"
    assert rounds == [Round(), Round(None, "s1"), Round(None, "s2")]


async def test_state_without_answers_reaches_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.0)
    made, go, states = tasks(), asyncio.Event(), list[str | None]()

    async def call(context: CallContext, progress: OnOutput | None) -> Fields:
        await go.wait()
        states.append(context.request_state)
        return {"content": []} if len(states) == 2 else {"resultType": "input_required", "requestState": "s"}

    await call_as_task(made, call, PLAIN, None, Ration(1000))
    go.set()
    await settled(made)
    assert states == [None, "s"]


async def test_a_server_that_always_wants_to_be_called_again_is_not_called_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(module, "MAX_ROUNDS", 3)
    made, go = tasks(), asyncio.Event()

    async def work(attempt: Round) -> Fields:
        await go.wait()
        return {"resultType": "input_required", "requestState": "s"}

    task_id = (await made.run(work, explain, lambda: None))["taskId"]
    go.set()
    await settled(made)
    assert "at most 3 are made" in (await made.get(task_id))["statusMessage"]


async def test_the_arguments_of_a_task_weigh_until_it_ends() -> None:
    made, go, ration = tasks(), asyncio.Event(), Ration(1000)
    with holding(ration) as request:
        await request.hold(700)
        await made.run(waits_for(go), explain, lambda: None)
    assert ration.taken == 700, "the request is answered, its arguments are still there"
    go.set()
    await settled(made)
    assert ration.taken == 0


async def test_without_a_readable_key_a_long_call_is_answered_and_no_task_is_made(tmp_path: Path) -> None:
    made, go = tasks(Keys(tmp_path / "missing")), asyncio.Event()
    go.set()
    assert (await made.run(waits_for(go), explain, lambda: None))["isError"] is False
    with pytest.raises(CallFailure, match="cannot be read"):
        await made.get("A" * 46)
