"""Each stage of a request is timed, whichever way the request takes."""

from pathlib import Path
from typing import Any

import pytest

from mcp_optimizer.lane import JobOutcome, JobRequest, OnCall, OnOutput
from tests.integration.server.conftest import Start
from tests.integration.server.harness import Running, serving, write_config
from tests.integration.server.test_code import FunctionLane
from tests.integration.server.test_tasks import ask
from tests.integration.server.upstreams import TOOLS, Modern

pytestmark = pytest.mark.integration


async def counts(server: Running) -> dict[str, float]:
    lines = [line for line in (await server.get("/metrics"))[1].splitlines() if line.startswith("mcp_optimizer_stage_seconds_count")]
    return {line.split('"')[1]: float(line.split()[1]) for line in lines}


@pytest.mark.parametrize("capabilities", [{}, {"extensions": {"io.modelcontextprotocol/tasks": {}}}], ids=["fast path", "SDK"])
async def test_every_stage_of_every_call_is_counted_once(start: Start, tmp_path: Path, capabilities: dict[str, Any]) -> None:
    good = await start(Modern())
    write_config(tmp_path / "config.json", {"good": good.url})

    async def body(job: JobRequest, on_call: OnCall, progress: OnOutput | None) -> JobOutcome:
        await on_call("good.echo", {})
        return JobOutcome(ok=True)

    async with serving(tmp_path / "config.json", lane=FunctionLane(body)) as server:
        await server.tools_ready(len(TOOLS))
        for name, arguments in (
            ("discover", {"query": "weather"}),
            ("execute", {"tool": "good.echo"}),
            ("execute", {"tool": "good.create_issue", "arguments": {}}),
            ("execute_code", {"code": "1"}),
        ):
            await ask(server.url, "tools/call", {"name": name, "arguments": arguments}, capabilities)
        assert await counts(server) == {"parse": 4, "policy": 3, "search": 1, "upstream": 2, "sandbox": 1}
