"""Too much at once is refused in words, in order and for a while only; slow clients hold up nobody."""

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from mcp import Client

from tests.fuzz.corpus import PLAIN, Request
from tests.fuzz.wire import Line
from tests.integration.server.child import HEADERS, call
from tests.integration.server.conftest import Start
from tests.integration.server.harness import Running, eventually, serving, write_config
from tests.integration.server.upstreams import TOOLS, Modern

pytestmark = pytest.mark.integration
ECHO = call("it.echo")
META = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
LISTEN = {
    "jsonrpc": "2.0",
    "id": 9,
    "method": "subscriptions/listen",
    "params": {"notifications": {"toolsListChanged": True}, "_meta": META},
}
LISTEN_HEADERS = {**HEADERS, "MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "subscriptions/listen"}


async def post(server: Running, message: dict[str, Any] = ECHO, **more: Any) -> tuple[int, dict[str, str], str]:
    async with aiohttp.ClientSession() as session, session.post(server.url, json={**message, **more}, headers=HEADERS) as response:
        return response.status, dict(response.headers), await response.text()


async def busy(server: Running, upstream: Modern, count: int) -> list["asyncio.Task[tuple[int, dict[str, str], str]]"]:
    """So many requests whose server takes its time."""
    already = len(upstream.calls)
    tasks = [asyncio.create_task(post(server)) for _ in range(count)]
    await eventually(lambda: len(upstream.calls) == already + count)
    return tasks


async def test_what_finds_neither_place_nor_queue_gets_429_and_passes_later(start: Start, tmp_path: Path) -> None:
    upstream = Modern()
    await start(upstream)
    limits = {"maxInFlight": 2, "queueMax": 1, "queueSeconds": 20}
    write_config(tmp_path / "config.json", {"it": upstream.url}, timeout=60, limits=limits)
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(len(TOOLS))
        upstream.delay = 2.0
        running = await busy(server, upstream, 2)
        queued = asyncio.create_task(post(server))
        await eventually(lambda: server.process.admission.slots.waiting == 1)
        status, headers, text = await post(server, id="mine")
        assert (status, headers["Retry-After"]) == (429, "20")
        body = json.loads(text)
        assert body["id"] == "mine"
        assert body["error"]["message"] == (
            "2 requests are being answered and 1 wait, limits.queue.max of this endpoint: try again in 20 s"
        )
        assert body["error"]["data"] == {"limit": "limits.queue.max", "retryAfterSeconds": 20}
        assert (await server.get("/readyz"))[0] == 200
        metrics = (await server.get("/metrics"))[1]
        assert "mcp_optimizer_requests_queued 1.0" in metrics and "mcp_optimizer_requests_in_flight 2.0" in metrics
        assert 'mcp_optimizer_rejected_requests_total{reason="queue_full"} 1.0' in metrics
        assert [code for code, _, _ in await asyncio.gather(*running, queued)] == [200] * 3
        assert (await post(server))[0] == 200
        assert server.process.admission.slots.taken == 0


async def test_who_waits_too_long_is_told_which_limit_it_was(start: Start, tmp_path: Path) -> None:
    upstream = Modern()
    await start(upstream)
    write_config(tmp_path / "config.json", {"it": upstream.url}, timeout=60, limits={"maxInFlight": 1, "queueMax": 5, "queueSeconds": 1})
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(len(TOOLS))
        upstream.delay = 3600
        (running,) = await busy(server, upstream, 1)
        status, headers, text = await post(server)
        assert (status, headers["Retry-After"]) == (429, "1")
        assert json.loads(text)["error"]["data"]["limit"] == "limits.maxInFlight"
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        upstream.delay = 0
        assert (await post(server))[0] == 200


async def test_one_address_cannot_take_all_places(start: Start, tmp_path: Path) -> None:
    upstream = Modern()
    await start(upstream)
    write_config(tmp_path / "config.json", {"it": upstream.url}, timeout=60, limits={"maxInFlight": 10, "maxInFlightPerClient": 2})
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(len(TOOLS))
        upstream.delay = 1.0
        running = await busy(server, upstream, 2)
        status, _, text = await post(server)
        assert status == 429 and json.loads(text)["error"]["data"]["limit"] == "limits.maxInFlightPerClient"
        await asyncio.gather(*running)
        assert (await post(server))[0] == 200


async def test_a_client_that_leaves_the_queue_is_forgotten(start: Start, tmp_path: Path) -> None:
    upstream = Modern()
    await start(upstream)
    write_config(tmp_path / "config.json", {"it": upstream.url}, timeout=60, limits={"maxInFlight": 1, "queueMax": 5, "queueSeconds": 60})
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(len(TOOLS))
        upstream.delay = 3600
        (running,) = await busy(server, upstream, 1)
        slots = server.process.admission.slots
        waiting = [asyncio.create_task(post(server)) for _ in range(3)]
        await eventually(lambda: slots.waiting == 3)
        for task in (*waiting, running):
            task.cancel()
        await asyncio.gather(*waiting, running, return_exceptions=True)
        await eventually(lambda: (slots.waiting, slots.taken, server.process.gate.in_flight) == (0, 0, 0))
        assert len(upstream.calls) == 1


async def test_subscriptions_take_no_places_and_have_a_bound_of_their_own(start: Start, tmp_path: Path) -> None:
    upstream = await start(Modern())
    write_config(tmp_path / "config.json", {"it": upstream.url}, mode="mcp_only", limits={"maxInFlight": 1, "maxStreams": 2, "queueMax": 0})
    async with serving(tmp_path / "config.json") as server, aiohttp.ClientSession() as session:
        await server.tools_ready(len(TOOLS))
        streams = [await session.post(server.url, json=LISTEN, headers=LISTEN_HEADERS) for _ in range(2)]
        await eventually(lambda: server.process.admission.streams == 2)
        assert server.process.admission.slots.taken == 0
        async with Client(server.url) as client:
            assert not (await client.call_tool("it.echo", {})).is_error
        async with session.post(server.url, json=LISTEN, headers=LISTEN_HEADERS) as refused:
            assert "limits.maxStreams" in await refused.text()
        for stream in streams:
            stream.close()
        await eventually(lambda: server.process.admission.streams == 0)


async def test_a_request_that_is_too_large_is_told_the_bound_of_the_configuration(start: Start, tmp_path: Path) -> None:
    upstream = await start(Modern())
    write_config(tmp_path / "config.json", {"it": upstream.url}, limits={"maxRequestBytes": 5000})
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(len(TOOLS))
        status, _, text = await post(server, call("it.echo", arguments={"message": "x" * 5000}))
        assert status == 413 and "5000 bytes, limits.maxRequestBytes" in text


async def test_a_client_that_sends_all_of_a_body_that_is_too_large_before_it_reads_gets_the_answer(start: Start, tmp_path: Path) -> None:
    upstream = await start(Modern())
    write_config(tmp_path / "config.json", {"it": upstream.url})
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(len(TOOLS))
        for framing in ((), ("Transfer-Encoding: chunked",)):
            body = b"x" * 8_000_000
            data = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if framing else body
            line = Line(server.process.mcp_port)
            answer = await line.ask(Request(data, PLAIN, framing=framing).encode(), silent=False)
            line.close()
            assert answer.statuses == (413,)
            assert b"limits.maxRequestBytes" in answer.data


async def test_a_reply_that_is_too_large_is_told_the_bound_of_the_configuration(start: Start, tmp_path: Path) -> None:
    upstream = await start(Modern())
    write_config(tmp_path / "config.json", {"it": upstream.url}, limits={"maxReplyBytes": 65536})
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(len(TOOLS))
        _, _, text = await post(server, call("it.echo", arguments={"message": "x" * 70_000}))
        assert "sent more than 65536 bytes" in text


@pytest.mark.parametrize(
    ("beginning", "answer", "reason"),
    [
        (b"POST /mcp HTTP/1.1\r\nHost: x\r\n", b"408", "slow_sender"),
        (b"POST /mcp HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{", b"408", "slow_sender"),
        (b"POST /mcp HTTP/1.1\r\n" + b"X-Filler: %s\r\n" % (b"x" * 4000) * 20, b"431", "large_head"),
    ],
)
async def test_a_client_that_never_finishes_its_request_is_cut_off(
    start: Start, tmp_path: Path, beginning: bytes, answer: bytes, reason: str
) -> None:
    upstream = await start(Modern())
    write_config(tmp_path / "config.json", {"it": upstream.url}, limits={"slowClientSeconds": 1})
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(len(TOOLS))
        reader, writer = await asyncio.open_connection("127.0.0.1", server.process.mcp_port)
        for start_at in range(0, len(beginning), 8000):
            writer.write(beginning[start_at : start_at + 8000])
            await writer.drain()
            await asyncio.sleep(0)
        async with asyncio.timeout(30):
            head = await reader.read(20)
        assert head.split()[1] == answer
        assert server.process.patience.cut[reason] == 1
        await eventually(lambda: server.process.gate.in_flight == 0)
        writer.close()
