"""Tools beside the meta-tools, tools that nobody may see, and calls that are nearly right."""

import json
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError

from mcp_optimizer.lane import JobOutcome, JobRequest, OnCall, OnOutput
from tests.integration.server.conftest import Start
from tests.integration.server.harness import Running, serving, write_config
from tests.integration.server.test_code import FunctionLane
from tests.integration.server.upstreams import TOOLS, Modern

pytestmark = pytest.mark.integration


def text(result: Any) -> str:
    return str(result.content[0].text)


async def names(client: Client) -> list[str]:
    return [tool.name for tool in (await client.list_tools()).tools]


@pytest.mark.parametrize("mode", ["hybrid", "code_execution"])
async def test_pinned_tools_are_listed_in_full_and_called_by_name(start: Start, tmp_path: Path, mode: str) -> None:
    modern = await start(Modern())
    write_config(tmp_path / "config.json", {"it": modern.url}, mode=mode, tools={"pinned": ["it.weather", "it.gone", "it.weather"]})
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(len(TOOLS))
        async with Client(server.url) as client:
            listed = (await client.list_tools()).tools
            assert listed[0].name == "discover"
            assert listed[-1].name == "it.weather"
            assert listed[-1].input_schema == TOOLS[3]["inputSchema"]
            assert [tool.name for tool in listed].count("it.weather") == 1
            result = await client.call_tool("it.weather", {"city": "Ulm"})
            assert result.structured_content == json.loads(text(result)) == {"city": "Ulm", "celsius": 21}
            assert (await client.call_tool("it.weather", {"city": 3})).is_error
        assert (await server.stats())["unknownPins"] == ["it.gone"]


async def test_excluded_tools_exist_for_nobody(start: Start, tmp_path: Path) -> None:
    modern, other = await start(Modern()), await start(Modern())
    hidden = {"exclude": ["it.create_*", "it.fail", "other.*"], "pinned": ["it.fail"]}
    write_config(tmp_path / "config.json", {"it": modern.url, "other": other.url}, tools=hidden)
    outcomes: list[Any] = []

    async def body(job: JobRequest, on_call: OnCall, progress: OnOutput | None) -> JobOutcome:
        outcomes.append(await on_call("it.create_issue", {"repo": "a", "title": "b"}))
        return JobOutcome(ok=True)

    async with serving(tmp_path / "config.json", lane=FunctionLane(body)) as server:
        await server.tools_ready(2)
        async with Client(server.url) as client:

            async def said(name: str, /, **arguments: Any) -> str:
                return text(await client.call_tool(name, arguments))

            assert "it.fail" not in await names(client)
            assert [line.split("(")[0] for line in (await said("discover", ids=["it"])).splitlines()] == ["it.echo", "it.weather"]
            assert "create_issue" not in await said("discover", query="create an issue in a repository")
            servers = await said("discover")
            assert servers.startswith("it (2 tools, ") and "other" not in servers
            for wrong in ("it.create_issue", "it.create_issu", "other.echo", "it.fail"):
                answer = json.loads(await said("execute", tool=wrong, arguments={"repo": "a", "title": "b"}))
                assert answer["code"] == 404
                assert "create_issue," not in answer["message"] and "other." not in answer["message"].split(":", 1)[1]
            assert json.loads(await said("execute_batch", calls=[{"tool": "it.fail"}]))["code"] == 404
            await said("execute_code", code="1")
            assert outcomes[0].error.code == 404
            with pytest.raises(MCPError, match="unknown tool"):
                await client.call_tool("it.fail", {})
        assert [upstream["tools"] for upstream in (await server.stats())["upstreams"]] == [2, 0]
    assert modern.calls == other.calls == []


async def test_excluded_tools_are_not_there_in_direct_mode_either(start: Start, tmp_path: Path) -> None:
    modern = await start(Modern())
    write_config(tmp_path / "config.json", {"it": modern.url}, mode="mcp_only", tools={"exclude": ["*.fail", "it.*e*i*e"]})
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(2)
        for url, shown in ((server.url, ["it.echo", "it.weather"]), (server.url + "/it", ["echo", "weather"])):
            async with Client(url) as client:
                assert await names(client) == shown
                with pytest.raises(MCPError, match="unknown tool"):
                    await client.call_tool(shown[0].replace("echo", "fail"), {})
    assert modern.calls == []


async def counted(server: Running) -> dict[tuple[str, str, str], float]:
    """Fall-backs so far."""
    found = {}
    for line in (await server.get("/metrics"))[1].splitlines():
        if line.startswith("mcp_optimizer_fallbacks_total{"):
            labels = dict(part.split("=") for part in line[line.index("{") + 1 : line.index("}")].replace('"', "").split(","))
            found[labels["from"], labels["to"], labels["reason"]] = float(line.split()[-1])
    return found


async def test_what_can_mean_only_one_thing_is_taken_for_it_and_counted(start: Start, tmp_path: Path) -> None:
    modern, other = await start(Modern()), await start(Modern(TOOLS[:2]))
    write_config(tmp_path / "config.json", {"it": modern.url, "other": other.url})

    async def body(job: JobRequest, on_call: OnCall, progress: OnOutput | None) -> JobOutcome:
        return JobOutcome(ok=True, value=(await on_call("it.Weather", {"city": "code"})).value)

    async with serving(tmp_path / "config.json", lane=FunctionLane(body)) as server:
        await server.tools_ready(len(TOOLS) + 2)
        async with Client(server.url) as client:

            async def city(name: str, /, **arguments: Any) -> Any:
                return json.loads(text(await client.call_tool(name, arguments))).get("city")

            assert await city("it.weather", city="a") == "a"
            assert await city("it__weather", city="b") == "b"
            for number, spelt in enumerate(("it/weather", "IT:Weather", "mcp__it__weather", "weather")):
                assert await city("execute", tool=spelt, arguments={"city": str(number)}) == str(number)
            assert await city("execute", tool="it.weather", city="flat") == "flat"
            assert await city("execute", tool="it.weather", arguments='{"city": "text"}') == "text"
            hits = await client.call_tool("execute", {"tool": "discover", "arguments": {"query": "weather"}})
            assert text(hits).startswith("it.weather(")
            batch = await client.call_tool("execute_batch", {"calls": [{"tool": "it-weather", "id": "x", "city": "in a batch"}]})
            assert json.loads(text(batch))["results"][0]["result"]["city"] == "in a batch"
            assert json.loads(text(await client.call_tool("execute_code", {"code": "1"})))["result"]["city"] == "code"
            too_deep = '{"city":' + "[" * 200 + "]" * 200 + "}"
            assert json.loads(text(await client.call_tool("execute", {"tool": "it.weather", "arguments": too_deep})))["code"] == 400
            for ambiguous in ("echo", "create_issue", ""):
                assert json.loads(text(await client.call_tool("execute", {"tool": ambiguous})))["code"] == 404
        assert await counted(server) == {
            ("direct", "execute", "tool_id"): 2,
            ("unknown_id", "tool", "separators"): 6,
            ("unknown_id", "tool", "bare_name"): 1,
            ("arguments", "object", "flat"): 2,
            ("arguments", "object", "json_text"): 1,
            ("execute", "meta_tool", "meta_tool_id"): 1,
        }
    assert len(modern.calls) == 10 and other.calls == []


async def test_direct_mode_takes_names_as_they_are(start: Start, tmp_path: Path) -> None:
    modern = await start(Modern())
    write_config(tmp_path / "config.json", {"it": modern.url}, mode="mcp_only")
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(len(TOOLS))
        async with Client(server.url) as client:
            with pytest.raises(MCPError, match="unknown tool"):
                await client.call_tool("it__weather", {"city": "x"})
    assert modern.calls == []
