"""Large messages of all requests share one amount of memory; whoever does not fit is refused, never waits for ever, and leaves nothing behind."""

import asyncio
import tracemalloc

import orjson
import pytest

from mcp_optimizer import memory
from mcp_optimizer.memory import FREE_BYTES, Growing, Holding, MemoryFull, current, holding, weight
from mcp_optimizer.ration import Ration

KIB = 1024


async def test_small_messages_are_not_counted_and_large_ones_in_few_steps() -> None:
    ration = Ration(1024 * KIB)
    own = Holding(ration)
    growing = Growing(own)
    await growing.reach(FREE_BYTES)
    assert ration.taken == 0
    steps = set()
    for size in range(FREE_BYTES, 500 * KIB, KIB):
        await growing.reach(size)
        assert own.held >= size or size <= FREE_BYTES
        steps.add(own.held)
    assert len(steps) <= 8
    own.release()
    assert ration.taken == 0


async def test_of_two_that_wait_for_each_other_the_last_is_refused_at_once_and_the_first_served() -> None:
    ration = Ration(100 * KIB)
    first, second = Holding(ration), Holding(ration)
    await first.hold(50 * KIB)
    await second.hold(50 * KIB)
    served = asyncio.create_task(first.hold(40 * KIB))
    await asyncio.sleep(0)
    with pytest.raises(MemoryFull):
        await second.hold(40 * KIB)
    second.release()
    await served
    first.release()
    assert ration.taken == 0


async def test_whoever_waits_for_one_that_goes_on_waits_and_is_refused_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "WAIT_SECONDS", 0.05)
    ration = Ration(100 * KIB)
    busy, waiting = Holding(ration), Holding(ration)
    await busy.hold(60 * KIB)
    await waiting.hold(40 * KIB)
    with pytest.raises(MemoryFull):
        await waiting.hold(40 * KIB)
    second_try = asyncio.create_task(waiting.hold(40 * KIB))
    await asyncio.sleep(0)
    busy.release()
    await second_try
    waiting.release()
    assert ration.taken == 0


async def test_of_many_messages_that_arrive_together_as_many_are_served_as_fit() -> None:
    ration = Ration(96 * KIB)
    served = 0

    async def arrive() -> None:
        nonlocal served
        with holding(ration) as own:
            growing = Growing(own, 64 * KIB)
            for size in range(8 * KIB, 65 * KIB, 8 * KIB):
                await growing.reach(size)
                await asyncio.sleep(0)
            served += 1

    outcomes = await asyncio.gather(*(arrive() for _ in range(40)), return_exceptions=True)
    assert served > 0
    assert all(isinstance(outcome, MemoryFull) for outcome in outcomes if outcome is not None)
    assert ration.taken == 0


async def test_a_message_of_known_size_never_holds_more_than_that() -> None:
    own = Holding(Ration(1024 * KIB))
    growing = Growing(own, 300 * KIB)
    for size in range(FREE_BYTES, 300 * KIB + 1, KIB):
        await growing.reach(size)
    assert own.held == 300 * KIB


async def test_one_message_larger_than_everything_passes_alone() -> None:
    ration = Ration(10 * KIB)
    own = Holding(ration)
    await own.hold(100 * KIB)
    own.release()
    assert ration.taken == 0


async def test_what_a_request_leaves_behind_does_not_hold_in_its_name() -> None:
    ration = Ration(100 * KIB)
    released = asyncio.Event()

    async def later() -> Holding | None:
        await released.wait()
        return current()

    with holding(ration) as own:
        assert current() is own
        left_behind = asyncio.create_task(later())
    released.set()
    assert await left_behind is None
    with pytest.raises(MemoryFull):
        await own.hold(50 * KIB)
    assert ration.taken == 0


def test_the_weight_of_text_is_its_length() -> None:
    text = b'"' + b"x" * 100_000 + b'"'
    assert weight(text) == len(text)


@pytest.mark.parametrize(
    "value", [b"[]", b"{}", b'{"a":1}', b'{"a":[]}', b'"ab"', b"1.5", b"[[[1]]]", b'{"a":{"b":{}}}', b'"a longer text of ours"']
)
def test_a_message_takes_at_most_eight_times_its_weight_when_it_is_parsed(value: bytes) -> None:
    message = b"[" + b",".join([value] * 20_000) + b"]"
    tracemalloc.start()
    parsed = orjson.loads(message)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(parsed) == 20_000
    assert taken <= 8 * weight(message)
