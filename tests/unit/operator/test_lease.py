"""The Lease: one holder at a time, expiry judged by what is seen, loss ends the process."""

import asyncio
from typing import Any, cast

import pytest
from tests.unit.operator.fake_api import FakeApi

from mcp_operator.client import Client
from mcp_operator.errors import OperatorError, TransientError
from mcp_operator.kinds import Key
from mcp_operator.lease import Lease

KEY = Key("Lease", "ops", "mcp-operator")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def lease(api: FakeApi, identity: str, clock: Clock, **more: Any) -> Lease:
    lost: list[str] = more.pop("lost", [])
    settings = {"duration": 15, "deadline": 10, "period": 0.001, **more}
    return Lease(
        cast(Client, api),
        namespace="ops",
        name="mcp-operator",
        identity=identity,
        monotonic=clock,
        on_lost=lambda: lost.append(identity),
        **settings,
    )


def holder(api: FakeApi) -> str:
    return str(api.objects[KEY]["spec"]["holderIdentity"])


async def test_the_first_takes_it_and_the_second_waits() -> None:
    api, clock = FakeApi(), Clock()
    first, second = lease(api, "a", clock), lease(api, "b", clock)
    assert await first._try() is True
    for _ in range(5):
        clock.now += 2
        assert await first._try() is True
        assert await second._try() is False
    assert holder(api) == "a"


async def test_an_unchanged_lease_expires_after_its_own_duration_as_seen_from_here() -> None:
    api, clock = FakeApi(), Clock()
    await lease(api, "a", clock)._try()
    second = lease(api, "b", clock)
    assert await second._try() is False
    clock.now += 14
    assert await second._try() is False
    clock.now += 1
    assert await second._try() is True
    assert holder(api) == "b"
    assert api.objects[KEY]["spec"]["leaseTransitions"] == 1


async def test_of_two_that_see_it_expire_one_wins() -> None:
    api, clock = FakeApi(), Clock()
    await lease(api, "a", clock)._try()
    second, third = lease(api, "b", clock), lease(api, "c", clock)
    await second._try(), await third._try()
    clock.now += 20
    assert [await second._try(), await third._try()] == [True, False]


async def test_a_released_lease_is_taken_at_once() -> None:
    api, clock = FakeApi(), Clock()
    first, second = lease(api, "a", clock), lease(api, "b", clock)
    await first._try()
    await second._try()
    await first.release()
    assert (holder(api), api.objects[KEY]["spec"]["leaseDurationSeconds"]) == ("", 1)
    assert await second._try() is True


async def test_releasing_what_is_not_held_does_nothing() -> None:
    api = FakeApi()
    await lease(api, "a", Clock()).release()
    assert api.writes == []


async def test_a_holder_that_cannot_renew_for_too_long_ends_the_process_and_not_before() -> None:
    api, clock, lost = FakeApi(), Clock(), list[str]()
    first = lease(api, "a", clock, lost=lost)
    await first._try()

    def fail(verb: str, key: Key) -> OperatorError | None:
        clock.now += 3
        return TransientError("no answer") if clock.now < 8 or clock.now > 20 else None

    api.fail = fail
    async with asyncio.timeout(10):
        await first.hold()
    assert lost == ["a"]
    assert clock.now > 28, "the success in between bought another ten seconds"


async def test_a_holder_whose_lease_was_taken_ends_at_once() -> None:
    api, clock, lost = FakeApi(), Clock(), list[str]()
    first = lease(api, "a", clock, lost=lost)
    await first._try()
    taken = api.objects[KEY]
    api.add({**taken, "spec": {**taken["spec"], "holderIdentity": "b"}})
    async with asyncio.timeout(10):
        await first.hold()
    assert lost == ["a"]


async def test_a_renewal_whose_answer_was_lost_does_not_cost_the_lease() -> None:
    api, clock, lost = FakeApi(), Clock(), list[str]()
    first = lease(api, "a", clock, lost=lost)
    await first._try()
    api.add(api.objects[KEY])  # the API server wrote our renewal, and ended before it could say so
    assert await first._try() is True
    assert await first._try() is True
    assert holder(api) == "a"


async def test_an_error_nobody_expected_counts_as_a_renewal_that_failed() -> None:
    api, clock, lost = FakeApi(), Clock(), list[str]()
    first = lease(api, "a", clock, lost=lost)
    await first._try()

    def fail(verb: str, key: Key) -> OperatorError | None:
        clock.now += 3
        raise ValueError("a bug")

    api.fail = fail
    async with asyncio.timeout(10):
        await first.hold()
    assert lost == ["a"]


async def test_waiting_ends_when_the_lease_is_free() -> None:
    api, clock = FakeApi(), Clock()
    first, second = lease(api, "a", clock), lease(api, "b", clock)
    await first.acquire()
    waiting = asyncio.create_task(second.acquire())
    await asyncio.sleep(0.01)
    assert not waiting.done()
    await first.release()
    async with asyncio.timeout(10):
        await waiting
    assert holder(api) == "b"


@pytest.mark.parametrize("verb", ["create", "update"])
async def test_an_api_server_that_does_not_answer_is_only_waited_for(verb: str) -> None:
    api = FakeApi()
    api.fail = lambda verb, key: TransientError("no answer")
    assert await lease(api, "a", Clock())._try() is False
