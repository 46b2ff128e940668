"""What travels with a call and back while it runs: progress, log messages, cancellation, questions to the user."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import ElicitResult

from tests.integration.server.conftest import Start
from tests.integration.server.everything import Era, hosting
from tests.integration.server.harness import eventually, serving, write_config
from tests.integration.server.upstreams import Modern

pytestmark = pytest.mark.integration
CLIENTS = ("legacy", "2026-07-28")
TOOLS = 5


@pytest.mark.parametrize("mode", ["mcp_only", "hybrid"])
@pytest.mark.parametrize("era", CLIENTS)
@pytest.mark.parametrize("upstream", ["modern", "legacy"])
async def test_progress_and_log_messages_reach_the_client_that_asked_for_them(tmp_path: Path, upstream: Era, era: Any, mode: str) -> None:
    heard: list[Any] = []
    logged: list[Any] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, total, message))

    async def on_log(params: Any) -> None:
        logged.append((params.level, params.data, params.logger))

    async with hosting(upstream) as it:
        write_config(tmp_path / "config.json", {"it": it.url}, mode=mode)
        async with serving(tmp_path / "config.json") as server:
            await server.tools_ready(TOOLS)
            async with Client(server.url, mode=era, logging_callback=on_log, log_level="info") as client:
                call = ("it.work", {"steps": 3}) if mode == "mcp_only" else ("execute", {"tool": "it.work", "arguments": {"steps": 3}})
                result = await client.call_tool(*call, progress_callback=on_progress)
                assert result.content[0].text == "done"  # type: ignore[union-attr]
                await eventually(lambda: len(heard) == 3 and len(logged) == 1)
    assert heard == [(1, 3, "step 1"), (2, 3, "step 2"), (3, 3, "step 3")]
    assert logged == [("warning", {"steps": 3}, "it.worker")]


@pytest.mark.parametrize("era", CLIENTS)
@pytest.mark.parametrize("upstream", ["modern", "legacy"])
async def test_a_client_that_goes_away_ends_the_call_at_servers_of_both_eras(tmp_path: Path, upstream: Era, era: Any) -> None:
    async with hosting(upstream) as it:
        write_config(tmp_path / "config.json", {"it": it.url}, mode="mcp_only", timeout=300)
        async with serving(tmp_path / "config.json") as server:
            await server.tools_ready(TOOLS)
            async with Client(server.url + "/it", mode=era) as client:
                call = asyncio.create_task(client.call_tool("slow", {}))
                await eventually(lambda: it.running == 1)
                call.cancel()
                await eventually(lambda: it.cancelled == 1)
                await eventually(lambda: server.process.gate.in_flight <= 1)


@pytest.mark.parametrize("route", ["", "/it"])
async def test_a_question_of_the_server_is_answered_by_a_modern_client_and_its_state_is_sealed(tmp_path: Path, route: str) -> None:
    async def answer(context: Any, params: Any) -> ElicitResult:
        return ElicitResult(action="accept", content={"name": "Ada"})

    prefix = "" if route else "it."
    async with hosting("modern") as it:
        write_config(tmp_path / "config.json", {"it": it.url}, mode="mcp_only")
        async with serving(tmp_path / "config.json") as server:
            await server.tools_ready(TOOLS)
            async with Client(server.url + route, mode="2026-07-28", elicitation_callback=answer) as client:
                assert (await client.call_tool(f"{prefix}greet", {})).content[0].text == "Hello Ada, asked once"  # type: ignore[union-attr]
                asked: Any = await client.session.call_tool(f"{prefix}greet", {}, allow_input_required=True)
                assert asked.result_type == "input_required"
                assert "asked" not in asked.request_state
                with pytest.raises(MCPError, match="requestState is not one that this endpoint gave out"):
                    await client.session.call_tool(f"{prefix}greet", {}, request_state="x" + asked.request_state, allow_input_required=True)
                with pytest.raises(MCPError, match="belongs to another call"):
                    await client.session.call_tool(f"{prefix}work", {}, request_state=asked.request_state, allow_input_required=True)


async def test_the_same_question_comes_through_execute(tmp_path: Path) -> None:
    async def answer(context: Any, params: Any) -> ElicitResult:
        return ElicitResult(action="accept", content={"name": "Ada"})

    async with hosting("modern") as it:
        write_config(tmp_path / "config.json", {"it": it.url})
        async with serving(tmp_path / "config.json") as server:
            await server.tools_ready(TOOLS)
            async with Client(server.url, mode="2026-07-28", elicitation_callback=answer) as client:
                result = await client.call_tool("execute", {"tool": "it.greet"})
                assert result.content[0].text == "Hello Ada, asked once"  # type: ignore[union-attr]


@pytest.mark.parametrize(("able", "code"), [({}, -32021), (None, None)], ids=["modern client", "legacy client"])
async def test_a_capability_that_a_client_did_not_declare_is_an_error_its_program_understands(
    start: Start, tmp_path: Path, able: dict[str, Any] | None, code: int | None
) -> None:
    class Demanding(Modern):
        async def handle(self, request: web.Request) -> web.StreamResponse:
            message = await request.json()
            if message["method"] != "tools/call":
                return await super().handle(request)
            error = {"code": -32021, "message": "sampling is needed", "data": {"requiredCapabilities": {"sampling": {}}}}
            return web.json_response({"jsonrpc": "2.0", "id": message["id"], "error": error}, status=400)

    it = await start(Demanding())
    write_config(tmp_path / "config.json", {"it": it.url}, mode="mcp_only")
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(len(it.tools))
        async with Client(server.url, mode="legacy" if able is None else "2026-07-28") as client:
            if code is None:
                result = await client.call_tool("it.echo", {})
                assert result.is_error and "sampling is needed" in result.content[0].text  # type: ignore[union-attr]
                return
            with pytest.raises(MCPError) as refused:
                await client.call_tool("it.echo", {})
            assert (refused.value.error.code, refused.value.error.data) == (code, {"requiredCapabilities": {"sampling": {}}})


async def test_a_legacy_client_is_told_that_the_server_needs_an_answer(tmp_path: Path) -> None:
    async with hosting("modern") as it:
        write_config(tmp_path / "config.json", {"it": it.url}, mode="mcp_only")
        async with serving(tmp_path / "config.json") as server:
            await server.tools_ready(TOOLS)
            async with Client(server.url, mode="legacy") as client:
                result = await client.call_tool("it.greet", {})
                assert result.is_error
                assert "2026-07-28 client" in json.loads(result.content[0].text)["message"]  # type: ignore[union-attr]
