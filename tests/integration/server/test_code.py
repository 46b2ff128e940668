"""Code runs in the lane, and its calls come back through the same door as everybody's."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from mcp_optimizer.errors import CallFailure
from mcp_optimizer.lane import JobOutcome, JobRequest, OnCall, OnOutput
from mcp_optimizer_api.config import SandboxConfig
from mcp_optimizer_api.job import JobError
from mcp_optimizer_api.stats import SandboxEvent, SandboxStats
from tests.integration.server.conftest import Start
from tests.integration.server.harness import eventually, serving, write_config
from tests.integration.server.upstreams import TOOLS, Modern

pytestmark = pytest.mark.integration
Body = Callable[[JobRequest, OnCall, OnOutput | None], Awaitable[JobOutcome]]


class FunctionLane:
    """A lane that runs a function of the test instead of code."""

    def __init__(self, body: Body) -> None:
        self.body = body
        self.configured: list[SandboxConfig] = []
        self.cancelled = False

    def configure(self, config: SandboxConfig, namespace: str, owner_uid: str) -> None:
        self.configured.append(config)

    async def run(self, job: JobRequest, on_call: OnCall, *, progress: OnOutput | None = None) -> JobOutcome:
        try:
            return await self.body(job, on_call, progress)
        except asyncio.CancelledError:
            self.cancelled = True
            raise

    def stats(self) -> SandboxStats:
        return SandboxStats()

    async def events(self) -> AsyncIterator[SandboxEvent]:
        return
        yield

    async def close(self) -> None:
        pass


def answer(result: Any) -> dict[str, Any]:
    return dict(json.loads(result.content[0].text))


async def test_calls_of_a_job_are_checked_and_answered_like_those_of_a_client(start: Start, tmp_path: Path) -> None:
    good = await start(Modern())
    write_config(tmp_path / "config.json", {"good": good.url})

    async def body(job: JobRequest, on_call: OnCall, progress: OnOutput | None) -> JobOutcome:
        outcomes = [
            await on_call("good.weather", {"city": job.params["city"]}),
            await on_call("good.echo", {"message": 1}),
            await on_call("good.fail", {}),
            await on_call("good.create_issue", {"repo": "a/b"}),
            await on_call("good.nothing", {}),
        ]
        shown = [outcome.value if outcome.ok else [outcome.error.code, outcome.error.message] for outcome in outcomes]  # type: ignore[union-attr]
        return JobOutcome(ok=True, value=shown, stdout="hello\n", calls=5, duration_ms=1.23)

    async with serving(tmp_path / "config.json", lane=FunctionLane(body)) as server:
        await server.tools_ready(len(TOOLS))
        async with Client(server.url) as client:
            result = answer(await client.call_tool("execute_code", {"code": "1", "params": {"city": "Ulm"}}))
        assert result["result"][:2] == [{"city": "Ulm", "celsius": 21}, {"tool": "echo", "message": 1}]
        assert [code for code, _ in result["result"][2:]] == [500, 400, 404]
        assert "the disk is full" in result["result"][2][1]
        assert (result["stdout"], result["calls"], result["duration_ms"]) == ("hello\n", 5, 1.2)
        assert [call["name"] for call in good.calls] == ["weather", "echo", "fail"]
        assert (await server.stats())["calls"] == 1


@pytest.mark.parametrize(("kind", "code"), [("exception", 500), ("timeout", 408), ("memory", 500), ("lost", 503), ("result_not_json", 500)])
async def test_a_job_that_fails_is_an_error_with_its_output(tmp_path: Path, kind: str, code: int) -> None:
    write_config(tmp_path / "config.json", {})

    async def body(job: JobRequest, on_call: OnCall, progress: OnOutput | None) -> JobOutcome:
        error = JobError(kind=kind, message="ValueError: no", traceback="line 1")
        return JobOutcome(ok=False, error=error, stdout="before", stderr_truncated=9)

    async with serving(tmp_path / "config.json", lane=FunctionLane(body)) as server:
        await server.tools_ready(0)
        async with Client(server.url) as client:
            result = await client.call_tool("execute_code", {"code": "x"})
    assert result.is_error
    shown = answer(result)
    assert (shown["code"], shown["stdout"], shown["stderr_truncated_bytes"], shown["traceback"]) == (code, "before", 9, "line 1")
    assert "ValueError: no" in shown["message"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "code must be Python source text"),
        ({"code": " "}, "code must be Python source text"),
        ({"code": "1", "timeout_s": 31}, "timeout_s must be at least 0.1 and at most 30, the limit of this endpoint"),
        ({"code": "1", "timeout_s": 0.001}, "timeout_s must be at least 0.1 and at most 30, the limit of this endpoint"),
        ({"code": "1", "timeout_s": "5"}, "timeout_s must be at least 0.1 and at most 30, the limit of this endpoint"),
        ({"code": "1", "params": [1]}, "params must be an object, not list"),
    ],
)
async def test_a_job_that_cannot_run_is_refused_before_it_takes_a_sandbox(tmp_path: Path, arguments: dict[str, Any], message: str) -> None:
    write_config(tmp_path / "config.json", {})

    async def body(job: JobRequest, on_call: OnCall, progress: OnOutput | None) -> JobOutcome:
        raise AssertionError("the lane was asked")

    async with serving(tmp_path / "config.json", lane=FunctionLane(body)) as server:
        await server.tools_ready(0)
        async with Client(server.url) as client:
            assert answer(await client.call_tool("execute_code", arguments)) == {"code": 400, "message": message}


async def test_a_refusal_of_the_lane_and_a_disabled_sandbox_say_why(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    write_config(config, {})

    async def body(job: JobRequest, on_call: OnCall, progress: OnOutput | None) -> JobOutcome:
        raise CallFailure(503, "no warm sandbox")

    lane = FunctionLane(body)
    async with serving(config, lane=lane) as server:
        await server.tools_ready(0)
        async with Client(server.url) as client:
            assert answer(await client.call_tool("execute_code", {"code": "1"})) == {"code": 503, "message": "no warm sandbox"}
            write_config(config, {}, sandbox={"enabled": False, "disabledReason": "RuntimeClass gvisor is missing"})
            await eventually(lambda: len(lane.configured) == 2)
            shown = answer(await client.call_tool("execute_code", {"code": "1"}))
            assert shown == {"code": 503, "message": "RuntimeClass gvisor is missing"}
        assert [settings.enabled for settings in lane.configured] == [True, False]


async def test_what_a_job_prints_is_progress_for_a_client_that_wants_it(tmp_path: Path) -> None:
    write_config(tmp_path / "config.json", {})

    async def body(job: JobRequest, on_call: OnCall, progress: OnOutput | None) -> JobOutcome:
        assert progress is not None
        for line in ("one\n", "two\n"):
            await progress("stdout", line)
        return JobOutcome(ok=True, value=1)

    async with serving(tmp_path / "config.json", lane=FunctionLane(body)) as server:
        await server.tools_ready(0)
        for era in ("legacy", "2026-07-28"):
            heard: list[str] = []

            async def hear(progress: float, total: float | None, message: str | None, heard: list[str] = heard) -> None:
                heard.append(str(message))

            async with Client(server.url, mode=era) as client:  # type: ignore[arg-type]
                await client.call_tool("execute_code", {"code": "x"}, progress_callback=hear)
            assert heard == ["one\n", "two\n"]


@pytest.mark.parametrize("era", ["legacy", "2026-07-28"])
async def test_a_client_that_leaves_ends_its_job(tmp_path: Path, era: Any) -> None:
    write_config(tmp_path / "config.json", {})
    begun = asyncio.Event()

    async def body(job: JobRequest, on_call: OnCall, progress: OnOutput | None) -> JobOutcome:
        begun.set()
        await asyncio.sleep(3600)
        raise AssertionError

    lane = FunctionLane(body)
    async with serving(tmp_path / "config.json", lane=lane) as server:
        await server.tools_ready(0)

        async def leave() -> None:
            async with Client(server.url, mode=era) as client:
                await client.call_tool("execute_code", {"code": "x"})

        task = asyncio.create_task(leave())
        await asyncio.wait_for(begun.wait(), 20)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await eventually(lambda: lane.cancelled)
