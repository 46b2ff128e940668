"""The work queue has the semantics of client-go."""

import asyncio
import random

from mcp_operator.workqueue import BASE_DELAY, MAX_DELAY, WorkQueue


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Certain(random.Random):
    """No jitter."""

    def random(self) -> float:
        return 0.5


def queue() -> tuple[WorkQueue[str], Clock]:
    clock = Clock()
    return WorkQueue(clock=clock, rng=Certain()), clock


def drain(work: WorkQueue[str]) -> list[str]:
    found = []
    while (key := work.pop()) is not None:
        found.append(key)
        work.done(key)
    return found


def test_a_key_added_often_is_worked_on_once_and_in_order() -> None:
    work, _ = queue()
    for key in "abcab":
        work.add(key)
    assert drain(work) == ["a", "b", "c"]


def test_a_key_is_never_worked_on_twice_at_the_same_time_but_again_afterwards() -> None:
    work, _ = queue()
    work.add("a")
    assert work.pop() == "a"
    work.add("a")
    work.add("a")
    assert work.pop() is None
    work.done("a")
    assert drain(work) == ["a"]


def test_a_delayed_key_waits_for_its_time() -> None:
    work, clock = queue()
    work.add_after("a", 5)
    assert work.pop() is None
    clock.now += 5
    assert drain(work) == ["a"]


def test_the_earliest_of_several_delays_counts_and_only_once() -> None:
    work, clock = queue()
    work.add_after("a", 10)
    work.add_after("a", 3)
    work.add_after("a", 7)
    clock.now += 3
    assert drain(work) == ["a"]
    clock.now += 100
    assert drain(work) == []


def test_an_immediate_addition_replaces_a_delayed_one() -> None:
    work, clock = queue()
    work.add_after("a", 10)
    work.add("a")
    assert drain(work) == ["a"]
    clock.now += 100
    assert drain(work) == []


def test_no_delay_means_now() -> None:
    work, _ = queue()
    work.add_after("a", 0)
    assert drain(work) == ["a"]


def test_a_key_delayed_while_it_is_worked_on_comes_back_after_the_delay() -> None:
    work, clock = queue()
    work.add("a")
    work.pop()
    work.add_after("a", 2)
    work.done("a")
    assert work.pop() is None
    clock.now += 2
    assert drain(work) == ["a"]


def test_back_off_doubles_up_to_a_bound_and_starts_again_after_a_success() -> None:
    work, _ = queue()
    delays = [work.retry("a") for _ in range(12)]
    assert delays[:4] == [BASE_DELAY, 2 * BASE_DELAY, 4 * BASE_DELAY, 8 * BASE_DELAY]
    assert delays[-1] == MAX_DELAY
    assert work.failures("a") == 12
    work.forget("a")
    assert work.failures("a") == 0
    assert work.retry("a") == BASE_DELAY


def test_back_off_respects_a_floor_and_is_jittered() -> None:
    work, _ = queue()
    assert work.retry("a", floor=7) == 7
    jittered: WorkQueue[str] = WorkQueue(clock=Clock(), rng=random.Random(1))
    delays = {jittered.retry(f"key{number}") for number in range(20)}
    assert len(delays) == 20
    assert all(0.8 * BASE_DELAY <= delay <= 1.2 * BASE_DELAY for delay in delays)


def test_the_age_of_the_oldest_key_and_the_depth_are_known() -> None:
    work, clock = queue()
    assert (len(work), work.oldest_age()) == (0, 0.0)
    work.add("a")
    clock.now += 4
    work.add("b")
    work.add_after("later", 60)
    assert (len(work), work.oldest_age()) == (2, 4.0)


async def test_waiting_workers_get_added_and_delayed_keys() -> None:
    work: WorkQueue[int] = WorkQueue()
    seen: list[int] = []

    async def worker() -> None:
        while (key := await work.get()) is not None:
            seen.append(key)
            await asyncio.sleep(0)
            work.done(key)

    workers = [asyncio.create_task(worker()) for _ in range(3)]
    await asyncio.sleep(0)
    for number in range(50):
        work.add(number)
    work.add_after(99, 0.01)
    work.add_after(98, 0.005)
    async with asyncio.timeout(10):
        while len(seen) < 52:  # noqa: ASYNC110 - the workers are what is tested
            await asyncio.sleep(0.001)
    assert sorted(seen) == [*range(50), 98, 99]
    work.close()
    async with asyncio.timeout(10):
        await asyncio.gather(*workers)


async def test_many_producers_and_slow_workers_lose_nothing_and_overlap_nothing() -> None:
    work: WorkQueue[int] = WorkQueue()
    version = dict.fromkeys(range(10), 0)
    seen = dict.fromkeys(range(10), 0)
    busy: set[int] = set()
    rng = random.Random(7)

    async def worker() -> None:
        while (key := await work.get()) is not None:
            assert key not in busy
            busy.add(key)
            looked = version[key]
            await asyncio.sleep(rng.random() / 500)
            seen[key] = looked
            busy.discard(key)
            work.done(key)

    workers = [asyncio.create_task(worker()) for _ in range(4)]
    for _ in range(500):
        key = rng.randrange(10)
        version[key] += 1
        work.add(key) if rng.random() < 0.5 else work.add_after(key, rng.random() / 200)
        if rng.random() < 0.3:
            await asyncio.sleep(0)
    async with asyncio.timeout(20):
        while seen != version:  # noqa: ASYNC110 - the workers are what is tested
            await asyncio.sleep(0.005)
    work.close()
    await asyncio.gather(*workers)


def test_a_busy_key_with_a_distant_deadline_does_not_fill_the_memory() -> None:
    work, clock = queue()
    work.add_after("other", 50)
    for _ in range(1000):
        work.add_after("busy", 1000)
        work.add("busy")
        drain(work)
    assert len(work._heap) < 200
    clock.now += 60
    assert drain(work) == ["other"]
