"""Long work is done aside, with the collector off, and never leaves it off."""

import asyncio
import gc
import threading
import weakref

import pytest

from mcp_optimizer.background import FREEZES_PER_COLLECTION, aside, aside_to_keep, let_go


async def test_the_loop_goes_on_while_long_work_is_done_aside() -> None:
    begun, may_end = threading.Event(), threading.Event()

    def work() -> bool:
        begun.set()
        return may_end.wait(10)

    working = asyncio.create_task(aside(work))
    assert await asyncio.to_thread(begun.wait, 10)
    assert not gc.isenabled(), "the collector would hold up the loop"
    may_end.set()
    assert await working
    assert gc.isenabled()


async def test_the_collector_is_on_again_after_work_that_failed() -> None:
    with pytest.raises(ZeroDivisionError):
        await aside(lambda: 1 // 0)
    assert gc.isenabled()


async def test_what_lasts_is_kept_out_of_the_collectors_rounds() -> None:
    before = gc.get_freeze_count()
    kept = await aside_to_keep(lambda: [[number] for number in range(1000)])
    assert gc.get_freeze_count() >= before + 1000
    gc.unfreeze()
    assert len(kept) == 1000


async def test_cycles_that_were_kept_and_died_are_found_after_some_rounds() -> None:
    class Node:
        def __init__(self) -> None:
            self.own = self

    dead = weakref.ref(Node())
    for _ in range(FREEZES_PER_COLLECTION):
        await aside_to_keep(list[int])
    gc.unfreeze()
    assert dead() is None


async def test_parts_are_let_go_one_by_one() -> None:
    parts = [[1], [2]]
    await let_go(parts)
    assert parts == []
