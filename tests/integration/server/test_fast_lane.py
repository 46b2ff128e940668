"""Jobs without a Pod in a real server process: the same door for their calls, and an answer that says where they ran."""

import json
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from tests.integration.server.conftest import Start
from tests.integration.server.harness import serving, write_config
from tests.integration.server.upstreams import TOOLS, Modern

pytestmark = pytest.mark.integration
CODE = """
import asyncio
async def one(tool, arguments):
    try:
        return await acall(tool, **arguments)
    except ToolError as e:
        return str(e)
calls = [("good.weather", {"city": params["city"]}), ("good.echo", {"message": 1}), ("good.fail", {}), ("good.create_issue", {"repo": "a/b"})]
await asyncio.gather(*[one(tool, arguments) for tool, arguments in [*calls, ("good.hidden", {}), ("good.nothing", {})]])
"""


def answer(result: Any) -> dict[str, Any]:
    return dict(json.loads(result.content[0].text))


async def test_calls_of_a_job_without_a_pod_go_through_the_policy_of_every_call(start: Start, tmp_path: Path) -> None:
    good = await start(Modern())
    sandbox = {"enabled": True, "fastLane": {"timeoutSeconds": 20}}
    write_config(tmp_path / "config.json", {"good": good.url}, sandbox=sandbox)
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(len(TOOLS))
        async with Client(server.url) as client:
            shown = answer(await client.call_tool("execute_code", {"code": CODE, "params": {"city": "Ulm"}}))
            pod = answer(await client.call_tool("execute_code", {"code": "1", "lane": "pod"}))
        stats = await server.stats()
    assert shown["lane"] == "fast", shown
    assert shown["result"][:2] == [{"city": "Ulm", "celsius": 21}, {"tool": "echo", "message": 1}]
    assert [text.rpartition("(code ")[2] for text in shown["result"][2:]] == ["500)", "400)", "404)", "404)"]
    assert (shown["calls"], [call["name"] for call in good.calls]) == (6, ["weather", "echo", "fail"])
    assert pod == {"code": 503, "message": "this endpoint has no sandboxes: it runs outside a cluster"}
    assert (stats["sandbox"]["fastJobs"], stats["sandbox"]["fastStarts"], stats["sandbox"]["jobs"]) == (1, 1, 0)
