"""What a reconciliation gets to know of the server Pods."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from mcp_operator.cache import Cache
from mcp_operator.kinds import Key, Manifest
from mcp_operator.listener import Listener
from mcp_optimizer_api.names import MANAGEMENT_PORT

OWNER = Key("MCPOptimizer", "apps", "team")
CR = {"kind": "MCPOptimizer", "metadata": {"name": "team", "namespace": "apps", "uid": "u"}, "spec": {}}


def pod(name: str, address: str | None) -> Manifest:
    return {"kind": "Pod", "metadata": {"name": name, "namespace": "apps", "uid": name}, "status": {"podIP": address} if address else {}}


@pytest.fixture
async def changed() -> list[Key]:
    return []


@pytest.fixture
async def listener(changed: list[Key]) -> AsyncIterator[Listener]:
    cache = Cache()
    cache.put(CR)
    async with aiohttp.ClientSession() as http:
        made = Listener(http, cache, announced=lambda *_: None, changed=changed.append, clock=lambda: 1.0, interval=0.01)
        yield made
        await made.close()


def polled() -> set[str]:
    return {task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("stats of")}


async def test_nothing_is_known_before_pods_are_followed(listener: Listener) -> None:
    assert listener.collected(OWNER) is None
    listener.follow(OWNER, [])
    assert listener.collected(OWNER) is None


async def test_pods_without_an_address_are_not_listened_to(listener: Listener) -> None:
    listener.follow(OWNER, [pod("new", None), pod("old", "127.0.0.1")])
    assert polled() == {f"stats of {OWNER} old"}


async def test_silent_pods_lead_to_an_empty_view_and_not_to_waiting_for_ever(listener: Listener, changed: list[Key]) -> None:
    # Nothing listens on the management port of this loopback address.
    listener.follow(OWNER, [pod("dead", f"127.99.{MANAGEMENT_PORT % 250}.1")])
    async with asyncio.timeout(20):
        while not changed:  # noqa: ASYNC110 (the callback appends)
            await asyncio.sleep(0.01)
    found = listener.collected(OWNER)
    assert found is not None
    assert list(found.servers) == []


async def test_a_forgotten_optimizer_leaves_no_task(listener: Listener) -> None:
    listener.follow(OWNER, [pod("old", "127.0.0.1")])
    listener.forget(OWNER)
    async with asyncio.timeout(20):
        while polled():  # noqa: ASYNC110 (tasks end in their own time)
            await asyncio.sleep(0.01)
    assert listener.collected(OWNER) is None
