"""Large results, slow readers and clients that go away, against the real process: its memory stays where it was, and it goes on."""

import asyncio
import io
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.integration.server.child import HEADERS, Child, call, child
from tests.integration.server.conftest import Start
from tests.integration.server.harness import DEADLINE, write_config
from tests.integration.server.upstreams import Modern

pytestmark = pytest.mark.integration
SIZE = 10 * 1024 * 1024
TOOLS = [{"name": name, "inputSchema": {"type": "object"}} for name in ("big", "small")]
BIG, SMALL = (
    {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": f"it.{name}", "arguments": {}}} for name in ("big", "small")
)
RESULT = b'"result":{"resultType":"complete","content":[{"type":"text","text":"%s"}]}}' % (b"x" * SIZE)
MEMORY = 24 * 1024 * 1024


class Big(Modern):
    """Answers calls of `big` with ten megabytes."""

    def __init__(self) -> None:
        super().__init__(TOOLS)
        self.begun = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        message = await request.json()
        if message["method"] != "tools/call" or message["params"]["name"] != "big":
            return await super().handle(request)
        self.begun += 1
        return web.Response(body=b'{"jsonrpc":"2.0","id":%d,%s' % (message["id"], RESULT), content_type="application/json")


@pytest.fixture
async def server(request: pytest.FixtureRequest, start: Start, tmp_path: Path) -> AsyncIterator[tuple[Child, Big]]:
    """In the mode that passes results through whole; the parameter is how long a client may be slow."""
    upstream = Big()
    await start(upstream)
    limits = {"messageMemoryBytes": MEMORY, "slowClientSeconds": getattr(request, "param", 60)}
    write_config(tmp_path / "config.json", {"it": upstream.url}, mode="mcp_only", timeout=60, limits=limits)
    async with child(tmp_path / "config.json") as running:
        await running.ready()
        yield running, upstream


async def post(server: Child, message: dict[str, Any]) -> tuple[int, int, str]:
    headers = {**HEADERS, "Content-Type": "application/json"}
    body = io.BytesIO(json.dumps(message).encode())
    async with aiohttp.ClientSession() as session, session.post(server.url, data=body, headers=headers) as response:
        text = await response.text()
        return response.status, len(text), text[:300]


async def settled(server: Child) -> None:
    """Nothing is under way, and no message is held."""
    async with asyncio.timeout(DEADLINE):
        while await server.metric("mcp_optimizer_requests_in_flight") or await server.metric("mcp_optimizer_message_memory_bytes"):  # noqa: ASYNC110 -- of another process
            await asyncio.sleep(0.05)


async def abandon(server: Child, message: dict[str, Any], read: int) -> None:
    """Ask, read a little, and go."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=65536)
    body = json.dumps(message).encode()
    head = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
    writer.write(
        f"POST /mcp HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    )
    if read:
        await reader.read(read)
    else:
        await asyncio.sleep(0.01)
    writer.transport.abort()


async def test_memory_after_two_hundred_abandoned_results_of_ten_megabytes_is_what_it_was(server: tuple[Child, Big]) -> None:
    process, upstream = server

    async def round_of(count: int) -> None:
        for _ in range(count // 4):
            await asyncio.gather(*(abandon(process, BIG, read) for read in (0, 1, 70_000, 300_000)))
        await settled(process)

    await round_of(40)
    before = process.resident_mb()
    await round_of(200)
    assert upstream.begun > 100
    assert process.resident_mb() < before + 60
    assert (await post(process, SMALL))[0] == 200


async def test_many_large_results_at_once_share_what_memory_there_is(server: tuple[Child, Big]) -> None:
    process, _ = server
    peak = 0.0
    watching = True

    async def watch() -> None:
        nonlocal peak
        while watching:
            peak = max(peak, process.resident_mb())
            await asyncio.sleep(0.01)

    watcher = asyncio.create_task(watch())
    base = process.resident_mb()
    outcomes = await asyncio.gather(*(post(process, BIG) for _ in range(40)))
    watching = False
    await watcher
    whole = [size for status, size, _ in outcomes if status == 200 and size > SIZE]
    refused = [text for _, size, text in outcomes if size < SIZE]
    assert whole, "nobody got an answer"
    assert all("large messages fill the memory" in text for text in refused), refused[:1]
    assert peak < base + 8 * MEMORY / 1e6
    await settled(process)
    assert (await post(process, BIG))[1] > SIZE


@pytest.mark.parametrize("server", [2], indirect=True)
async def test_clients_that_do_not_read_are_cut_off_and_what_they_held_is_free_again(server: tuple[Child, Big]) -> None:
    process, upstream = server
    base = process.resident_mb()
    sockets = []
    body = json.dumps(BIG).encode()
    head = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
    for _ in range(30):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", process.port))
        sock.sendall(
            f"POST /mcp HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
        )
        sockets.append(sock)
    async with asyncio.timeout(DEADLINE):
        while upstream.begun < 10:  # noqa: ASYNC110 -- has no event
            await asyncio.sleep(0.02)
    # Others are served meanwhile.
    assert (await post(process, SMALL))[0] == 200
    await settled(process)
    cut = await process.metric('mcp_optimizer_connections_cut_total{reason="slow_reader"}')
    assert cut > 0
    assert process.resident_mb() < base + 8 * MEMORY / 1e6
    assert (await post(process, BIG))[1] > SIZE
    for sock in sockets:
        sock.close()


async def test_large_requests_are_bounded_like_large_results(server: tuple[Child, Big]) -> None:
    process, _ = server
    large = call("it.small", arguments={"text": "x" * (4 * 1024 * 1024 - 1000)})
    base = process.resident_mb()
    outcomes = await asyncio.gather(*(post(process, large) for _ in range(40)))
    assert {status for status, _, _ in outcomes} <= {200, 429}
    assert any(status == 200 for status, _, _ in outcomes)
    await settled(process)
    assert process.resident_mb() < base + 8 * MEMORY / 1e6
