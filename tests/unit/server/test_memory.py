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


async def test_two_that_wait_for_each_other_are_refused_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "WAIT_SECONDS", 0.05)
    ration = Ration(100 * KIB)
    first, second = Holding(ration), Holding(ration)
    await first.hold(50 * KIB)
    await second.hold(50 * KIB)
    outcomes = await asyncio.gather(first.hold(40 * KIB), second.hold(40 * KIB), return_exceptions=True)
    assert all(isinstance(outcome, MemoryFull) for outcome in outcomes)
    first.release()
    await second.hold(40 * KIB)
    second.release()
    assert ration.taken == 0


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
