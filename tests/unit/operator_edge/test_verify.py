"""The check against endpoints of every kind, over real connections."""

import asyncio
import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from tests.unit.operator_edge.mcp_endpoints import TOOLS, Handler, Legacy, Modern, answering, error, result, serving

from mcp_operator.mcp_wire import MAX_BYTES, printable
from mcp_operator.verify import MAX_PAGES, Era, Outcome, Verification, check
from mcp_optimizer_api.catalogue import catalogue_hash
from mcp_optimizer_api.status import Reason


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


async def checked(http: aiohttp.ClientSession, handler: Handler, *, timeout: float = 20, era: Era | None = None) -> Verification:
    async with serving(handler) as url:
        return await check(http, url, timeout=timeout, era=era)


def assert_failed(found: Verification, reason: Reason, *words: str) -> None:
    assert (found.outcome, found.reason) == (Outcome.FAILED, reason)
    assert not found.reachable
    assert all(word in found.message for word in words), found.message
    assert (found.count, found.hash) == (0, "")


@pytest.mark.parametrize("events", [False, True], ids=["json", "event-stream"])
async def test_a_legacy_server_is_verified_and_its_session_closed(http: aiohttp.ClientSession, events: bool) -> None:
    server = Legacy(events=events)
    found = await checked(http, server)
    assert (found.outcome, found.reason) == (Outcome.VERIFIED, Reason.VERIFIED)
    assert (found.count, found.hash) == (len(TOOLS), catalogue_hash(TOOLS))
    assert (found.protocol_version, found.server_name, found.era) == ("2025-11-25", "legacy server", Era.LEGACY)
    assert server.methods == ["server/discover", "initialize", "notifications/initialized", "tools/list"]
    assert server.sessions == set()


async def test_a_modern_server_is_verified_with_two_requests_and_no_session(http: aiohttp.ClientSession) -> None:
    server = Modern()
    found = await checked(http, server)
    assert (found.outcome, found.count, found.hash) == (Outcome.VERIFIED, len(TOOLS), catalogue_hash(TOOLS))
    assert (found.protocol_version, found.server_name, found.era) == ("2026-07-28", "modern server", Era.MODERN)
    assert server.methods == ["server/discover", "tools/list"]


async def test_a_later_check_of_a_legacy_server_does_not_probe_again(http: aiohttp.ClientSession) -> None:
    server = Legacy()
    assert (await checked(http, server, era=Era.LEGACY)).outcome == Outcome.VERIFIED
    assert server.methods[0] == "initialize"


async def test_a_server_that_has_become_modern_is_found_out(http: aiohttp.ClientSession) -> None:
    assert (await checked(http, Modern(), era=Era.LEGACY)).era == Era.MODERN


async def test_sessions_that_a_refusal_opened_are_closed_too(http: aiohttp.ClientSession) -> None:
    server = Legacy(leaks=True)
    assert (await checked(http, server)).outcome == Outcome.VERIFIED
    assert server.opened == 2
    assert server.sessions == set()


async def test_an_older_server_keeps_its_own_version(http: aiohttp.ClientSession) -> None:
    assert (await checked(http, Legacy(version="2025-03-26"))).protocol_version == "2025-03-26"


@pytest.mark.parametrize("server", [Legacy(page_size=2), Modern(page_size=2)], ids=["legacy", "modern"])
async def test_a_catalogue_in_pages_is_read_to_its_end(http: aiohttp.ClientSession, server: Handler) -> None:
    found = await checked(http, server)
    assert (found.count, found.hash) == (len(TOOLS), catalogue_hash(TOOLS))


async def test_a_large_catalogue_is_read(http: aiohttp.ClientSession) -> None:
    tools = [{**TOOLS[0], "name": f"t{number}", "description": "x" * 2000} for number in range(2000)]
    found = await checked(http, Legacy(tools=tools))
    assert (found.count, found.hash) == (2000, catalogue_hash(tools))


async def test_a_server_without_tools_list_has_no_tools(http: aiohttp.ClientSession) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        if body["method"] == "initialize":
            return web.json_response(result(body, {"protocolVersion": "2025-06-18", "capabilities": {}}))
        if "id" not in body:
            return web.Response(status=202)
        return web.json_response(error(body, -32601, "Method not found"))

    found = await checked(http, handler)
    assert (found.outcome, found.count, found.server_name) == (Outcome.VERIFIED, 0, None)


@pytest.mark.parametrize("status", [401, 403])
async def test_an_endpoint_that_wants_credentials_is_reachable_and_not_verified(http: aiohttp.ClientSession, status: int) -> None:
    found = await checked(http, answering(lambda: web.Response(status=status, text="no")))
    assert (found.outcome, found.reason) == (Outcome.UNKNOWN, Reason.AUTH_REQUIRED)
    assert found.reachable
    assert str(status) in found.message


async def test_a_refused_connection_is_unreachable(http: aiohttp.ClientSession) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        found = await check(http, f"http://127.0.0.1:{closed.getsockname()[1]}/mcp")
    assert_failed(found, Reason.UNREACHABLE, "cannot be reached")


async def test_a_name_that_does_not_resolve_is_unreachable(http: aiohttp.ClientSession) -> None:
    assert_failed(await check(http, "http://does-not-exist.invalid/mcp"), Reason.UNREACHABLE, "does not resolve")


async def test_a_connection_closed_without_an_answer_is_unreachable(http: aiohttp.ClientSession) -> None:
    async def slam(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(slam, "127.0.0.1", 0)
    async with server:
        found = await check(http, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/mcp")
    assert_failed(found, Reason.UNREACHABLE, "without an answer")


async def test_something_that_is_not_http_is_not_mcp(http: aiohttp.ClientSession) -> None:
    async def ssh(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(ssh, "127.0.0.1", 0)
    async with server:
        found = await check(http, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/mcp")
    assert_failed(found, Reason.NOT_MCP)


async def test_a_server_that_hangs_times_out(http: aiohttp.ClientSession) -> None:
    async def hang(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(3600)
        return web.Response()

    assert_failed(await checked(http, hang, timeout=0.6), Reason.TIMEOUT, "0.6 s")


async def test_a_server_that_never_ends_its_reply_times_out(http: aiohttp.ClientSession) -> None:
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        while True:
            await response.write(b": still here\n\n")
            await asyncio.sleep(0.05)

    assert_failed(await checked(http, drip, timeout=0.6), Reason.TIMEOUT)


async def test_a_legacy_server_that_hangs_on_the_modern_probe_is_verified_all_the_same(http: aiohttp.ClientSession) -> None:
    server = Legacy()

    async def handler(request: web.Request) -> web.StreamResponse:
        if request.method == "POST" and (await request.json())["method"] == "server/discover":
            await asyncio.sleep(3600)
        return await server(request)

    assert (await checked(http, handler, timeout=3)).outcome == Outcome.VERIFIED


async def test_a_web_page_is_not_mcp_and_is_not_quoted(http: aiohttp.ClientSession) -> None:
    secret = "<html>internal-password-1234</html>"
    found = await checked(http, answering(lambda: web.Response(text=secret, content_type="text/html")))
    assert_failed(found, Reason.NOT_MCP, "text/html", "check the path")
    assert "1234" not in found.message


@pytest.mark.parametrize("body", ['{"secret-token": 1234}', "[1234]", "1234", "{1234", "[" * 100_000])
async def test_json_that_is_not_json_rpc_is_not_mcp_and_is_not_quoted(http: aiohttp.ClientSession, body: str) -> None:
    found = await checked(http, answering(lambda: web.Response(text=body, content_type="application/json")))
    assert_failed(found, Reason.NOT_MCP)
    assert "1234" not in found.message


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_a_gateway_without_a_server_behind_it_is_unreachable(http: aiohttp.ClientSession, status: int) -> None:
    assert_failed(await checked(http, answering(lambda: web.Response(status=status))), Reason.UNREACHABLE, f"HTTP {status}")


async def test_a_redirect_is_reported_and_not_followed(http: aiohttp.ClientSession) -> None:
    found = await checked(http, answering(lambda: web.Response(status=307, headers={"Location": "/mcp/"})))
    assert_failed(found, Reason.NOT_MCP, "redirects", "/mcp/")


async def test_an_endless_reply_is_cut_at_the_limit(http: aiohttp.ClientSession) -> None:
    sent = 0

    async def flood(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        while True:
            sent += 2**20
            await response.write(b"[" * 2**20)

    assert_failed(await checked(http, flood, timeout=60), Reason.NOT_MCP, "larger than 16 MiB")
    assert sent < 3 * MAX_BYTES


@pytest.mark.parametrize(("cursor", "words"), [("same", "goes in circles"), (7, "goes in circles"), (None, f"more than {MAX_PAGES} pages")])
async def test_endless_pages_are_given_up(http: aiohttp.ClientSession, cursor: object, words: str) -> None:
    server, count = Legacy(), 0

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal count
        if request.method == "POST" and (body := await request.json())["method"] == "tools/list":
            count += 1
            return web.json_response(result(body, {"tools": [], "nextCursor": str(count) if cursor is None else cursor}))
        return await server(request)

    assert_failed(await checked(http, handler), Reason.NOT_MCP, words)


async def test_hostile_text_reaches_nobody_unfiltered(http: aiohttp.ClientSession) -> None:
    evil = "\x1b[31mred\u202eevil\x00\nnew line " + "x" * 5000

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.json_response(error(await request.json(), -32000, evil)) if request.method == "POST" else web.Response()

    found = await checked(http, handler)
    assert_failed(found, Reason.NOT_MCP, "refused the MCP handshake", "[31mredevil new line xx")
    assert found.message.isprintable()
    assert len(found.message) < 300


async def test_a_hostile_server_name_and_version_are_cut_and_cleaned(http: aiohttp.ClientSession) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        if body["method"] == "initialize":
            info = {"name": "a\tb\x07" + "c" * 500}
            return web.json_response(
                result(body, {"protocolVersion": "v\r\nInjected: 1" + "9" * 99, "capabilities": {}, "serverInfo": info})
            )
        return web.json_response(result(body, {"tools": []})) if "id" in body else web.Response(status=202)

    found = await checked(http, handler)
    assert found.outcome == Outcome.VERIFIED
    assert found.server_name is not None and found.server_name.startswith("a bccc") and len(found.server_name) == 128
    assert found.protocol_version is not None and found.protocol_version.isprintable() and len(found.protocol_version) == 32


@pytest.mark.parametrize("tools", [None, {}, "tools"])
async def test_a_tools_list_without_a_list_is_not_mcp(http: aiohttp.ClientSession, tools: object) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        value = {"protocolVersion": "2025-11-25"} if body["method"] == "initialize" else {"tools": tools}
        return web.json_response(result(body, value)) if "id" in body else web.Response(status=202)

    assert_failed(await checked(http, handler), Reason.NOT_MCP, "without a list of tools")


def test_printable_text_is_one_line_of_visible_characters() -> None:
    assert printable(" a\n\tb\u200b\x1b[0m\u2028c\ud800 ") == "a b[0m c"
    assert printable("x" * 500, 10) == "x" * 9 + "…"
