"""Listening to real servers on loopback: counters, events, reconnection, and no task left behind."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web
from tests.unit.operator_edge.mcp_endpoints import serving

from mcp_operator.collector import Collector, Target
from mcp_operator.kinds import Key
from mcp_optimizer_api.stats import SandboxEvent, ServerStats

OWNER = Key("MCPOptimizer", "apps", "team")


COUNTERS = '{"pod":"p","startedAt":%s,"configHash":"c","calls":%s}'
HOSTILE = [
    COUNTERS % ("NaN", "1"),
    COUNTERS % ("Infinity", "1"),
    COUNTERS % ("1e400", "1"),
    COUNTERS % ("1", "-1"),
    COUNTERS % ("1", "9" * 19),
    COUNTERS % ("1", "9" * 5000),
    (COUNTERS % ("1", "1"))[:-1] + ',"latency":{"boundsMs":[' + "1," * 5000 + '1],"counts":[]}}',
]
"""What would make a status that the API server refuses, or one that takes seconds to compute."""


@dataclass
class Pod:
    """A server Pod's management port."""

    calls: int = 0
    streams: int = 0
    lines: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)
    """None ends the stream."""
    body: str | None = None

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/stats":
            self.calls += 1
            stats = ServerStats(pod="p", started_at=0, config_hash="c", calls=self.calls)
            return web.Response(text=self.body or stats.to_json(), content_type="application/json")
        assert request.path == "/events"
        self.streams += 1
        response = web.StreamResponse()
        await response.prepare(request)
        while (line := await self.lines.get()) is not None:
            await response.write(line)
        return response


@dataclass
class Heard:
    events: list[tuple[Key, SandboxEvent]] = field(default_factory=list)
    stats: list[ServerStats | None] = field(default_factory=list)

    def event(self, owner: Key, event: SandboxEvent) -> None:
        self.events.append((owner, event))

    def answer(self, owner: Key, target: Target, stats: ServerStats | None) -> None:
        self.stats.append(stats)


@pytest.fixture
async def heard() -> Heard:
    return Heard()


@pytest.fixture
async def collector(heard: Heard) -> AsyncIterator[Collector]:
    async with aiohttp.ClientSession() as http:
        collector = Collector(http, on_event=heard.event, on_stats=heard.answer, interval=0.02)
        yield collector
        await collector.close()


async def until(what: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not what():  # noqa: ASYNC110 (the condition is anything)
            await asyncio.sleep(0.01)


def target(url: str, name: str = "one") -> Target:
    return Target(name=name, uid=name, address="127.0.0.1", port=int(url.split(":")[2].split("/")[0]))


def tasks() -> int:
    return sum(task.get_name().startswith(("stats of", "events of")) for task in asyncio.all_tasks())


async def test_counters_are_asked_for_again_and_again(collector: Collector, heard: Heard) -> None:
    async with serving(Pod()) as url:
        collector.listen(OWNER, [target(url)])
        await until(lambda: len(heard.stats) >= 3)
    assert [stats.calls for stats in heard.stats[:3] if stats] == [1, 2, 3]


async def test_announcements_arrive_and_pings_and_unknown_lines_do_not(collector: Collector, heard: Heard) -> None:
    pod = Pod()
    async with serving(pod) as url:
        collector.listen(OWNER, [target(url)])
        for line in (b'{"type":"ping"}\n', b'{"type":"new","x":1}\n', b"garbage\n", b'{"type":"claimed","pod":"a","uid":"u"}\n'):
            pod.lines.put_nowait(line)
        await until(lambda: heard.events)
    assert heard.events == [(OWNER, SandboxEvent(type="claimed", pod="a", uid="u"))]


async def test_a_lost_stream_is_opened_again(collector: Collector, heard: Heard) -> None:
    pod = Pod()
    async with serving(pod) as url:
        collector.listen(OWNER, [target(url)])
        for _ in range(3):
            pod.lines.put_nowait(b'{"type":"finished","pod":"a","uid":"u"}\n')
            pod.lines.put_nowait(None)
        await until(lambda: len(heard.events) == 3)
    assert pod.streams >= 3


async def test_a_line_without_end_does_not_fill_the_memory(collector: Collector, heard: Heard) -> None:
    pod = Pod()
    async with serving(pod) as url:
        collector.listen(OWNER, [target(url)])
        pod.lines.put_nowait(b"x" * 2**20)
        await until(lambda: pod.streams >= 2)


async def test_a_pod_that_does_not_answer_is_reported_as_silent_and_asked_again(collector: Collector, heard: Heard) -> None:
    collector.listen(OWNER, [Target(name="dead", uid="dead", address="127.0.0.1", port=1)])
    await until(lambda: len(heard.stats) >= 2)
    assert heard.stats[:2] == [None, None]


@pytest.mark.parametrize("body", ["<html>", "[]", '{"pod": 1}', "[" * 100_000, *HOSTILE, '"' + "x" * (5 * 2**20) + '"'])
async def test_an_answer_that_is_no_counters_counts_as_none(collector: Collector, heard: Heard, body: str) -> None:
    async with serving(Pod(body=body)) as url:
        collector.listen(OWNER, [target(url)])
        await until(lambda: heard.stats)
    assert heard.stats[0] is None


async def test_listening_twice_starts_nothing_twice_and_pods_that_are_gone_are_dropped(collector: Collector) -> None:
    async with serving(Pod()) as url:
        first, second = target(url, "one"), target(url, "two")
        collector.listen(OWNER, [first])
        collector.listen(OWNER, [first])
        assert tasks() == 2
        collector.listen(OWNER, [first, second])
        assert tasks() == 4
        collector.listen(OWNER, [second])
        await until(lambda: tasks() == 2)
        collector.listen(OWNER, [])
        await until(lambda: tasks() == 0)


async def test_closing_leaves_no_task(collector: Collector) -> None:
    async with serving(Pod()) as url:
        collector.listen(OWNER, [target(url, str(number)) for number in range(10)])
        await asyncio.sleep(0)
        await collector.close()
        assert tasks() == 0
