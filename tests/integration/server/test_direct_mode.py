"""Direct mode: everything servers offer, namespaced on the endpoint of all and unprefixed on a server's own route."""

from pathlib import Path
from typing import Any

import aiohttp
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import PromptReference, ResourceTemplateReference

from tests.integration.server.conftest import Start
from tests.integration.server.everything import Era, hosting
from tests.integration.server.harness import eventually, serving, write_config
from tests.integration.server.upstreams import Modern

pytestmark = pytest.mark.integration
TOOLS = 5


@pytest.mark.parametrize("era", ["legacy", "2026-07-28"])
@pytest.mark.parametrize("upstream", ["modern", "legacy"])
@pytest.mark.parametrize("route", ["", "/it"])
async def test_resources_prompts_and_completion_are_relayed(tmp_path: Path, upstream: Era, era: Any, route: str) -> None:
    name, uri = ("", "") if route else ("it.", "it+")
    async with hosting(upstream) as it:
        write_config(tmp_path / "config.json", {"it": it.url}, mode="mcp_only")
        async with serving(tmp_path / "config.json") as server:
            await server.tools_ready(TOOLS)
            async with Client(server.url + route, mode=era) as client:
                assert {tool.name for tool in (await client.list_tools()).tools} >= {f"{name}work", f"{name}greet"}
                assert [item.uri for item in (await client.list_resources()).resources] == [f"{uri}memo://notes/a"]
                templates = (await client.list_resource_templates()).resource_templates
                assert [item.uri_template for item in templates] == [f"{uri}memo://any/{{name}}"]
                for own, text in (("memo://notes/a", "first"), ("memo://any/x", "note x")):
                    contents = (await client.read_resource(uri + own)).contents[0]
                    assert (contents.uri, contents.text) == (uri + own, text)  # type: ignore[union-attr]
                assert [prompt.name for prompt in (await client.list_prompts()).prompts] == [f"{name}letter"]
                prompt = await client.get_prompt(f"{name}letter", {"to": "Ada"})
                assert prompt.messages[0].content.text == "Write to Ada."  # type: ignore[union-attr]
                ref = PromptReference(name=f"{name}letter")
                assert (await client.complete(ref, {"name": "to", "value": "A"})).completion.values == ["A-letter"]
                template = ResourceTemplateReference(uri=f"{uri}memo://any/{{name}}")
                assert (await client.complete(template, {"name": "name", "value": "B"})).completion.values == ["B-memo://any/{name}"]
                link: Any = (await client.call_tool(f"{name}link", {})).content[0]
                assert link.uri == f"{uri}memo://notes/a", "a link that a tool answers with must be one that this client can read"


@pytest.mark.parametrize(("era", "code"), [("legacy", -32002), ("2026-07-28", -32602)])
@pytest.mark.parametrize("upstream", ["modern", "legacy"])
async def test_a_resource_that_is_not_there_has_the_code_of_the_clients_era(tmp_path: Path, upstream: Era, era: Any, code: int) -> None:
    async with hosting(upstream) as it:
        write_config(tmp_path / "config.json", {"it": it.url}, mode="mcp_only")
        async with serving(tmp_path / "config.json") as server:
            await server.tools_ready(TOOLS)
            async with Client(server.url, mode=era) as client:
                for uri in ("it+memo://nothing", "other+memo://notes/a", "memo://notes/a"):
                    with pytest.raises(MCPError) as refused:
                        await client.read_resource(uri)
                    assert refused.value.error.code == code
                    assert refused.value.error.data == {"uri": uri}
                with pytest.raises(MCPError, match="no prompt 'letter'"):
                    await client.get_prompt("letter")


async def test_optimizer_modes_offer_tools_only_and_have_no_routes(tmp_path: Path) -> None:
    async with hosting("modern") as it:
        write_config(tmp_path / "config.json", {"it": it.url})
        async with serving(tmp_path / "config.json") as server:
            await server.tools_ready(TOOLS)
            async with Client(server.url) as client:
                assert client.server_capabilities.prompts is None
                with pytest.raises(MCPError, match="mode mcp_only"):
                    await client.list_prompts()
                # Resources are the files of jobs, which nobody lists; those of servers are not relayed.
                assert (await client.list_resources()).resources == []
                (template,) = (await client.list_resource_templates()).resource_templates
                assert template.uri_template == "artifact:///{handle}"
                with pytest.raises(MCPError, match="mode mcp_only"):
                    await client.read_resource("it+test://static-text")
            async with aiohttp.ClientSession() as session, session.post(server.url + "/it", json={}) as response:
                assert response.status == 404
                assert "is served in mode mcp_only; the mode is hybrid" in await response.text()


async def test_a_route_says_what_its_server_can_do(start: Start, tmp_path: Path) -> None:
    plain = await start(Modern())
    async with hosting("modern") as it:
        write_config(tmp_path / "config.json", {"it": it.url, "plain": plain.url}, mode="mcp_only")
        async with serving(tmp_path / "config.json") as server:
            await server.tools_ready(TOOLS + len(plain.tools))
            async with Client(server.url + "/plain") as client:
                assert client.server_capabilities.prompts is None
                assert sorted(tool.name for tool in (await client.list_tools()).tools) == sorted(tool["name"] for tool in plain.tools)
            async with Client(server.url + "/it", mode="legacy") as client:
                assert client.server_capabilities.prompts is not None and client.server_capabilities.completions is not None
            async with aiohttp.ClientSession() as session, session.post(server.url + "/other", json={}) as response:
                assert response.status == 404
                assert "no server 'other'" in await response.text()


async def test_resources_are_asked_for_when_the_mode_changes_to_direct(tmp_path: Path) -> None:
    async with hosting("modern") as it:
        write_config(tmp_path / "config.json", {"it": it.url})
        async with serving(tmp_path / "config.json") as server:
            await server.tools_ready(TOOLS)
            write_config(tmp_path / "config.json", {"it": it.url}, mode="mcp_only")

            def read() -> bool:
                snapshot = server.process.federation.snapshot
                return snapshot is not None and len(snapshot.offers["it"][1].extras.resources) == 1

            await eventually(read)
