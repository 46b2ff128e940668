"""The client for servers on plain http, against servers that do what strangers do with HTTP."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import aiohttp
import pytest

from mcp_optimizer.upstream.line import MAX_HEADERS
from mcp_optimizer.upstream.plain import NotConnected, PlainClient
from tests.integration.server.harness import eventually

pytestmark = pytest.mark.integration
OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"


class Server:
    """Sends `reply` for each request, and counts connections; `close`: hangs up after it."""

    def __init__(self, reply: bytes, close: bool) -> None:
        self.reply, self.close = reply, close
        self.connections = self.open = 0
        self.requests: list[bytes] = []

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    head = await reader.readuntil(b"\r\n\r\n")
                    body = await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
                    self.requests.append(head + body)
                    writer.write(self.reply)
                    await writer.drain()
                    if self.close:
                        return
        finally:
            self.open -= 1
            writer.close()


@contextlib.asynccontextmanager
async def replying(reply: bytes, *, close: bool = False) -> AsyncIterator[tuple[Server, PlainClient, str]]:
    server, client = Server(reply, close), PlainClient({"accept": "*/*"}, 4.0)
    listening = await asyncio.start_server(server.handle, "127.0.0.1", 0)
    try:
        yield server, client, f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/mcp?a=b#c"
    finally:
        client.close()
        listening.close()


async def body_of(client: PlainClient, url: str) -> bytes:
    response = await client.post(url, b"[1]", {"x-a": "b"}, 2.0)
    try:
        body = b"".join([chunk async for chunk in response.content.iter_any()])
    except BaseException:
        response.close()
        raise
    response.release()
    return body


async def test_a_connection_is_used_again_and_says_what_aiohttp_would_say() -> None:
    async with replying(OK) as (server, client, url):
        for _ in range(3):
            assert await body_of(client, url) == b"{}"
        port = url.split(":")[2].split("/")[0]
        assert server.connections == 1
        assert (
            server.requests[0]
            == f"POST /mcp?a=b HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\naccept: */*\r\nx-a: b\r\ncontent-length: 3\r\n\r\n[1]".encode()
        )


@pytest.mark.parametrize(
    ("reply", "close", "body"),
    [
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\nx: y\r\n\r\n", False, b"{}"),
        (b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n" + OK, False, b"{}"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", False, b""),
        (b"HTTP/1.1 302 Found\r\nlocation: http://elsewhere/\r\ncontent-length: 0\r\n\r\n", False, b""),
        (b"HTTP/1.1 200 OK\r\n\r\n{} until the end", True, b"{} until the end"),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\n{}", True, b"{}"),
    ],
)
async def test_bodies_come_in_every_form(reply: bytes, close: bool, body: bytes) -> None:
    async with replying(reply, close=close) as (server, client, url):
        assert [await body_of(client, url) for _ in range(2)] == [body, body]
        assert server.connections == (2 if close else 1)


@pytest.mark.parametrize(
    ("reply", "close"),
    [
        (b"", True),
        (b"HTTP/1.1 200 OK\r\ncontent-len", True),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n{}", True),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{}", True),
        (b"SSH-2.0-OpenSSH\r\n", False),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}", False),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", False),
        (b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * (MAX_HEADERS + 1) + b"content-length: 0\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\na: " + b"b" * 1024 * 1024, False),
    ],
)
async def test_what_is_no_whole_response_is_an_error_and_ends_the_connection(reply: bytes, close: bool) -> None:
    async with replying(reply, close=close) as (server, client, url):
        with pytest.raises(aiohttp.ClientError):
            await asyncio.wait_for(body_of(client, url), 5)
        await eventually(lambda: server.open == 0)


@pytest.mark.parametrize("reply", [OK + OK, OK + b"more", b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}"])
async def test_a_connection_that_says_more_than_it_was_asked_is_not_used_again(reply: bytes) -> None:
    async with replying(reply) as (server, client, url):
        with contextlib.suppress(aiohttp.ClientError):
            await body_of(client, url)
        await eventually(lambda: server.open == 0)
        with contextlib.suppress(aiohttp.ClientError):
            await body_of(client, url)
        assert server.connections == 2


async def test_a_connection_that_the_server_closed_meanwhile_is_not_used() -> None:
    async with replying(OK) as (server, client, url):
        await body_of(client, url)
        server.close = True
        await body_of(client, url)
        await eventually(lambda: not any(client._idle.values()))
        assert await body_of(client, url) == b"{}"


async def test_idle_connections_are_closed_in_time() -> None:
    async with replying(OK) as (server, _, url):
        client = PlainClient({}, 0.2)
        await asyncio.gather(*(body_of(client, url) for _ in range(3)))
        assert server.open == 3
        await eventually(lambda: server.open == 0)


async def test_who_does_not_listen_is_not_connected_and_was_sent_nothing() -> None:
    client = PlainClient({}, 4.0)
    with pytest.raises(NotConnected):
        await client.post("http://127.0.0.1:1/", b"", {}, 2.0)


async def test_a_caller_that_gives_up_closes_the_connection() -> None:
    async with replying(b"") as (server, client, url):
        asking = asyncio.create_task(body_of(client, url))
        await eventually(lambda: server.open == 1)
        asking.cancel()
        await eventually(lambda: server.open == 0)


async def test_a_reader_that_pauses_stops_the_server() -> None:
    size = 64 * 1024 * 1024
    async with replying(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size + bytes(size)) as (_, client, url):
        response = await client.post(url, b"", {}, 2.0)
        await asyncio.sleep(0)
        chunks = response.content.iter_any()
        read = len(await anext(chunks))
        for _ in range(100):
            await asyncio.sleep(0.002)
        assert response.waiting < 2 * 1024 * 1024
        async for chunk in chunks:
            read += len(chunk)
        assert read == size
        response.release()


@pytest.mark.parametrize(
    "url", ["https://a/", "http://user:word@a/", "ftp://a/", "http:///a", "a", "http://a:b/", "http://a/ü", "http://a/a b", "http://a/../b"]
)
def test_other_addresses_are_left_to_the_general_client(url: str) -> None:
    assert not PlainClient({}, 4.0).serves(url)


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "a\rb", "a\0b"])
async def test_a_header_cannot_smuggle_another(value: str) -> None:
    with pytest.raises(ValueError, match="line break"):
        await PlainClient({}, 4.0).post("http://127.0.0.1:1/", b"", {"x": value}, 2.0)
