"""Places are given in order, never more of them than there are, and none is lost when somebody leaves the line."""

import asyncio
import contextlib
import random

import pytest

from mcp_optimizer.slots import NoPlace, Slots


async def passes() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_whoever_comes_first_is_served_first() -> None:
    slots, served = Slots(1, 10, 60), []
    assert slots.take_now()

    async def wait(number: int) -> None:
        await slots.take()
        served.append(number)

    tasks = [asyncio.create_task(wait(number)) for number in range(3)]
    await passes()
    assert (slots.waiting, slots.take_now()) == (3, False)
    for _ in range(3):
        slots.give()
        await passes()
    assert served == [0, 1, 2]
    await asyncio.gather(*tasks)
    slots.give()
    assert (slots.taken, slots.waiting) == (0, 0)


async def test_a_full_line_and_a_wait_that_is_too_long_are_told_apart() -> None:
    slots = Slots(1, 1, 0.01)
    assert slots.take_now()
    waiting = asyncio.create_task(slots.take())
    await passes()
    with pytest.raises(NoPlace) as full:
        await slots.take()
    with pytest.raises(NoPlace) as late:
        await waiting
    assert (full.value.reason, late.value.reason, slots.waiting, slots.taken) == ("queue_full", "queue_timeout", 0, 1)


async def test_a_place_given_to_one_who_is_leaving_goes_to_the_next() -> None:
    slots = Slots(1, 2, 60)
    assert slots.take_now()
    first, second = asyncio.create_task(slots.take()), asyncio.create_task(slots.take())
    await passes()
    slots.give()
    first.cancel()
    await asyncio.wait([second], timeout=10)
    assert second.done() and slots.taken == 1


async def test_more_places_let_in_who_waits_and_fewer_drive_nobody_out() -> None:
    slots = Slots(1, 5, 60)
    assert slots.take_now()
    waiting = [asyncio.create_task(slots.take()) for _ in range(2)]
    await passes()
    slots.resize(3, 5, 60)
    await asyncio.gather(*waiting)
    slots.resize(1, 5, 60)
    assert (slots.taken, slots.take_now()) == (3, False)
    for _ in range(3):
        slots.give()
    assert slots.taken == 0 and slots.take_now()


async def test_no_place_is_lost_in_any_order_of_events() -> None:
    chance = random.Random(7)
    slots, tasks, most = Slots(3, 50, 60), [], 0

    async def visit(seconds: float) -> None:
        nonlocal most
        await slots.take()
        try:
            most = max(most, slots.taken)
            await asyncio.sleep(seconds)
        finally:
            slots.give()

    for _ in range(200):
        tasks.append(asyncio.create_task(visit(chance.choice([0, 0, 0.001]))))
        if chance.random() < 0.3:
            chance.choice(tasks).cancel()
        if chance.random() < 0.5:
            await asyncio.sleep(0)
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.gather(*tasks, return_exceptions=True)
    assert (slots.taken, slots.waiting, most) == (0, 0, 3)
