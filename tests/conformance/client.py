"""`python -m tests.conformance.client URL`: the client under test, started by the suite once per scenario.

The client is our gateway, whole, with the scenario's server as its only upstream. An MCP client behind it asks for what the scenario
wants to see; all that reaches the scenario's server comes from the gateway. That client speaks the old era where it can, because the SDK's
modern one would itself leave out the tools that the gateway has to leave out.
"""

import asyncio
import json
import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import mcp_types as types
from mcp import Client
from mcp.shared.exceptions import MCPError

from mcp_optimizer.app import Process
from mcp_optimizer.settings import Settings
from tests.conformance.legs import UPSTREAM
from tests.conformance.processes import DEADLINE, document

MODERN_ONLY = {"sep-2322-client-request-state"}
SAMPLES: dict[str, Any] = {"string": "us-west1", "number": 1, "integer": 1, "boolean": True, "object": {}, "array": []}


def sample(schema: dict[str, Any], tools: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Arguments that fit; an argument called `schema` is another tool's, as it arrived."""
    wanted = {name: schema.get("properties", {}).get(name, {}) for name in schema.get("required", ())}
    rich = next((known for known in tools.values() if "$defs" in known), {})
    return {name: rich if name == "schema" else SAMPLES.get(part.get("type", "string"), "x") for name, part in wanted.items()}


def planned(tools: dict[str, dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """The calls that the suite asks for, else one of each tool."""
    context = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT") or "{}")
    if "toolCalls" in context:
        # Null where the schema wants something else is refused before it is sent: that argument is left out instead.
        return [
            (call["name"], {key: value for key, value in call["arguments"].items() if value is not None}) for call in context["toolCalls"]
        ]
    return [(name, sample(schema, tools)) for name, schema in tools.items()]


async def accept(context: Any, params: types.ElicitRequestParams) -> types.ElicitResult:
    """A user who agrees to everything."""
    return types.ElicitResult(action="accept", content={"confirmed": True})


async def use(url: str, era: str) -> None:
    """Everything that a server can be asked for. What fails is the suite's to judge."""
    async with Client(url, mode=era, elicitation_callback=accept) as client:  # type: ignore[arg-type]
        tools = {tool.name: tool.input_schema for tool in (await client.list_tools()).tools}
        for name, arguments in planned(tools):
            with suppress(MCPError):
                await client.call_tool(name, arguments)
        with suppress(MCPError):
            for resource in (await client.list_resources()).resources:
                await client.read_resource(str(resource.uri))
        with suppress(MCPError):
            for prompt in (await client.list_prompts()).prompts:
                await client.get_prompt(prompt.name)


async def run(url: str, era: str) -> None:
    """The gateway in this process, in front of the server at `url`, and its client."""
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        config = Path(folder) / "config.json"
        config.write_text(json.dumps(document({UPSTREAM: url}, "mcp_only")))
        process = Process(Settings(config=f"file:{config}", bind="127.0.0.1", port=0, management_port=0, drain_seconds=0))
        running = asyncio.create_task(process.run())
        try:
            async with asyncio.timeout(DEADLINE):
                while not any(stats.ready for stats in process.federation.stats()):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            await use(f"http://127.0.0.1:{process.mcp_port}/mcp/{UPSTREAM}", era)
        finally:
            process.stop.set()
            await running


def main() -> None:
    """Run one scenario."""
    scenario = os.environ.get("MCP_CONFORMANCE_SCENARIO", "")
    asyncio.run(run(sys.argv[-1], "auto" if scenario in MODERN_ONLY else "legacy"))


if __name__ == "__main__":
    main()
