"""Who gets a place for a job, who waits, and who is turned away with what words."""

import asyncio

import pytest

from mcp_optimizer.errors import CallFailure
from mcp_optimizer.sandbox.job_slots import JobSlots


def slots(limit: int, seconds: float, per_client: int | None = None) -> JobSlots:
    """Places with these bounds."""
    made = JobSlots()
    made.configure(limit, per_client, seconds)
    return made


def arrive(places: JobSlots, *clients: str) -> list["asyncio.Task[None]"]:
    """One request after the other."""
    return [asyncio.create_task(places.take(client)) for client in clients]


async def settled() -> None:
    """Everything that can go on has."""
    for _ in range(5):
        await asyncio.sleep(0)


def served(requests: list["asyncio.Task[None]"]) -> list[bool]:
    """Which of them have a place."""
    return [request.done() and request.exception() is None for request in requests]


async def refusal(places: JobSlots, client: str) -> CallFailure:
    """What this client is told."""
    with pytest.raises(CallFailure) as failure:
        await places.take(client)
    assert failure.value.code == 429
    return failure.value


async def test_a_job_that_waits_too_long_is_turned_away_with_429() -> None:
    places = slots(1, 0.01)
    await places.take("a")
    assert "1 jobs run, the limit of this replica (spec.sandbox.maxConcurrent), and none ended within 0.01 s" in str(
        await refusal(places, "a")
    )
    places.give("a")
    await places.take("a")


async def test_as_many_wait_as_may_run_and_the_next_is_told_when_to_come_back() -> None:
    places = slots(1, 30)
    await places.take("a")
    waiting = arrive(places, "a")
    await settled()
    failure = await refusal(places, "a")
    assert failure.envelope() == {"code": 429, "message": failure.message, "retry_after_s": 30}
    assert "1 wait: try again in 30 s" in failure.message
    places.give("a")
    await waiting[0]


async def test_a_raised_limit_lets_waiters_in() -> None:
    places = slots(1, 30)
    await places.take("a")
    waiting = arrive(places, "a")
    await settled()
    places.configure(2, None, 30)
    await waiting[0]
    assert (places.running, places.waiting) == (2, 0)


async def test_a_client_at_its_own_limit_waits_while_others_pass() -> None:
    places = slots(4, 30, per_client=1)
    requests = arrive(places, "greedy", "greedy", "modest")
    await settled()
    assert served(requests) == [True, False, True]
    failure = await refusal(places, "greedy")
    assert "1 jobs of this client run, spec.sandbox.maxConcurrentPerClient of this endpoint, and 1 wait" in failure.message
    places.give("modest")
    await settled()
    assert served(requests) == [True, False, True]
    places.give("greedy")
    await settled()
    assert served(requests) == [True, True, True]
    assert places.running == 1


async def test_clients_that_wait_take_turns() -> None:
    places = slots(2, 30)
    arrive(places, "greedy", "greedy")
    await settled()
    requests = arrive(places, "greedy", "modest")
    await settled()
    places.give("greedy")
    await settled()
    assert served(requests) == [True, False]
    requests += arrive(places, "greedy")
    await settled()
    places.give("greedy")
    await settled()
    assert served(requests) == [True, True, False]


async def test_a_client_that_fills_the_line_gives_way_to_one_that_waits_with_less() -> None:
    places = slots(3, 30)
    running = arrive(places, "greedy", "greedy", "greedy")
    waiting = arrive(places, "greedy", "greedy", "greedy")
    await settled()
    modest = arrive(places, "modest")
    await settled()
    assert [request.done() for request in waiting] == [False, False, True]
    with pytest.raises(CallFailure, match="the line is full: try again in 30 s"):
        await waiting[2]
    assert "3 wait" in str(await refusal(places, "greedy"))
    for _ in running:
        places.give("greedy")
    await settled()
    assert served([*waiting[:2], *modest]) == [True, True, True]


async def test_even_a_line_of_one_is_open_to_who_has_nothing() -> None:
    places = slots(1, 30)
    await places.take("greedy")
    greedy, modest = arrive(places, "greedy", "modest")
    await settled()
    with pytest.raises(CallFailure):
        await greedy
    await refusal(places, "greedy")
    places.give("greedy")
    await modest


async def test_a_request_that_left_the_line_takes_nothing() -> None:
    places = slots(2, 30)
    await places.take("a")
    await places.take("a")
    first, second = arrive(places, "b", "c")
    await settled()
    first.cancel()
    await settled()
    places.give("a")
    await second
    assert (places.running, places.waiting) == (2, 0)


async def test_a_place_given_to_a_request_that_is_being_cancelled_goes_to_the_next() -> None:
    places = slots(2, 30)
    await places.take("a")
    await places.take("a")
    first, second = arrive(places, "b", "c")
    await settled()
    places.give("a")
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    await second
    assert (places.running, places.waiting) == (2, 0)
