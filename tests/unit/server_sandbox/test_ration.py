"""How much of strangers' JSON is in memory at once."""

import asyncio

import pytest

from mcp_optimizer.ration import Portion, Ration


async def taking(ration: Ration, count: int) -> "asyncio.Task[None]":
    """A task that has had its chance to take."""
    task = asyncio.create_task(ration.take(count))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return task


async def test_what_fits_is_taken_at_once_and_the_rest_waits_in_line() -> None:
    ration = Ration(10)
    assert (await taking(ration, 6)).done()
    large, small = await taking(ration, 7), await taking(ration, 1)
    assert not large.done()
    assert not small.done()
    ration.give(6)
    await asyncio.gather(large, small)


async def test_more_than_the_whole_is_taken_alone() -> None:
    ration = Ration(10)
    assert (await taking(ration, 99)).done()
    waiting = await taking(ration, 1)
    assert not waiting.done()
    ration.give(99)
    await waiting


async def test_a_cancelled_wait_takes_nothing_and_holds_nobody_up() -> None:
    ration = Ration(10)
    await ration.take(6)
    large, small = await taking(ration, 9), await taking(ration, 2)
    large.cancel()
    with pytest.raises(asyncio.CancelledError):
        await large
    await small
    ration.give(8)
    assert (await taking(ration, 10)).done()


async def test_what_was_granted_to_a_cancelled_waiter_comes_back() -> None:
    ration = Ration(10)
    await ration.take(10)
    waiting = await taking(ration, 10)
    ration.give(10)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert (await taking(ration, 10)).done()


async def test_a_portion_gives_back_what_it_holds_and_only_once() -> None:
    own, shared = Ration(5), Ration(5)
    await shared.take(5)
    portion = Portion(3, own, shared)
    task = asyncio.create_task(portion.take())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    portion.release()
    portion.release()
    shared.give(5)
    assert (await taking(own, 5)).done()
    assert (await taking(shared, 5)).done()
