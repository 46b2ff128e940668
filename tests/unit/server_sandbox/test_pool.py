"""The warm set: what the watch says, what is handed out, in which order and how often."""

import asyncio
from typing import Any

import pytest

from mcp_optimizer.kube import Event
from mcp_optimizer.sandbox.pool import PENALTY_SECONDS, WarmPool

from .conftest import manifest


def pool_of(*names: str, **options: Any) -> WarmPool:
    """A pool that knows these Pods."""
    pool = WarmPool(options.pop("eligible", lambda pod: True), **options)
    pool.apply(Event("listed", tuple(manifest(name) for name in names)))
    return pool


async def test_every_pod_is_handed_out_once() -> None:
    pool = pool_of("a", "b", "c")
    taken = [await pool.take(0) for _ in range(3)]
    assert sorted(pod.name for pod in taken if pod) == ["a", "b", "c"]
    pool.apply(Event("changed", (manifest("a"),)))
    assert await pool.take(0) is None
    assert pool.warm == 0


async def test_the_choice_differs_between_replicas() -> None:
    names = [f"p{n}" for n in range(50)]
    first = {pod.name for _ in range(20) if (pod := await pool_of(*names).take(0))}
    assert len(first) > 5


async def test_a_list_replaces_what_was_known() -> None:
    pool = pool_of("a", "b")
    pool.apply(Event("listed", (manifest("c"),)))
    assert pool.warm == 1
    taken = await pool.take(0)
    assert taken is not None
    assert taken.name == "c"


@pytest.mark.parametrize("event", [Event("deleted", (manifest("a"),)), Event("changed", (manifest("a", ready=False),))])
async def test_a_pod_that_went_is_not_offered(event: Event) -> None:
    pool = pool_of("a")
    pool.apply(event)
    assert await pool.take(0) is None


async def test_pods_that_are_not_ours_are_never_offered() -> None:
    pool = pool_of("a", "b", eligible=lambda pod: pod.name == "b")
    taken = await pool.take(0)
    assert taken is not None
    assert taken.name == "b"
    assert await pool.take(0) is None


async def test_who_waits_is_served_in_order_as_pods_come() -> None:
    pool, order = pool_of(), []

    async def wait(name: str, *, first: bool = False) -> None:
        pod = await pool.take(30, first=first)
        assert pod is not None
        order.append(name)

    waiting = [asyncio.create_task(wait("one")), asyncio.create_task(wait("two")), asyncio.create_task(wait("retry", first=True))]
    await asyncio.sleep(0)
    for number in range(3):
        pool.apply(Event("changed", (manifest(f"p{number}"),)))
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)
    assert order == ["retry", "one", "two"]


async def test_a_wait_ends_with_nothing() -> None:
    assert await pool_of().take(0.01) is None


async def test_a_pod_given_to_a_cancelled_waiter_is_offered_again() -> None:
    pool = pool_of()
    waiting = asyncio.create_task(pool.take(30))
    await asyncio.sleep(0)
    pool.apply(Event("changed", (manifest("a"),)))
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await pool.take(0) is not None


async def test_an_unreachable_pod_rests_before_it_is_tried_again() -> None:
    now = [0.0]
    pool = pool_of("a", clock=lambda: now[0])
    taken = await pool.take(0)
    assert taken is not None
    pool.penalise(taken)
    assert await pool.take(0) is None
    now[0] += PENALTY_SECONDS
    assert await pool.take(0) is not None


async def test_a_key_that_arrives_late_serves_those_who_wait() -> None:
    keys: list[bool] = []
    pool = pool_of("a", eligible=lambda pod: bool(keys))
    waiting = asyncio.create_task(pool.take(30))
    await asyncio.sleep(0)
    keys.append(True)
    assert await waiting is not None


async def test_a_cleared_pool_offers_nothing_but_ends_no_pod() -> None:
    pool = pool_of("a", "b")
    pod = await pool.take(0)
    assert pod is not None
    pool.clear()
    assert (pool.warm, await pool.take(0), await pool.end_of(pod, 0)) == (0, None, "")
    pool.apply(Event("listed", (manifest(pod.name),)))
    assert await pool.take(0) is None


async def test_the_end_of_a_pod_is_told_to_who_asks() -> None:
    pool = pool_of("a")
    pod = await pool.take(0)
    assert pod is not None
    asking = asyncio.create_task(pool.end_of(pod, 30))
    await asyncio.sleep(0)
    pool.apply(Event("changed", (manifest("a", terminated="OOMKilled"),)))
    assert await asking == "OOMKilled, exit code 137"
    assert await pool.end_of(pod, 0) == "OOMKilled, exit code 137"
