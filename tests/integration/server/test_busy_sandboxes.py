"""A job that finds no place: the answer says when to come again, to programs as well where they can still hear it."""

import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from mcp_optimizer.errors import CallFailure
from mcp_optimizer.lane import JobOutcome, JobRequest, OnCall, OnOutput
from tests.integration.server.harness import serving, write_config
from tests.integration.server.test_code import FunctionLane

pytestmark = pytest.mark.integration
HEADERS = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-11-25"}


@pytest.mark.parametrize("fast", [True, False])
async def test_a_refused_job_says_when_to_come_again_in_the_envelope_and_in_the_header_of_a_plain_answer(
    tmp_path: Path, fast: bool
) -> None:
    clients: list[str] = []

    async def body(job: JobRequest, on_call: OnCall, progress: OnOutput | None) -> JobOutcome:
        clients.append(job.client)
        raise CallFailure(429, "50 jobs run", retry_after_s=10)

    write_config(tmp_path / "config.json", {})
    async with serving(tmp_path / "config.json", lane=FunctionLane(body), fast_path=fast) as server, aiohttp.ClientSession() as session:
        await server.tools_ready(0)
        params = {"name": "execute_code", "arguments": {"code": "1"}}
        message: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        async with session.post(server.url, json=message, headers=HEADERS) as response:
            status, headers, text = response.status, response.headers, await response.text()
    assert (status, clients) == (200, ["127.0.0.1"])
    if headers["content-type"].startswith("text/event-stream"):
        text = text.partition("data: ")[2]
    else:
        assert headers["retry-after"] == "10"
    result = json.loads(text.strip())["result"]
    assert result["isError"] is True
    assert json.loads(result["content"][0]["text"]) == {"code": 429, "message": "50 jobs run", "retry_after_s": 10}
