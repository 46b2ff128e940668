"""Traces as a collector gets them: one request, its steps below it, nothing of what was said."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from mcp_optimizer.lane import JobOutcome, JobRequest, OnCall, OnOutput
from tests.integration.server.conftest import Start
from tests.integration.server.harness import Running, document, eventually, serving
from tests.integration.server.test_code import FunctionLane
from tests.integration.server.test_tasks import ask
from tests.integration.server.upstreams import TOOLS, Legacy, Modern

pytestmark = pytest.mark.integration
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-00"
SECRET = "correct horse battery staple"
JsonObject = dict[str, Any]


class Collector:
    """An OTLP/HTTP receiver of our own: takes JSON only, keeps what it is sent."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.documents: list[JsonObject] = []
        self.asked = 0
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def __aenter__(self) -> "Collector":
        application = web.Application()
        application.router.add_post("/v1/traces", self._take)
        self._runner = web.AppRunner(application)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *problem: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        assert request.content_type == "application/json"
        self.asked += 1
        if self.status == 200:
            self.documents.append(await request.json())
        return web.json_response({}, status=self.status)

    @property
    def spans(self) -> dict[str, JsonObject]:
        """By name."""
        scopes = [scope for each in self.documents for resource in each["resourceSpans"] for scope in resource["scopeSpans"]]
        return {span["name"]: span for scope in scopes for span in scope["spans"]}


class Noting(Legacy):
    """Notes the traceparent header of each tools/call."""

    seen: list[str | None]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if (await request.json())["method"] == "tools/call":
            self.seen = [*getattr(self, "seen", []), request.headers.get("traceparent")]
        return await super().handle(request)


def attributes(holder: JsonObject) -> JsonObject:
    return {each["key"]: next(iter(each["value"].values())) for each in holder["attributes"]}


def configure(path: Path, upstreams: dict[str, str], endpoint: str, percent: float = 100, mode: str = "hybrid") -> None:
    rendered = json.loads(document(upstreams, mode=mode))
    rendered["tracing"] = {"endpoint": endpoint, "samplingPercent": percent}
    path.write_text(json.dumps(rendered))


async def ready(server: Running, tools: int) -> None:
    await server.tools_ready(tools)
    await eventually(lambda: server.process.telemetry.tracer.on)


def execute(tool: str, **arguments: Any) -> JsonObject:
    return {"name": "execute", "arguments": {"tool": tool, "arguments": arguments}}


async def test_a_call_is_one_trace_from_the_client_to_the_server(start: Start, tmp_path: Path) -> None:
    good = await start(Modern())
    async with Collector() as collector:
        configure(tmp_path / "config.json", {"good": good.url}, collector.url, percent=0)
        async with serving(tmp_path / "config.json") as server:
            await ready(server, len(TOOLS))
            params = {**execute("good.echo", message=SECRET), "_meta": {}}
            await ask(server.url, "tools/call", params, traceparent=SAMPLED)
            await eventually(lambda: len(collector.spans) == 3)
            root, policy, upstream = (collector.spans[name] for name in ("tools/call execute", "policy", "tools/call echo"))
            assert (root["traceId"], root["parentSpanId"], root["kind"]) == (TRACE, PARENT, 2)
            assert policy["parentSpanId"] == upstream["parentSpanId"] == root["spanId"]
            assert (upstream["kind"], attributes(upstream)["mcp_optimizer.server"]) == (3, "good")
            assert int(root["startTimeUnixNano"]) <= int(upstream["startTimeUnixNano"]) < int(upstream["endTimeUnixNano"])
            assert good.calls[0]["_meta"]["traceparent"] == f"00-{TRACE}-{upstream['spanId']}-01"
            resource = attributes(collector.documents[0]["resourceSpans"][0]["resource"])
            assert (resource["service.name"], resource["service.instance.id"]) == ("mcp-optimizer", "pod-1")
            assert SECRET not in json.dumps(collector.documents)
            assert 'mcp_optimizer_spans_total{outcome="exported"} 3.0' in (await server.get("/metrics"))[1]


async def test_calls_of_a_job_belong_to_the_job(start: Start, tmp_path: Path) -> None:
    good = await start(Modern())

    async def body(job: JobRequest, on_call: OnCall, progress: OnOutput | None) -> JobOutcome:
        await asyncio.create_task(on_call("good.echo", {"message": SECRET}))  # type: ignore[arg-type]
        return JobOutcome(ok=True, value=SECRET, calls=1)

    async with Collector() as collector:
        configure(tmp_path / "config.json", {"good": good.url}, collector.url)
        async with serving(tmp_path / "config.json", lane=FunctionLane(body)) as server:
            await ready(server, len(TOOLS))
            await ask(server.url, "tools/call", {"name": "execute_code", "arguments": {"code": f"'{SECRET}'"}})
            await eventually(lambda: len(collector.spans) == 4)
            root, job, call = (collector.spans[name] for name in ("tools/call execute_code", "sandbox job", "tools/call echo"))
            assert "parentSpanId" not in root
            assert (job["parentSpanId"], call["parentSpanId"]) == (root["spanId"], job["spanId"])
            assert attributes(job)["mcp_optimizer.job.calls"] == "1"
            assert SECRET not in json.dumps(collector.documents)


async def test_calls_of_a_job_carry_the_clients_trace_when_nothing_is_traced_here(start: Start, tmp_path: Path) -> None:
    good = await start(Modern())

    async def body(job: JobRequest, on_call: OnCall, progress: OnOutput | None) -> JobOutcome:
        await on_call("good.echo", {})
        return JobOutcome(ok=True)

    (tmp_path / "config.json").write_text(document({"good": good.url}))
    async with serving(tmp_path / "config.json", lane=FunctionLane(body)) as server:
        await server.tools_ready(len(TOOLS))
        await ask(server.url, "tools/call", {"name": "execute_code", "arguments": {"code": "1"}}, traceparent=SAMPLED)
    assert good.calls[0]["_meta"]["traceparent"] == SAMPLED


async def test_a_failure_is_marked_by_its_code_and_nothing_it_said(start: Start, tmp_path: Path) -> None:
    good = await start(Modern())
    async with Collector() as collector:
        configure(tmp_path / "config.json", {"good": good.url}, collector.url)
        async with serving(tmp_path / "config.json") as server:
            await ready(server, len(TOOLS))
            await ask(server.url, "tools/call", execute("good.create_issue", repo=[SECRET]))
            await ask(server.url, "tools/call", {"name": SECRET, "arguments": {}})
            await eventually(lambda: len(collector.spans) == 3)
            assert collector.spans["policy"]["status"] == {"code": 2}
            assert attributes(collector.spans["policy"])["error.type"] == "400"
            assert attributes(collector.spans["tools/call unknown"])["error.type"] == "404"
            assert SECRET not in json.dumps(collector.documents)


async def test_who_is_not_sampled_is_not_traced_and_its_parent_travels_on_unchanged(start: Start, tmp_path: Path) -> None:
    new, old = await start(Modern()), Noting()
    await start(old)
    async with Collector() as collector:
        configure(tmp_path / "config.json", {"new": new.url, "old": old.url}, collector.url)
        async with serving(tmp_path / "config.json") as server:
            await ready(server, 2 * len(TOOLS))
            for name in ("new", "old"):
                await ask(server.url, "tools/call", execute(f"{name}.echo"), traceparent=UNSAMPLED)
            await ask(server.url, "tools/call", execute("new.weather"))
            await eventually(lambda: bool(collector.spans))
            assert not any(span["traceId"] == TRACE for span in collector.spans.values())
            assert [server.calls[0]["_meta"]["traceparent"] for server in (new, old)] == [UNSAMPLED, UNSAMPLED]
            assert old.seen == [UNSAMPLED]


async def test_a_traceparent_that_is_none_starts_a_new_trace(start: Start, tmp_path: Path) -> None:
    good = await start(Modern())
    async with Collector() as collector:
        configure(tmp_path / "config.json", {"good": good.url}, collector.url)
        async with serving(tmp_path / "config.json") as server:
            await ready(server, len(TOOLS))
            answer = await ask(server.url, "tools/call", execute("good.echo"), traceparent="00-zz-evil-01")
            assert answer["result"]["isError"] is False
            await eventually(lambda: len(collector.spans) == 3)
            assert "parentSpanId" not in collector.spans["tools/call execute"]


@pytest.mark.parametrize("status", [0, 503])
async def test_a_dead_collector_loses_spans_and_no_request(start: Start, tmp_path: Path, status: int) -> None:
    good = await start(Modern())
    async with Collector(status) as collector:
        configure(tmp_path / "config.json", {"good": good.url}, collector.url if status else "http://127.0.0.1:1")
        async with serving(tmp_path / "config.json") as server:
            await ready(server, len(TOOLS))
            for _ in range(3):
                assert (await ask(server.url, "tools/call", execute("good.echo")))["result"]["isError"] is False
            await eventually(lambda: server.process.telemetry.tracer.totals["failed"] >= 3)
            assert 'mcp_optimizer_spans_total{outcome="failed"}' in (await server.get("/metrics"))[1]


async def test_without_a_collector_nothing_is_traced_and_one_named_later_is_used_at_once(start: Start, tmp_path: Path) -> None:
    good = await start(Modern())
    async with Collector() as collector:
        (tmp_path / "config.json").write_text(document({"good": good.url}))
        async with serving(tmp_path / "config.json") as server:
            await server.tools_ready(len(TOOLS))
            await ask(server.url, "tools/call", execute("good.echo"))
            assert not server.process.telemetry.tracer.on
            configure(tmp_path / "config.json", {"good": good.url}, collector.url)
            await eventually(lambda: server.process.telemetry.tracer.on)
            await ask(server.url, "tools/call", execute("good.echo"))
            await eventually(lambda: len(collector.spans) == 3)
            (tmp_path / "config.json").write_text(document({"good": good.url}))
            await eventually(lambda: not server.process.telemetry.tracer.on)


async def test_spans_that_wait_are_sent_before_the_process_ends(start: Start, tmp_path: Path) -> None:
    good = await start(Modern())
    async with Collector() as collector:
        configure(tmp_path / "config.json", {"good": good.url}, collector.url)
        async with serving(tmp_path / "config.json") as server:
            await ready(server, len(TOOLS))
            await ask(server.url, "tools/call", execute("good.echo"))
        assert len(collector.spans) == 3
