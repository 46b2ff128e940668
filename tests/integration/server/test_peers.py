"""What one replica keeps, every replica reads; nobody else does."""

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from mcp_optimizer.errors import CallFailure
from mcp_optimizer.keys import Keys
from mcp_optimizer.management import MAX_ASKING
from mcp_optimizer.state.address import Address
from mcp_optimizer.state.handles import Handles
from mcp_optimizer.state.peers import MAX_QUESTION, PATH
from mcp_optimizer.state.signature import HEADER, Signatures
from tests.integration.server.harness import Running, eventually, serving, write_config

pytestmark = pytest.mark.integration


@contextlib.asynccontextmanager
async def two_replicas(folder: Path) -> AsyncIterator[tuple[Running, Running]]:
    (folder / "key").write_bytes(b"k" * 32)
    write_config(folder / "config.json", {})
    async with (
        serving(folder / "config.json", key_file=folder / "key") as one,
        serving(folder / "config.json", key_file=folder / "key") as two,
    ):
        yield one, two


async def test_a_result_that_one_replica_keeps_is_read_through_another(tmp_path: Path) -> None:
    async with two_replicas(tmp_path) as (one, two):
        handle = one.process.handles.put(("ä" * 5000).encode()) or ""
        chunk = await two.process.handles.read(handle, 2000, 4000)
        assert (chunk.text, chunk.offset, chunk.next, chunk.total) == ("ä" * 2000, 2000, 6000, 10000)
        assert 'mcp_optimizer_peer_requests_total{outcome="ok"} 1.0' in (await two.get("/metrics"))[1]
        assert "mcp_optimizer_kept_results 1.0" in (await one.get("/metrics"))[1]


async def test_what_the_owner_refuses_is_refused_in_its_words(tmp_path: Path) -> None:
    async with two_replicas(tmp_path) as (one, two):
        handle = one.process.handles.put(b"abc") or ""
        with pytest.raises(CallFailure, match="offset is 9: the result has 3 bytes") as refused:
            await two.process.handles.read(handle, 9, 1)
        assert refused.value.code == 400


async def test_a_result_of_a_replica_that_is_gone_asks_for_the_call_to_be_run_again(tmp_path: Path) -> None:
    async with two_replicas(tmp_path) as (_, two):
        async with serving(tmp_path / "config.json", key_file=tmp_path / "key") as third:
            handle = third.process.handles.put(b"abc") or ""
        with pytest.raises(CallFailure, match="is gone: run the call again") as gone:
            await two.process.handles.read(handle, 0, 1)
        assert gone.value.code == 404
        assert 'mcp_optimizer_peer_requests_total{outcome="gone"} 1.0' in (await two.get("/metrics"))[1]


async def test_a_replica_answers_nobody_without_the_shared_key(tmp_path: Path) -> None:
    async with two_replicas(tmp_path) as (one, _), aiohttp.ClientSession() as session:
        one.process.handles.put(b"abc")
        url = one.management(f"{PATH}read")
        stranger = Signatures(Keys(None)).request(one.process.peers.address.netloc, "read", b"{}")
        for headers in ({}, {HEADER.decode(): "x"}, {HEADER.decode(): stranger}):
            async with session.post(url, data=b"{}", headers=headers) as response:
                assert response.status == 403
                assert b"abc" not in await response.read()
        async with session.post(url, data=io.BytesIO(b"x" * (MAX_QUESTION + 1))) as response:
            assert response.status == 400
        async with session.get(url) as response:
            assert response.status == 400


async def test_whoever_got_the_address_of_a_replica_cannot_put_words_into_its_mouth(tmp_path: Path) -> None:
    async def forged(request: web.Request) -> web.Response:
        return web.Response(body=b'{"offset":0,"next":null,"total":6}\nforged', headers={HEADER.decode(): "0" * 64})

    application = web.Application()
    application.router.add_post("/{tail:.*}", forged)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with two_replicas(tmp_path) as (one, _):
            one.process.peers.address, real = Address("127.0.0.1", runner.addresses[0][1]), one.process.peers.address
            handle = one.process.handles.put(b"abc") or ""
            one.process.peers.address = real
            with pytest.raises(CallFailure, match="gone"):
                await one.process.handles.read(handle, 0, 10)
            assert one.process.peers.outcomes["failed"] == 1
    finally:
        await runner.cleanup()


async def test_strangers_that_hold_connections_open_are_bounded_and_a_peer_is_told_to_try_again(tmp_path: Path) -> None:
    async with two_replicas(tmp_path) as (one, two):
        handle = one.process.handles.put(b"abc") or ""
        held = []
        for _ in range(MAX_ASKING):
            reader, writer = await asyncio.open_connection("127.0.0.1", one.process.management_port)
            writer.write(b"POST /peer/read HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")
            await writer.drain()
            held.append((reader, writer))
        await eventually(lambda: one.process.management._asking == MAX_ASKING)
        with pytest.raises(CallFailure, match="try again in a moment"):
            await two.process.handles.read(handle, 0, 3)
        for _, writer in held:
            writer.close()
        await eventually(lambda: one.process.management._asking == 0)
        assert (await two.process.handles.read(handle, 0, 3)).text == "abc"


async def test_the_public_port_knows_no_peers(tmp_path: Path) -> None:
    async with two_replicas(tmp_path) as (one, two), aiohttp.ClientSession() as session:
        body = b'{"id":"00","offset":0,"limit":1}'
        signed = two.process.peers._signatures.request(one.process.peers.address.netloc, "read", body)
        async with session.post(one.url.replace("/mcp", f"{PATH}read"), data=body, headers={HEADER.decode(): signed}) as response:
            assert response.status == 404
        assert isinstance(one.process.handles, Handles)
