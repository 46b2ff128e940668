"""One server in trouble is the trouble of its own callers, is told where people look, and ends by itself."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from mcp import Client

from tests.integration.server.conftest import Start
from tests.integration.server.harness import Running, eventually, serving, write_config
from tests.integration.server.upstreams import TOOLS, Legacy, Modern

pytestmark = pytest.mark.integration
READ = {"name": "read", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}}
WRITE = {"name": "write", "inputSchema": {"type": "object"}}


class Faulty(Modern):
    """Fails calls in the way that `fault` says, after it has counted them as executed."""

    fault: int | str | None = None
    retry_after = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        message = await request.json()
        if message["method"] == "tools/call" and self.fault is not None:
            self.calls.append(message["params"])
            if self.fault == "disconnect":
                assert request.transport is not None
                request.transport.close()
                return web.Response()
            return web.json_response(
                {"oops": True}, status=int(self.fault), headers={"Retry-After": self.retry_after} if self.retry_after else {}
            )
        return await super().handle(request)


async def called(client: Client, tool: str) -> dict[str, Any]:
    result = await client.call_tool("execute", {"tool": tool})
    shown = json.loads(result.content[0].text) if result.is_error else {}  # type: ignore[union-attr]
    return dict(shown)


async def told(server: Running, name: str) -> dict[str, Any]:
    return next(item for item in (await server.stats())["upstreams"] if item["name"] == name)


async def test_a_breaker_opens_says_so_and_heals(start: Start, tmp_path: Path) -> None:
    bad, good = Faulty(), await start(Modern())
    await start(bad)
    settings = {"breaker": {"consecutiveFailures": 3, "openSeconds": 1}, "retries": {"when": "never"}}
    write_config(tmp_path / "config.json", {"bad": bad.url, "good": good.url}, resilience=settings)
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(2 * len(TOOLS))
        async with Client(server.url) as client:
            bad.fault = 500
            for _ in range(3):
                assert (await called(client, "bad.echo"))["code"] == 502
            refused = await called(client, "bad.echo")
            assert refused["code"] == 503 and "nothing was sent" in refused["message"] and "HTTP 500" in refused["message"]
            assert len(bad.calls) == 3
            assert await called(client, "good.echo") == {}
            stats = await told(server, "bad")
            assert (stats["breaker"], stats["ready"], stats["refusedOpen"]) == ("open", False, 1)
            assert "calls fail" in stats["error"] and "HTTP 500" in stats["error"]
            metrics = (await server.get("/metrics"))[1]
            assert 'mcp_optimizer_upstream_breaker_state{server="bad"} 2.0' in metrics
            assert 'mcp_optimizer_upstream_refused_total{reason="open",server="bad"} 1.0' in metrics
            bad.fault = None
            guard = next(upstream for upstream, _ in server.process.federation.snapshot.servers if upstream.name == "bad").guard  # type: ignore[union-attr]
            await eventually(lambda: guard.breaker.state == "half-open")
            assert await called(client, "bad.echo") == {}
            stats = await told(server, "bad")
            assert (stats["breaker"], stats["ready"]) == ("closed", True)


async def test_a_tool_that_reports_errors_opens_nothing(start: Start, tmp_path: Path) -> None:
    good = await start(Modern())
    write_config(tmp_path / "config.json", {"good": good.url}, resilience={"breaker": {"consecutiveFailures": 1}})
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(len(TOOLS))
        async with Client(server.url) as client:
            for _ in range(30):
                assert (await client.call_tool("execute", {"tool": "good.fail"})).is_error
        assert (await told(server, "good"))["breaker"] == "closed"


@pytest.mark.parametrize("fault", [500, 503, "disconnect"])
async def test_only_a_tool_that_may_be_repeated_is_executed_twice(start: Start, tmp_path: Path, fault: int | str) -> None:
    faulty = Faulty([READ, WRITE])
    await start(faulty)
    write_config(tmp_path / "config.json", {"it": faulty.url})
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(2)
        async with Client(server.url) as client:
            faulty.fault = fault
            assert (await called(client, "it.write"))["code"] in (502, 503)
            assert [executed["name"] for executed in faulty.calls] == ["write"]
            assert (await called(client, "it.read"))["code"] in (502, 503)
            assert [executed["name"] for executed in faulty.calls] == ["write", "read", "read"]
        assert (await told(server, "it"))["retries"] == 1


async def test_a_call_that_was_never_sent_is_sent_again_whatever_the_tool_does(start: Start, tmp_path: Path) -> None:
    faulty = Faulty([READ, WRITE])
    await start(faulty)
    write_config(tmp_path / "config.json", {"it": faulty.url}, resilience={"breaker": {"enabled": False}})
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(2)
        await faulty.stop()
        async with Client(server.url) as client:
            error = await called(client, "it.write")
        assert error["code"] == 502 and "cannot be reached" in error["message"]
        assert (await told(server, "it"))["retries"] == 1
        assert faulty.calls == []


async def test_a_server_that_hangs_holds_up_its_own_callers_only_and_only_so_many(start: Start, tmp_path: Path) -> None:
    slow, good = await start(Modern()), await start(Modern())
    settings = {"maxConcurrent": 5, "queueSeconds": 0}
    write_config(tmp_path / "config.json", {"slow": slow.url, "good": good.url}, timeout=60, resilience=settings)
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(2 * len(TOOLS))
        slow.delay = 3600
        async with Client(server.url) as client:
            hanging = [asyncio.create_task(called(client, "slow.echo")) for _ in range(5)]
            await eventually(lambda: len(slow.calls) == 5)
            refused = await called(client, "slow.echo")
            assert refused["code"] == 429 and "maxConcurrent" in refused["message"]
            answers = await asyncio.gather(*(called(client, "good.echo") for _ in range(100)))
            assert answers == [{}] * 100
            assert not any(task.done() for task in hanging)
            assert len(slow.calls) == 5
            assert (await told(server, "slow"))["refusedFull"] == 1
            for task in hanging:
                task.cancel()
            await asyncio.gather(*hanging, return_exceptions=True)


async def test_a_server_that_limits_its_callers_says_when_to_come_again_and_stays_in_use(start: Start, tmp_path: Path) -> None:
    busy = Faulty()
    await start(busy)
    write_config(tmp_path / "config.json", {"it": busy.url}, resilience={"breaker": {"consecutiveFailures": 1}})
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(len(TOOLS))
        busy.fault, busy.retry_after = 429, "7"
        async with Client(server.url) as client:
            for _ in range(3):
                refused = await called(client, "it.echo")
                assert (refused["code"], refused["retry_after_s"]) == (429, 7)
            busy.fault = None
            assert await called(client, "it.echo") == {}


class Grumpy(Legacy):
    """Executes a call, then refuses it with HTTP 400 and words about a session."""

    text = ""

    async def answer(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        result = await super().answer(method, params)
        if method == "tools/call" and self.text:
            error = {"jsonrpc": "2.0", "id": None, "error": {"code": -32000, "message": self.text}}
            raise web.HTTPBadRequest(text=json.dumps(error), content_type="application/json")
        return result


@pytest.mark.parametrize(
    ("text", "executed"),
    [
        ("the session table could not be written", 1),
        ("your session plan has no seats left", 1),
        ("Bad Request: No valid session ID provided", 2),
        ("Bad Request: Mcp-Session-Id header is required", 2),
    ],
)
async def test_a_400_counts_as_a_lost_session_only_in_the_words_that_servers_use_for_one(
    start: Start, tmp_path: Path, text: str, executed: int
) -> None:
    grumpy = Grumpy()
    await start(grumpy)
    write_config(tmp_path / "config.json", {"it": grumpy.url})
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(len(TOOLS))
        grumpy.text = text
        async with Client(server.url) as client:
            assert text in (await called(client, "it.echo"))["message"]
        assert len(grumpy.calls) == executed


async def test_a_thousand_servers_are_served_by_one_process(start: Start, tmp_path: Path) -> None:
    tool = [{"name": "echo", "description": "Echo the message back.", "inputSchema": {"type": "object"}}]
    shared = await start(Modern(tool))
    write_config(tmp_path / "config.json", {f"server-{number}": shared.url for number in range(1000)})
    async with serving(tmp_path / "config.json") as server:
        await eventually(
            lambda: server.process.federation.snapshot is not None and len(server.process.federation.snapshot.tools) == 1000, 120
        )
        async with Client(server.url) as client:
            for number in (0, 499, 999):
                assert await called(client, f"server-{number}.echo") == {}
        assert len((await server.stats())["upstreams"]) == 1000
