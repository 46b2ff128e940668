"""Who may run, who waits, who is turned away."""

import asyncio

import pytest

from mcp_optimizer.errors import CallFailure
from mcp_optimizer.sandbox.admission import Admission


def admission(limit: int) -> Admission:
    """With this limit."""
    made = Admission()
    made.limit = limit
    return made


async def test_whoever_waits_is_let_in_in_order() -> None:
    gate, order = admission(1), []
    await gate.enter(1)

    async def job(name: str) -> None:
        await gate.enter(30)
        order.append(name)
        gate.leave()

    gate.limit = 3  # room for three to wait
    gate.running = 3
    jobs = [asyncio.create_task(job(name)) for name in "abc"]
    await asyncio.sleep(0)
    gate.limit = 1
    gate.running = 1
    gate.leave()
    await asyncio.gather(*jobs)
    assert order == ["a", "b", "c"]
    assert gate.running == 0


async def test_a_job_that_waits_too_long_is_turned_away_with_429() -> None:
    gate = admission(1)
    await gate.enter(1)
    with pytest.raises(CallFailure) as failure:
        await gate.enter(0.01)
    assert failure.value.code == 429
    assert "1 jobs run" in failure.value.message
    gate.leave()
    await gate.enter(0.01)


async def test_a_full_queue_turns_away_at_once() -> None:
    gate = admission(1)
    await gate.enter(1)
    waiting = asyncio.create_task(gate.enter(30))
    await asyncio.sleep(0)
    with pytest.raises(CallFailure) as failure:
        await gate.enter(30)
    assert failure.value.code == 429
    gate.leave()
    await waiting


async def test_a_cancelled_wait_leaves_no_trace() -> None:
    gate = admission(1)
    await gate.enter(1)
    waiting = asyncio.create_task(gate.enter(30))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    gate.leave()
    assert gate.running == 0
    await gate.enter(0.01)


async def test_a_slot_granted_to_a_cancelled_waiter_goes_to_the_next() -> None:
    gate = admission(1)
    await gate.enter(1)
    waiting = asyncio.create_task(gate.enter(30))
    await asyncio.sleep(0)
    gate.leave()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert gate.running == 0


async def test_a_raised_limit_lets_waiters_in() -> None:
    gate = admission(1)
    await gate.enter(1)
    waiting = asyncio.create_task(gate.enter(30))
    await asyncio.sleep(0)
    gate.limit = 2
    gate.admit()
    await waiting
    assert gate.running == 2
