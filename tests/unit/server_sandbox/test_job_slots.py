"""What a job that finds no place is told; who comes first is `test_slots.py`'s."""

import asyncio

import pytest

from mcp_optimizer.errors import CallFailure
from mcp_optimizer.sandbox.job_slots import JobSlots


def slots(limit: int, seconds: float) -> JobSlots:
    made = JobSlots()
    made.configure(limit, seconds)
    return made


async def test_a_job_that_waits_too_long_is_turned_away_with_429() -> None:
    places = slots(1, 0.01)
    await places.take()
    with pytest.raises(CallFailure, match=r"1 jobs run.*none ended within 0.01 s") as failure:
        await places.take()
    assert failure.value.code == 429
    places.give()
    await places.take()


async def test_as_many_wait_as_may_run_and_the_next_is_turned_away_at_once() -> None:
    places = slots(1, 30)
    await places.take()
    waiting = asyncio.create_task(places.take())
    await asyncio.sleep(0)
    with pytest.raises(CallFailure, match="1 wait") as failure:
        await places.take()
    assert failure.value.code == 429
    places.give()
    await waiting


async def test_a_raised_limit_lets_waiters_in() -> None:
    places = slots(1, 30)
    await places.take()
    waiting = asyncio.create_task(places.take())
    await asyncio.sleep(0)
    places.configure(2, 30)
    await waiting
    assert places.running == 2
