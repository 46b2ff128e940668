"""Jobs begin a few at a time, and none waits for one that goes on."""

import asyncio
from collections.abc import Callable

import pytest
from tests.agent_process import AgentProcess

from mcp_optimizer.sandbox import PodLane, starts
from mcp_optimizer.sandbox.starts import AT_ONCE, Starts

from .conftest import eventually
from .test_lane import run

LONG = 3600.0


class Burst:
    """Jobs that go on until told."""

    def __init__(self, jobs: int, *others: str) -> None:
        self._starts = Starts()
        self.begun: list[int] = []
        clients = ["a"] * jobs + list(others)
        self.ends = [asyncio.Event() for _ in clients]
        self.tasks = [asyncio.create_task(self._job(number, client)) for number, client in enumerate(clients)]

    async def _job(self, number: int, client: str) -> None:
        async with self._starts.turn(client):
            self.begun.append(number)
            await self.ends[number].wait()

    async def over(self) -> None:
        """Let all of them end."""
        for end in self.ends:
            end.set()
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def settled() -> None:
    """Give every task that may go on its turns."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_the_next_begins_when_one_has_ended_in_the_order_in_which_they_came(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starts, "TURN_SECONDS", LONG)
    burst = Burst(AT_ONCE + 3)
    await settled()
    assert burst.begun == list(range(AT_ONCE))
    burst.ends[1].set()
    await settled()
    assert burst.begun == list(range(AT_ONCE + 1))
    await burst.over()
    assert burst.begun == list(range(AT_ONCE + 3))


async def test_clients_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starts, "TURN_SECONDS", LONG)
    burst = Burst(AT_ONCE + 5, "b")
    await settled()
    for _ in range(2):
        burst.ends[burst.begun[0]].set()
        del burst.begun[0]
        await settled()
    assert burst.begun[-2:] == [AT_ONCE, AT_ONCE + 5]
    await burst.over()


async def test_nobody_waits_for_jobs_that_go_on() -> None:
    burst = Burst(5 * AT_ONCE)
    await eventually(lambda: len(burst.begun) == 5 * AT_ONCE)
    await burst.over()


async def test_a_turn_is_given_back_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starts, "TURN_SECONDS", 0.0)
    ordered = Starts()
    for _ in range(3):
        async with ordered.turn("a"):
            await asyncio.sleep(0.01)
    monkeypatch.setattr(starts, "TURN_SECONDS", LONG)
    async with asyncio.timeout(30):
        turns = [ordered.turn("a") for _ in range(AT_ONCE)]
        for turn in turns:
            await turn.__aenter__()
    late = asyncio.create_task(ordered.turn("a").__aenter__())
    await settled()
    assert not late.done()
    late.cancel()
    await asyncio.gather(late, return_exceptions=True)
    for turn in turns:
        await turn.__aexit__(None, None, None)


async def test_a_turn_of_one_that_fails_or_stops_waiting_is_the_nexts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starts, "TURN_SECONDS", LONG)
    burst = Burst(AT_ONCE + 2)
    await settled()
    burst.tasks[AT_ONCE].cancel()
    burst.tasks[0].cancel()
    await settled()
    assert burst.begun[AT_ONCE:] == [AT_ONCE + 1]
    await burst.over()


async def test_jobs_of_a_lane_take_turns(lane: PodLane, spawn: Callable[..., AgentProcess], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starts, "TURN_SECONDS", LONG)
    for number in range(AT_ONCE + 1):
        spawn(f"p{number}")
    await eventually(lambda: lane.stats().warm_seen == AT_ONCE + 1)
    jobs = [run(lane, "import time\ntime.sleep(600)") for _ in range(AT_ONCE)]
    await eventually(lambda: lane.stats().busy == AT_ONCE)
    last = run(lane, "'ran'")
    await settled()
    assert (lane.stats().busy, lane.stats().warm_seen) == (AT_ONCE, 1)
    jobs[0].cancel()
    assert (await last).value == "ran"
    for job in jobs:
        job.cancel()
    await asyncio.gather(*jobs, return_exceptions=True)
