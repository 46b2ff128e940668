"""Clients of both protocol eras reach servers of both eras, and every call is one request."""

import json
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from tests.integration.server.conftest import Start
from tests.integration.server.harness import serving, write_config
from tests.integration.server.upstreams import TOOLS, Legacy, Modern

pytestmark = pytest.mark.integration
ERAS = ("auto", "legacy", "2026-07-28")


def text(result: Any) -> str:
    return str(result.content[0].text)


@pytest.mark.parametrize("era", ERAS)
async def test_a_client_of_each_era_discovers_and_calls_tools_of_servers_of_both_eras(start: Start, tmp_path: Path, era: Any) -> None:
    modern, legacy = await start(Modern()), await start(Legacy())
    write_config(tmp_path / "config.json", {"new": modern.url, "old": legacy.url})
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(2 * len(TOOLS))
        async with Client(server.url, mode=era) as client:
            listed = await client.list_tools()
            assert [tool.name for tool in listed.tools] == ["discover", "execute", "execute_batch", "execute_code"]
            hits = text(await client.call_tool("discover", {"query": "creating an issue"}))
            assert "new.create_issue(repo: str, title: str, labels?: str[]): Create an issue in a repository" in hits
            assert "old.create_issue(" in hits
            for name in ("new", "old"):
                result = await client.call_tool("execute", {"tool": f"{name}.echo", "arguments": {"message": "hi"}})
                assert json.loads(text(result)) == {"tool": "echo", "message": "hi"}


async def test_each_call_is_one_request_and_the_era_is_asked_once(start: Start, tmp_path: Path) -> None:
    modern, legacy = await start(Modern()), Legacy()
    await start(legacy)
    write_config(tmp_path / "config.json", {"new": modern.url, "old": legacy.url})
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(2 * len(TOOLS))
        async with Client(server.url) as client:
            for _ in range(3):
                await client.call_tool("execute", {"tool": "new.echo"})
                await client.call_tool("execute", {"tool": "old.echo"})
    assert modern.asked == ["server/discover", "tools/list", "tools/list"] + 3 * ["tools/call"]
    assert legacy.asked == ["server/discover", "initialize", "notifications/initialized", "tools/list", "tools/list"] + 3 * ["tools/call"]
    assert not legacy.sessions, "the session was not ended when the server stopped"


@pytest.mark.parametrize("status", [404, 400])
async def test_a_forgotten_session_is_opened_again_and_the_call_repeated(start: Start, tmp_path: Path, status: int) -> None:
    legacy = Legacy(unknown_session_status=status)
    await start(legacy)
    write_config(tmp_path / "config.json", {"old": legacy.url})
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(len(TOOLS))
        async with Client(server.url) as client:
            legacy.sessions.clear()
            result = await client.call_tool("execute", {"tool": "old.echo", "arguments": {"message": "again"}})
            assert json.loads(text(result))["message"] == "again"
    assert legacy.opened == 2
    assert len(legacy.calls) == 1


async def test_a_server_that_comes_back_in_the_other_era_is_asked_again(start: Start, tmp_path: Path) -> None:
    modern = await start(Modern())
    write_config(tmp_path / "config.json", {"it": modern.url})
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(len(TOOLS))
        await modern.stop()
        legacy = Legacy()
        legacy.port = modern.port
        await start(legacy)
        async with Client(server.url) as client:
            result = await client.call_tool("execute", {"tool": "it.echo", "arguments": {"message": "old now"}})
            assert json.loads(text(result))["message"] == "old now"


@pytest.mark.parametrize("era", ["legacy", "2026-07-28"])
async def test_direct_mode_lists_and_calls_the_real_tools(start: Start, tmp_path: Path, era: Any) -> None:
    modern = await start(Modern())
    write_config(tmp_path / "config.json", {"new": modern.url}, mode="mcp_only")
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(len(TOOLS))
        async with Client(server.url, mode=era) as client:
            assert [tool.name for tool in (await client.list_tools()).tools] == sorted(f"new.{tool['name']}" for tool in TOOLS)
            result = await client.call_tool("new.weather", {"city": "Ulm"})
            assert result.structured_content == {"city": "Ulm", "celsius": 21}
            assert json.loads(text(result)) == {"city": "Ulm", "celsius": 21}
