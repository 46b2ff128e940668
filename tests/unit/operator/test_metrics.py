"""The operator's metrics and endpoints."""

import re
from pathlib import Path

import aiohttp
from tests.unit.operator.objects import optimizer, server

from mcp_operator.metrics import Metrics
from mcp_operator.web import Endpoints

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "metrics-operator.md"
ROW = re.compile(r"^\| `(mcpop_\w+)` \| (\w+) \| ([^|]*)\|", re.MULTILINE)


def test_the_documented_table_is_what_the_code_offers() -> None:
    documented = {name: (kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels in ROW.findall(PAGE.read_text())}
    offered = {}
    for collector in vars(Metrics(version="1")).values():
        for family in collector.describe() if hasattr(collector, "_labelnames") else ():
            name = family.name + ("_total" if family.type == "counter" else "")
            offered[name] = (family.type, tuple(collector._labelnames))
    assert offered and documented == offered


def test_resources_are_counted_by_their_ready_condition() -> None:
    metrics = Metrics(version="1")
    ready = {**server("a"), "status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    broken = {**server("b"), "status": {"conditions": [{"type": "Ready", "status": "False"}]}}
    metrics.count_managed([ready, broken, optimizer()])
    metrics.count_managed([ready, broken, server("c")])

    def value(kind: str, state: str) -> float | None:
        return metrics.registry.get_sample_value("mcpop_managed", {"kind": kind, "state": state})

    assert [value("MCPServer", state) for state in ("ready", "not_ready", "unknown")] == [1, 1, 1]
    assert value("MCPOptimizer", "unknown") == 0


def test_the_age_of_the_last_event_grows_until_the_next() -> None:
    metrics, now = Metrics(version="1"), [100.0]
    metrics.saw_event("Pod", clock=lambda: now[0])
    now[0] = 130.0
    assert metrics.registry.get_sample_value("mcpop_watch_last_event_age_seconds", {"kind": "Pod"}) == 30.0


async def test_the_endpoints_answer_and_the_probe_tells_a_problem() -> None:
    metrics, problems, counted = Metrics(version="1.2"), list[str](), list[int]()
    endpoints = Endpoints(metrics.registry, count=lambda: counted.append(1), problem=lambda: problems[0] if problems else None)
    await endpoints.start(metrics_port=0, health_port=0)
    try:
        async with aiohttp.ClientSession() as http:
            async with http.get(f"http://127.0.0.1:{endpoints.ports[0]}/metrics") as answer:
                assert 'mcpop_build_info{version="1.2"} 1.0' in await answer.text()
            async with http.get(f"http://127.0.0.1:{endpoints.ports[1]}/healthz") as answer:
                assert (answer.status, await answer.text()) == (200, "ok")
            problems.append("stuck")
            async with http.get(f"http://127.0.0.1:{endpoints.ports[1]}/healthz") as answer:
                assert (answer.status, await answer.text()) == (503, "stuck")
    finally:
        await endpoints.stop()
    assert counted == [1]
