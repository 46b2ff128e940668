"""Requests of the usual shape are answered without the SDK between, and nobody can tell from the answer."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.integration.server.conftest import Start
from tests.integration.server.harness import Running, eventually, serving, write_config
from tests.integration.server.upstreams import TOOLS, Legacy, Modern

pytestmark = pytest.mark.integration
META = "io.modelcontextprotocol/"
MODERN, LEGACY = "2026-07-28", "2025-11-25"
BOTH = "application/json, text/event-stream"
STRANGE = {
    "content": [
        {"type": "text", "text": "a", "annotations": {"priority": 1}},
        {"type": "odd"},
        {"type": "resource_link", "uri": "a://b", "name": "n"},
    ],
    "structuredContent": {"nothing": None, "number": 1.5, "deep": [{"nothing": None}]},
    "unknown": 1,
}


class Odd(Modern):
    """Answers with whatever the argument `message` is, where it is an object."""

    async def answer(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        result = await super().answer(method, params)
        message = (params.get("arguments") or {}).get("message")
        return message if isinstance(message, dict) else result


def request(era: str, method: str, params: dict[str, Any] | None, **changes: Any) -> tuple[dict[str, str], bytes]:
    """Headers and body; `changes` replace headers (None removes), the body's `id`, `_meta` or the whole `body`."""
    headers: dict[str, str | None] = {"content-type": "application/json", "accept": BOTH, "mcp-protocol-version": era}
    message: dict[str, Any] = {"jsonrpc": "2.0", "id": changes.pop("id", 7), "method": method}
    if era == MODERN:
        meta = {META + "protocolVersion": MODERN, META + "clientCapabilities": {}, META + "clientInfo": {"name": "test", "version": "1"}}
        params = {**(params or {}), "_meta": changes.pop("_meta", meta)}
        headers["mcp-method"] = method
        headers["mcp-name"] = params.get("name")
    elif "_meta" in changes:
        params = {**(params or {}), "_meta": changes.pop("_meta")}
    if params is not None:
        message["params"] = {key: value for key, value in params.items() if key != "_meta" or value is not None}
    body = changes.pop("body", json.dumps({**message, **changes.pop("message", {})}).encode())
    headers |= {name.replace("_", "-"): value for name, value in changes.items()}
    return {name: value for name, value in headers.items() if value is not None}, body


def call(era: str, name: str, arguments: Any = None, **changes: Any) -> tuple[dict[str, str], bytes]:
    return request(era, "tools/call", {"name": name, **({"arguments": arguments} if arguments is not None else {})}, **changes)


def cases(era: str, prefix: str) -> dict[str, tuple[dict[str, str], bytes]]:
    """What clients of this era send. `prefix`: of the tools' names."""
    echo, good = f"{prefix}echo", {"message": "hello"}
    return {
        "call": call(era, echo, good),
        "text id": call(era, echo, good, id="abc-é"),
        "negative id": call(era, echo, good, id=-1),
        "huge id": call(era, echo, good, id=10**25),
        "null id": call(era, echo, good, id=None),
        "no arguments": call(era, echo),
        "wrong arguments": call(era, f"{prefix}create_issue", {"repo": 1}),
        "arguments no object": call(era, echo, [1]),
        "huge number": call(era, echo, {"message": 12345678901234567890123}),
        "tool error": call(era, f"{prefix}fail", {}),
        "structured": call(era, f"{prefix}weather", {"city": "Köln"}),
        "strange result": call(era, echo, {"message": STRANGE}),
        "unknown tool": call(era, f"{prefix}nothing", {}),
        "name no text": request(era, "tools/call", {"name": 5, "arguments": {}}, mcp_name="5"),
        "list": request(era, "tools/list", {}),
        "list, bad cursor": request(era, "tools/list", {"cursor": "nonsense"}),
        "list, second page": request(era, "tools/list", {"cursor": "after:odd.echo"}),
        "unknown method": request(era, "tools/none", {}),
        "ping": request(era, "ping", {}),
        "accepts no stream": call(era, echo, good, accept="application/json"),
        "accepts anything": call(era, echo, good, accept="*/*"),
        "accepts nothing": call(era, echo, good, accept=None),
        "other content type": call(era, echo, good, content_type="text/plain"),
        "charset": call(era, echo, good, content_type="application/json; charset=utf-8"),
        "unknown version": call(era, echo, good, mcp_protocol_version="2031-01-01"),
        "no JSON": call(era, echo, body=b"{"),
        "a batch": call(era, echo, body=b"[]"),
        "NaN": call(era, echo, body=call(era, echo, {"message": float("nan")})[1]),
        "extra member": call(era, echo, good, message={"extra": 1}),
        "JSON-RPC 1": call(era, echo, good, message={"jsonrpc": "1.0"}),
        "notification": request(era, "notifications/cancelled", {"requestId": 1}),
        "trace": call(era, echo, good, _meta={**json.loads(call(era, echo)[1])["params"].get("_meta", {}), "traceparent": "00-1-2-03"}),
    }


def modern_cases(prefix: str) -> dict[str, tuple[dict[str, str], bytes]]:
    """What only a modern client can get wrong."""
    echo, good = f"{prefix}echo", {"message": "hello"}
    meta = {META + "protocolVersion": MODERN, META + "clientCapabilities": {}}
    return {
        "no meta": call(MODERN, echo, good, _meta=None),
        "meta without version": call(MODERN, echo, good, _meta={META + "clientCapabilities": {}}),
        "meta without capabilities": call(MODERN, echo, good, _meta={META + "protocolVersion": MODERN}),
        "capabilities no object": call(MODERN, echo, good, _meta={**meta, META + "clientCapabilities": 5}),
        "wrong capabilities": call(MODERN, echo, good, _meta={**meta, META + "clientCapabilities": {"elicitation": 5}}),
        "wrong client info": call(MODERN, echo, good, _meta={**meta, META + "clientInfo": {"name": 1}}),
        "no client info": call(MODERN, echo, good, _meta=meta),
        "other version in meta": call(MODERN, echo, good, _meta={**meta, META + "protocolVersion": LEGACY}),
        "no method header": call(MODERN, echo, good, mcp_method=None),
        "wrong method header": call(MODERN, echo, good, mcp_method="tools/list"),
        "no name header": call(MODERN, echo, good, mcp_name=None),
        "wrong name header": call(MODERN, echo, good, mcp_name="other"),
        "encoded name header": call(MODERN, echo, good, mcp_name="=?base64?b2RkLmVjaG8=?="),
    }


async def ask(session: aiohttp.ClientSession, url: str, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
    """Status, and the message of the response whatever its form."""
    async with session.post(url, headers=headers, data=body, skip_auto_headers=("content-type", "accept")) as response:
        text = await response.text()
        data = [line.removeprefix("data:").strip() for line in text.splitlines() if line.startswith("data:")]
        try:
            return response.status, json.loads(data[-1] if data else text)
        except ValueError:
            return response.status, text


@contextlib.asynccontextmanager
async def both(start: Start, tmp_path: Path, mode: str) -> AsyncIterator[tuple[Running, Running]]:
    """The server with the fast path and without, over the same servers."""
    odd, old = await start(Odd()), await start(Legacy())
    write_config(tmp_path / "config.json", {"odd": odd.url, "old": old.url}, mode=mode)
    async with serving(tmp_path / "config.json") as fast, serving(tmp_path / "config.json", fast_path=False) as slow:
        await fast.tools_ready(2 * len(TOOLS))
        await slow.tools_ready(2 * len(TOOLS))
        yield fast, slow


@pytest.mark.parametrize(
    ("era", "path", "prefix"), [(MODERN, "", "odd."), (LEGACY, "", "odd."), (MODERN, "/odd", ""), (LEGACY, "", "old.")]
)
async def test_answers_are_the_same_with_and_without_it(start: Start, tmp_path: Path, era: str, path: str, prefix: str) -> None:
    table = {**cases(era, prefix), **(modern_cases(prefix) if era == MODERN else {})}
    async with both(start, tmp_path, "mcp_only") as (fast, slow), aiohttp.ClientSession() as session:
        for what, (headers, body) in table.items():
            with_it, without = [await ask(session, server.url + path, headers, body) for server in (fast, slow)]
            assert with_it == without, what
        assert fast.process.fast_path.served >= 12
        assert slow.process.fast_path.served == slow.process.fast_path.left == 0


@pytest.mark.parametrize("era", [MODERN, LEGACY, "2025-06-18", "2025-03-26"])
async def test_meta_tools_answer_the_same_with_and_without_it(start: Start, tmp_path: Path, era: str) -> None:
    table = {
        "list": request(era, "tools/list", None),
        "search": call(era, "discover", {"query": "create an issue"}),
        "schema": call(era, "discover", {"ids": ["odd.create_issue"]}),
        "nothing": call(era, "discover", {"ids": ["odd.nothing"]}),
        "execute": call(era, "execute", {"tool": "old.echo", "arguments": {"message": "x"}}),
        "execute strange": call(era, "execute", {"tool": "odd.echo", "arguments": {"message": STRANGE}}),
        "execute nothing": call(era, "execute", {"tool": "odd.nothing"}),
        "code": call(era, "execute_code", {"code": "1"}),
    }
    async with both(start, tmp_path, "hybrid") as (fast, slow), aiohttp.ClientSession() as session:
        for what, (headers, body) in table.items():
            with_it, without = [await ask(session, server.url, headers, body) for server in (fast, slow)]
            assert with_it == without, what


async def test_a_header_that_comes_twice_is_judged_by_the_sdk(start: Start, tmp_path: Path) -> None:
    headers, body = call(MODERN, "odd.echo", {"message": "x"})
    async with both(start, tmp_path, "mcp_only") as (fast, slow), aiohttp.ClientSession() as session:
        twice = [*headers.items(), ("mcp-name", "odd.fail")]
        answers = [await ask(session, server.url, twice, body) for server in (fast, slow)]  # type: ignore[arg-type]
    assert answers[0] == answers[1]
    assert answers[0][0] == 400


async def test_a_client_that_hangs_up_cancels_its_call(start: Start, tmp_path: Path) -> None:
    odd = await start(Odd())
    odd.delay = 20
    write_config(tmp_path / "config.json", {"odd": odd.url}, mode="mcp_only", timeout=30)
    headers, body = call(MODERN, "odd.echo", {"message": "x"})
    async with serving(tmp_path / "config.json") as server, aiohttp.ClientSession() as session:
        await server.tools_ready(len(TOOLS))
        asking = asyncio.create_task(ask(session, server.url, headers, body))
        await eventually(lambda: server.process.gate.in_flight == 1 and "tools/call" in odd.asked)
        asking.cancel()
        await eventually(lambda: server.process.gate.in_flight == 0, deadline=10)
        assert server.process.fast_path.served == 1
        assert 'mcp_optimizer_calls_total{outcome="cancelled",tool="direct"} 1.0' in (await server.get("/metrics"))[1]


async def test_what_clients_make_up_as_cursor_is_not_remembered(start: Start, tmp_path: Path) -> None:
    odd = await start(Odd())
    write_config(tmp_path / "config.json", {"odd": odd.url}, mode="hybrid")
    async with serving(tmp_path / "config.json") as server, aiohttp.ClientSession() as session:
        await server.tools_ready(len(TOOLS))
        for number in range(3):
            headers, body = request(MODERN, "tools/list", {"cursor": f"after:odd.{number}"})
            assert (await ask(session, server.url, headers, body))[0] == 200
        headers, body = request(MODERN, "tools/list", {})
        assert (await ask(session, server.url, headers, body))[0] == 200
        assert [cursor for _, _, cursor in server.process.fast_path._pages] == [None]
