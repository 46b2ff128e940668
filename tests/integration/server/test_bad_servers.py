"""Servers that hang, fail, are no MCP servers or lie: a clear error for their callers, nothing for anybody else."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from mcp import Client
from mcp.shared.exceptions import MCPError

from mcp_optimizer_api.catalogue import catalogue_hash
from tests.integration.server.conftest import Start
from tests.integration.server.harness import eventually, serving, write_config
from tests.integration.server.upstreams import TOOLS, Failing, Hanging, Modern, NotMcp

pytestmark = pytest.mark.integration


def envelope(result: Any) -> dict[str, Any]:
    assert result.is_error
    return dict(json.loads(result.content[0].text))


async def test_bad_servers_are_named_with_their_fault_and_disturb_no_other(start: Start, tmp_path: Path) -> None:
    good, hanging, page = await start(Modern()), await start(Hanging()), await start(NotMcp())
    broken, closed = await start(Failing(500)), await start(Failing(401))
    gone = "http://127.0.0.1:9/mcp"
    upstreams = {"good": good.url, "hang": hanging.url, "page": page.url, "broken": broken.url, "closed": closed.url, "gone": gone}
    write_config(tmp_path / "config.json", upstreams)
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(len(TOOLS))
        async with Client(server.url) as client:
            result = await client.call_tool("execute", {"tool": "good.echo", "arguments": {"message": 1}})
            assert not result.is_error
        expected = {"page": "without a JSON-RPC response", "broken": "HTTP 500", "closed": "401", "gone": "cannot be reached"}

        def named() -> bool:
            errors = {item.name: item.error or "" for item in server.process.federation.stats()}
            return all(text in errors[name] for name, text in expected.items())

        await eventually(named)
        stats = {item["name"]: item for item in (await server.stats())["upstreams"]}
        assert stats["good"]["ready"] and not stats["hang"]["ready"]


async def test_a_call_that_hangs_ends_with_408_after_its_own_timeout_while_others_go_on(start: Start, tmp_path: Path) -> None:
    slow, good = await start(Modern()), await start(Modern())
    write_config(tmp_path / "config.json", {"slow": slow.url, "good": good.url}, timeout=1)
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(2 * len(TOOLS))
        slow.delay = 3600
        async with Client(server.url) as client:
            hanging = asyncio.create_task(client.call_tool("execute", {"tool": "slow.echo"}))
            await eventually(lambda: len(slow.calls) == 1)
            for _ in range(10):
                assert not (await client.call_tool("execute", {"tool": "good.echo"})).is_error
            assert not hanging.done()
            error = envelope(await hanging)
        assert error == {"code": 408, "message": "server slow did not answer within 1 s"}


async def test_a_client_that_gives_up_ends_the_call_at_the_server(start: Start, tmp_path: Path) -> None:
    slow = await start(Modern())
    write_config(tmp_path / "config.json", {"slow": slow.url}, timeout=300)
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(len(TOOLS))
        slow.delay = 3600
        async with Client(server.url, mode="2026-07-28", read_timeout_seconds=0.5) as client:
            with pytest.raises(MCPError):
                await client.call_tool("execute", {"tool": "slow.echo"})
        await eventually(lambda: server.process.gate.in_flight == 0)
        assert (await server.stats())["errors"] == 1


async def test_what_a_tool_reports_as_an_error_stays_one(start: Start, tmp_path: Path) -> None:
    good = await start(Modern())
    write_config(tmp_path / "config.json", {"good": good.url})
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(len(TOOLS))
        async with Client(server.url) as client:
            result = await client.call_tool("execute", {"tool": "good.fail"})
            assert result.is_error
            assert result.content[0].text == "the disk is full"  # type: ignore[union-attr]


async def test_a_result_said_twice_is_sent_once(start: Start, tmp_path: Path) -> None:
    good = await start(Modern())
    write_config(tmp_path / "config.json", {"good": good.url})
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(len(TOOLS))
        async with Client(server.url) as client:
            result = await client.call_tool("execute", {"tool": "good.weather", "arguments": {"city": "Ulm"}})
            assert len(result.content) == 1
            assert result.structured_content is None
            assert json.loads(result.content[0].text) == {"city": "Ulm", "celsius": 21}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"repo": "a/b"}, "arguments: 'title' is a required property"),
        ({"repo": "a/b", "title": 3}, "arguments.title: 3 is not of type 'string'"),
        ({"repo": "a/b", "title": "x", "lables": []}, "arguments: Additional properties are not allowed ('lables' was unexpected)"),
    ],
)
async def test_arguments_that_do_not_fit_the_schema_never_reach_the_server(
    start: Start, tmp_path: Path, arguments: dict[str, Any], message: str
) -> None:
    good = await start(Modern())
    write_config(tmp_path / "config.json", {"good": good.url})
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(len(TOOLS))
        async with Client(server.url) as client:
            error = envelope(await client.call_tool("execute", {"tool": "good.create_issue", "arguments": arguments}))
    signature = "good.create_issue(repo: str, title: str, labels?: str[])"
    assert error == {"code": 400, "message": f"{message}; {signature}"}, "the next attempt needs no discover"
    assert good.calls == []


async def test_an_unknown_tool_is_answered_with_the_names_that_look_like_it(start: Start, tmp_path: Path) -> None:
    good = await start(Modern())
    write_config(tmp_path / "config.json", {"good": good.url})
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(len(TOOLS))
        async with Client(server.url) as client:
            error = envelope(await client.call_tool("execute", {"tool": "good.creat_isue"}))
            assert error["code"] == 404
            assert error["message"].startswith("no tool 'good.creat_isue': did you mean good.create_issue")
            with pytest.raises(MCPError, match=r"unknown tool 'good\.ecko': did you mean good\.echo.*Pass it to execute"):
                await client.call_tool("good.ecko", {})


async def test_hostile_definitions_are_dropped_or_cleaned_and_the_rest_is_served(start: Start, tmp_path: Path) -> None:
    deep: dict[str, Any] = {"type": "object"}
    for _ in range(50):
        deep = {"type": "object", "properties": {"a": deep}}
    tools: list[Any] = [
        {"name": "good", "description": "Fine.\u202e\u200b Really", "inputSchema": {"type": "object"}, "outputSchema": {"type": "string"}},
        {"name": "good", "description": "A second one of that name", "inputSchema": {"type": "object"}},
        {"name": "bad name", "inputSchema": {"type": "object"}},
        {"name": "deep", "inputSchema": deep},
        {"name": "huge", "description": "x", "inputSchema": {"type": "object", "description": "y" * 100_000}},
        {"name": "no_object", "inputSchema": {"type": "string"}},
        {"name": 7},
        "nonsense",
    ]
    upstream = await start(Modern(tools))
    write_config(tmp_path / "config.json", {"odd": upstream.url}, mode="mcp_only")
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(1)
        for era in ("legacy", "2026-07-28"):
            async with Client(server.url, mode=era) as client:  # type: ignore[arg-type]
                listed = (await client.list_tools()).tools
                assert [(tool.name, tool.description) for tool in listed] == [("odd.good", "Fine. Really")]


async def test_a_schema_made_to_burn_time_is_left_to_its_server(start: Start, tmp_path: Path) -> None:
    bomb: dict[str, Any] = {"type": "object", "properties": {"a": {"$ref": "#/$defs/d0"}, "b": {"type": "string", "pattern": "^(a+)+$"}}}
    bomb["$defs"] = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(60)} | {"d60": {"type": "string"}}
    bomb["properties"]["c"] = {"$ref": "http://127.0.0.1:9/schema.json"}
    upstream = await start(Modern([{"name": "bomb", "inputSchema": bomb}]))
    write_config(tmp_path / "config.json", {"odd": upstream.url})
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(1)
        async with Client(server.url) as client:
            started = time.monotonic()
            for arguments in ({"a": "x"}, {"b": "a" * 40 + "!"}, {"c": 1}):
                assert not (await client.call_tool("execute", {"tool": "odd.bomb", "arguments": arguments})).is_error
            assert time.monotonic() - started < 20


async def test_a_catalogue_without_end_is_refused(start: Start, tmp_path: Path) -> None:
    class Endless(Modern):
        async def answer(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
            return {"tools": [{"name": f"t{number}", "inputSchema": {"type": "object"}} for number in range(900)], "nextCursor": "more"}

    endless, good = await start(Endless()), await start(Modern())
    write_config(tmp_path / "config.json", {"endless": endless.url, "good": good.url})
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(len(TOOLS))
        await eventually(lambda: "more than 5000 tools" in (server.process.federation.stats()[0].error or ""))


async def test_the_reported_hash_is_the_one_the_operator_computes(start: Start, tmp_path: Path) -> None:
    odd = await start(Modern([{"name": "a", "description": "x\u200by", "title": None, "inputSchema": {}, "icons": []}]))
    write_config(tmp_path / "config.json", {"odd": odd.url})
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(1)
        assert server.process.federation.stats()[0].catalogue_hash == catalogue_hash(odd.tools)


async def test_a_reply_without_end_is_cut_off(start: Start, tmp_path: Path) -> None:
    class Flood(Modern):
        async def handle(self, request: web.Request) -> web.StreamResponse:
            if (await request.json())["method"] != "tools/call":
                return await super().handle(request)
            response = web.StreamResponse(headers={"Content-Type": "application/json"})
            await response.prepare(request)
            for _ in range(64):
                await response.write(b"[" * 1024 * 1024)
            return response

    flood = await start(Flood())
    write_config(tmp_path / "config.json", {"flood": flood.url}, timeout=60)
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(len(TOOLS))
        async with Client(server.url) as client:
            error = envelope(await client.call_tool("execute", {"tool": "flood.echo"}))
    assert error == {"code": 502, "message": "server flood sent more than 16 MiB or half a million values in one reply: ask for less"}
