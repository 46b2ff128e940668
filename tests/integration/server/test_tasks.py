"""A call that takes long becomes a task for clients that understand one: asked for, answered and cancelled through any replica."""

import asyncio
import contextlib
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from mcp_optimizer.lane import JobOutcome, JobRequest, OnCall, OnOutput
from mcp_optimizer.state.running import POLL_MS
from tests.integration.server.conftest import Start
from tests.integration.server.harness import Running, eventually, serving, write_config
from tests.integration.server.test_code import FunctionLane
from tests.integration.server.upstreams import MODERN, TOOLS, Modern

pytestmark = pytest.mark.integration
META = "io.modelcontextprotocol/"
TASKS = {"extensions": {META + "tasks": {}}, "elicitation": {}}
JsonObject = dict[str, Any]


async def ask(url: str, method: str, params: JsonObject, capabilities: JsonObject = TASKS, **headers: str) -> JsonObject:
    """What a modern client gets: `result` or `error`, and the HTTP status."""
    name = {"Mcp-Name": str(params.get("name", params.get("taskId", "")))}
    meta = {META + "protocolVersion": MODERN, META + "clientCapabilities": capabilities}
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta}}
    sent = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": MODERN, "Mcp-Method": method, **name, **headers}
    sent["Content-Type"] = "application/json"
    # Of a large body aiohttp wants a file.
    data = io.BytesIO(json.dumps(body).encode())
    async with aiohttp.ClientSession() as session, session.post(url, data=data, headers=sent) as response:
        text = await response.text()
        lines = [line.removeprefix("data:") for line in text.splitlines() if line.startswith("data:")]
        return {**json.loads(lines[-1] if lines else text), "status": response.status}


async def ended(url: str, task_id: str) -> JsonObject:
    """The task when it has ended; fails after twenty seconds."""
    async with asyncio.timeout(20):
        while True:
            task: JsonObject = (await ask(url, "tasks/get", {"taskId": task_id}))["result"]
            if task["status"] not in ("working", "input_required"):
                return task
            await asyncio.sleep(0.05)


def code(source: str = "1") -> JsonObject:
    return {"name": "execute_code", "arguments": {"code": source}}


class Gated:
    """A job that ends when told to, with what it was given."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.lane = FunctionLane(self.body)

    async def body(self, job: JobRequest, on_call: OnCall, progress: OnOutput | None) -> JobOutcome:
        await self.go.wait()
        if job.code == "raise":
            raise RuntimeError("no rule foresaw this")
        return JobOutcome(ok=True, value=job.code)


@contextlib.asynccontextmanager
async def two_replicas(folder: Path, lane: FunctionLane) -> AsyncIterator[tuple[Running, Running]]:
    (folder / "key").write_bytes(b"k" * 32)
    write_config(folder / "config.json", {})
    async with (
        serving(folder / "config.json", key_file=folder / "key", lane=lane) as one,
        serving(folder / "config.json", key_file=folder / "key") as two,
    ):
        for server in (one, two):
            await eventually(lambda server=server: server.process.federation.snapshot is not None)  # type: ignore[misc]
        yield one, two


async def test_a_long_job_becomes_a_task_that_any_replica_tells_of(tmp_path: Path) -> None:
    job = Gated()
    async with two_replicas(tmp_path, job.lane) as (one, two):
        created = (await ask(one.url, "tools/call", code("42")))["result"]
        assert (created["resultType"], created["status"], created["pollIntervalMs"]) == ("task", "working", POLL_MS)
        assert created["ttlMs"] > 0 and created["createdAt"].endswith("Z")
        for server in (one, two):
            task = (await ask(server.url, "tasks/get", {"taskId": created["taskId"]}))["result"]
            assert (task["resultType"], task["status"], task["taskId"]) == ("complete", "working", created["taskId"])
        assert "mcp_optimizer_tasks_running 1.0" in (await one.get("/metrics"))[1]
        job.go.set()
        task = await ended(two.url, created["taskId"])
        assert task["status"] == "completed"
        assert json.loads(task["result"]["content"][0]["text"])["result"] == "42"
        assert 'mcp_optimizer_tasks_total{status="completed"} 1.0' in (await one.get("/metrics"))[1]


async def test_a_call_that_ends_soon_is_answered_as_ever(start: Start, tmp_path: Path) -> None:
    good = await start(Modern())
    write_config(tmp_path / "config.json", {"good": good.url})
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(len(TOOLS))
        answer = await ask(
            server.url, "tools/call", {"name": "execute", "arguments": {"tool": "good.echo", "arguments": {"message": "hi"}}}
        )
        assert answer["result"]["resultType"] == "complete"
        refused = await ask(server.url, "tools/call", {"name": "nothing", "arguments": {}})
        assert refused["error"]["code"] == -32602


async def test_cancelling_a_task_through_another_replica_ends_its_job(tmp_path: Path) -> None:
    job = Gated()
    async with two_replicas(tmp_path, job.lane) as (one, two):
        task_id = (await ask(one.url, "tools/call", code()))["result"]["taskId"]
        for _ in range(2):
            acknowledged = (await ask(two.url, "tasks/cancel", {"taskId": task_id}))["result"]
            assert acknowledged["resultType"] == "complete" and "status" not in acknowledged
            assert (await ended(two.url, task_id))["status"] == "cancelled"
        assert job.lane.cancelled


async def test_a_client_that_does_not_declare_the_extension_waits_and_cannot_ask_for_tasks(tmp_path: Path) -> None:
    job = Gated()
    async with two_replicas(tmp_path, job.lane) as (one, _):
        waiting = asyncio.create_task(ask(one.url, "tools/call", code("1"), {}))
        task_id = (await ask(one.url, "tools/call", code("2")))["result"]["taskId"]
        job.go.set()
        assert (await waiting)["result"]["resultType"] == "complete"
        for method in ("tasks/get", "tasks/cancel", "tasks/update"):
            refused = await ask(one.url, method, {"taskId": task_id, "inputResponses": {}}, {})
            assert (refused["error"]["code"], refused["status"]) == (-32021, 400)
            assert refused["error"]["data"] == {"requiredCapabilities": {"extensions": {META + "tasks": {}}}}
        assert (await ended(one.url, task_id))["status"] == "completed"


async def test_the_server_says_that_it_has_tasks(tmp_path: Path) -> None:
    async with two_replicas(tmp_path, Gated().lane) as (one, _):
        found = (await ask(one.url, "server/discover", {}))["result"]["capabilities"]
        assert found["extensions"] == {META + "tasks": {}}
        assert (await ask(one.url, "tasks/list", {}))["error"]["code"] == -32601


async def test_an_unknown_task_and_a_header_of_another_are_refused(tmp_path: Path) -> None:
    job = Gated()
    async with two_replicas(tmp_path, job.lane) as (one, _):
        for method in ("tasks/get", "tasks/cancel", "tasks/update"):
            refused = await ask(one.url, method, {"taskId": "no-such-task", "inputResponses": {}})
            assert refused["error"]["code"] == -32602 and "no such task" in refused["error"]["message"]
        task_id = (await ask(one.url, "tools/call", code()))["result"]["taskId"]
        refused = await ask(one.url, "tasks/get", {"taskId": task_id}, **{"Mcp-Name": "another"})
        assert (refused["error"]["code"], refused["status"]) == (-32020, 400)
        job.go.set()
        await ended(one.url, task_id)


async def test_a_task_of_a_replica_that_is_gone_asks_for_the_call_to_be_run_again(tmp_path: Path) -> None:
    job = Gated()
    job.go.set()
    async with two_replicas(tmp_path, job.lane) as (_, two):
        other = Gated()
        async with serving(tmp_path / "config.json", key_file=tmp_path / "key", lane=other.lane) as third:
            await eventually(lambda: third.process.federation.snapshot is not None)
            task_id = (await ask(third.url, "tools/call", code()))["result"]["taskId"]
            other.go.set()
            await ended(two.url, task_id)
        refused = await ask(two.url, "tasks/get", {"taskId": task_id})
        assert refused["error"]["code"] == -32602 and "gone: run the call again" in refused["error"]["message"]


async def test_a_replica_that_ends_lets_its_tasks_end_and_be_fetched_through_another(tmp_path: Path) -> None:
    job = Gated()
    async with two_replicas(tmp_path, job.lane) as (one, two):
        task_id = (await ask(one.url, "tools/call", code("kept")))["result"]["taskId"]
        one.process.stop.set()
        await eventually(lambda: one.process.gate.draining)
        assert (await ask(two.url, "tasks/get", {"taskId": task_id}))["result"]["status"] == "working"
        job.go.set()
        assert (await ended(two.url, task_id))["status"] == "completed"


async def test_a_task_that_does_not_end_in_time_fails_with_the_reason(tmp_path: Path) -> None:
    async with two_replicas(tmp_path, Gated().lane) as (one, two):
        task_id = (await ask(one.url, "tools/call", code()))["result"]["taskId"]
        draining = asyncio.create_task(one.process.tasks.drain(0))
        task = await ended(two.url, task_id)
        await draining
        assert task["status"] == "failed"
        assert "shut down: run the call again" in task["error"]["message"]


async def test_a_large_result_that_comes_after_the_request_is_gone_is_taken_in(start: Start, tmp_path: Path) -> None:
    slow = await start(Modern())
    slow.delay = 0.9
    write_config(tmp_path / "config.json", {"it": slow.url}, mode="mcp_only")
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(len(TOOLS))
        created = await ask(server.url, "tools/call", {"name": "it.echo", "arguments": {"message": "x" * 1_000_000}})
        task = await ended(server.url, created["result"]["taskId"])
        assert task["status"] == "completed" and task["result"]["isError"] is False
        assert len(task["result"]["content"][0]["text"]) > 1_000_000


class Asking(Modern):
    """A server that works for a while, then asks for two things, one after the other answered in two updates, then for one more."""

    async def answer(self, method: str, params: JsonObject) -> JsonObject:
        if method != "tools/call":
            return await super().answer(method, params)
        self.calls.append(params)
        question = {"method": "elicitation/create", "params": {"message": "?", "requestedSchema": {"type": "object", "properties": {}}}}
        if "inputResponses" not in params:
            await asyncio.sleep(0.8)
            return {"resultType": "input_required", "inputRequests": {"a": question, "b": question}, "requestState": "first"}
        if params["requestState"] == "first":
            return {"resultType": "input_required", "inputRequests": {"a": question}, "requestState": "second"}
        return {"content": [{"type": "text", "text": json.dumps(params["inputResponses"])}], "isError": False}


async def test_a_task_asks_is_answered_in_parts_and_goes_on(start: Start, tmp_path: Path) -> None:
    asking = await start(Asking())
    write_config(tmp_path / "config.json", {"it": asking.url})
    async with serving(tmp_path / "config.json") as server:
        await server.tools_ready(len(TOOLS))
        call = {"name": "execute", "arguments": {"tool": "it.echo", "arguments": {}}}
        task_id = (await ask(server.url, "tools/call", call))["result"]["taskId"]

        async def asked() -> set[str]:
            async with asyncio.timeout(10):
                while True:
                    task = (await ask(server.url, "tasks/get", {"taskId": task_id}))["result"]
                    if task["status"] == "input_required":
                        return set(task["inputRequests"])
                    await asyncio.sleep(0.05)

        async def reply(**responses: Any) -> None:
            answered = await ask(server.url, "tasks/update", {"taskId": task_id, "inputResponses": responses})
            assert answered["result"]["resultType"] == "complete"

        accepted = {"action": "accept", "content": {}}
        assert await asked() == {"a", "b"}
        await reply(a=accepted, unknown=accepted)
        assert await asked() == {"b"}
        await reply(b={"action": "decline"}, a={"action": "cancel"})
        assert await asked() == {"2.a"}
        await reply(**{"2.a": accepted})
        task = await ended(server.url, task_id)
        assert task["status"] == "completed"
        assert json.loads(task["result"]["content"][0]["text"]) == {"a": accepted}
        assert asking.calls[1]["inputResponses"] == {"a": accepted, "b": {"action": "decline"}}
