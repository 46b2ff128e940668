"""Lists find what the watch missed."""

import asyncio
from typing import Any, cast

from tests.unit.operator.fake_api import FakeApi
from tests.unit.operator.objects import pod, server

from mcp_operator.cache import Cache
from mcp_operator.client import Client
from mcp_operator.dispatch import Dispatcher
from mcp_operator.kinds import Key
from mcp_operator.sync import MAX_START_SPREAD, Sync, start_spread

LABELS = {"app.kubernetes.io/managed-by": "mcp-operator", "mcp.optimizer.dev/server": "s"}


class Bench:
    """A Sync over a fake API."""

    def __init__(self) -> None:
        self.api, self.cache = FakeApi(), Cache()
        self.queued: list[Key] = []
        dispatcher = Dispatcher(self.cache, lambda key, delay: self.queued.append(key), lambda key, last: None)
        self.sync = Sync(cast(Client, self.api), self.cache, dispatcher, ())


async def test_loading_fills_the_cache_and_enqueues_nothing() -> None:
    bench = Bench()
    bench.api.add(server())
    bench.api.add(pod(labels=LABELS))
    await bench.sync.load()
    assert (len(bench.cache), bench.queued) == (2, [])
    assert bench.sync.keys() == [Key("MCPServer", "ns", "s")]


async def test_a_resource_that_is_gone_is_looked_at_for_the_pods_it_left() -> None:
    bench = Bench()
    bench.api.add(server())
    bench.api.add(pod("left", labels={**LABELS, "mcp.optimizer.dev/server": "gone"}))
    await bench.sync.load()
    assert bench.sync.keys() == [Key("MCPServer", "ns", "s"), Key("MCPServer", "ns", "gone")]


async def test_what_was_deleted_added_and_changed_behind_our_back_is_found() -> None:
    bench = Bench()
    for name in ("stays", "goes"):
        bench.api.add(pod(name, labels=LABELS))
    bench.api.add(server("old"))
    await bench.sync.load()
    bench.api.take(Key("Pod", "ns", "goes"))
    bench.api.add(server("new"))
    ticker = asyncio.create_task(bench.sync.run(period=3600, enqueue=lambda key, delay: None, settle=0.0))
    bench.sync.ask()
    async with asyncio.timeout(10):
        while len(bench.queued) < 2:  # noqa: ASYNC110 - the ticker is what is tested
            await asyncio.sleep(0.001)
    ticker.cancel()
    assert set(bench.queued) == {Key("MCPServer", "ns", "s"), Key("MCPServer", "ns", "new")}
    assert bench.cache.get(Key("Pod", "ns", "goes")) is None
    assert bench.cache.get(Key("Pod", "ns", "stays")) is not None


async def test_the_resync_looks_at_every_resource_spread_over_time() -> None:
    bench = Bench()
    for number in range(20):
        bench.api.add(server(f"s{number}"))
    await bench.sync.load()
    delays: dict[Key, float] = {}
    ticker = asyncio.create_task(bench.sync.run(period=0.05, enqueue=delays.__setitem__))
    async with asyncio.timeout(10):
        while len(delays) < 20:  # noqa: ASYNC110 - the ticker is what is tested
            await asyncio.sleep(0.001)
    ticker.cancel()
    assert len(set(delays.values())) == 20
    assert all(0 <= delay <= 0.025 for delay in delays.values())


def test_the_first_look_is_spread_but_never_for_long() -> None:
    assert start_spread(0) == 0
    assert start_spread(200) == 1.0
    assert start_spread(10**6) == MAX_START_SPREAD


async def test_an_object_that_hits_a_bug_does_not_end_the_ticker() -> None:
    bench = Bench()
    bench.api.add(server())
    await bench.sync.load()
    seen: list[Key] = []
    saw, bad = bench.sync._dispatcher.saw, [True]

    def stumble(*arguments: Any) -> None:
        if bad.pop() if bad else False:
            raise KeyError("a bug")
        saw(*arguments)

    bench.sync._dispatcher.saw = stumble  # type: ignore[method-assign]
    ticker = asyncio.create_task(bench.sync.run(period=0.01, enqueue=lambda key, delay: seen.append(key)))
    async with asyncio.timeout(10):
        while len(seen) < 2 and not ticker.done():  # noqa: ASYNC110 - the ticker is what is tested
            await asyncio.sleep(0.001)
    assert not ticker.done()
    ticker.cancel()


async def test_the_list_of_one_kind_finds_what_is_gone_of_a_kind_that_is_empty_by_now() -> None:
    bench = Bench()
    bench.api.add(server())
    bench.api.add(pod("last", labels=LABELS))
    await bench.sync.load()
    bench.api.take(Key("Pod", "ns", "last"))
    ticker = asyncio.create_task(bench.sync.run(period=3600, enqueue=lambda key, delay: None, settle=0.0))
    bench.sync.ask()  # the watch of MCPServers listed; the one of Pods has nothing to report
    async with asyncio.timeout(10):
        while bench.cache.get(Key("Pod", "ns", "last")) is not None:  # noqa: ASYNC110 - the ticker is what is tested
            await asyncio.sleep(0.001)
    ticker.cancel()
