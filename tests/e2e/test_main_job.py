"""The product's main job, through the interfaces a user has: kubectl and an MCP client."""

import json

import pytest
from scripts.stack import waiting
from scripts.stack.shell import get

from tests.e2e import agent

pytestmark = pytest.mark.e2e
SANDBOX = "mcp.optimizer.dev/component=sandbox"


async def test_an_agent_sees_four_tools_instead_of_hundreds(endpoint: str) -> None:
    names = sorted(tool.name for tool in await agent.tools(endpoint))
    assert names == ["discover", "execute", "execute_batch", "execute_code"]


async def test_discovery_finds_a_tool_by_what_it_does(endpoint: str) -> None:
    failed, text, _ = await agent.call(endpoint, "discover", query="list open invoices")
    assert not failed
    assert "acme.billing_list_invoices" in text


async def test_a_tool_call_reaches_the_server_and_its_result_comes_back(endpoint: str) -> None:
    failed, _, value = await agent.call(endpoint, "execute", tool="acme.billing_list_invoices", arguments={"limit": 3})
    assert not failed
    assert len(value["invoices"]) == 3


async def test_wrong_arguments_are_refused_with_the_field_that_is_wrong(endpoint: str) -> None:
    failed, text, _ = await agent.call(endpoint, "execute", tool="acme.billing_list_invoices", arguments={"limit": "many"})
    assert failed
    assert "limit" in text


async def test_an_unknown_tool_gets_the_nearest_names(endpoint: str) -> None:
    failed, text, _ = await agent.call(endpoint, "execute", tool="acme.billing_list_invoice", arguments={})
    assert failed
    assert "acme.billing_list_invoices" in text


async def test_code_runs_in_a_pod_of_its_own_that_is_replaced(endpoint: str, stack: str) -> None:
    waiting.until("two warm Pods", lambda: _warm(stack) >= 2, seconds=60)
    code = 'found = call("acme.billing_list_invoices", limit=2)\nimport socket\n{"n": len(found["invoices"]), "ip": socket.gethostbyname(socket.gethostname())}'
    failed, text, _ = await agent.run_code(endpoint, code)
    assert not failed, text
    used = json.loads(text)["result"]
    assert used["n"] == 2
    waiting.until("its Pod replaced", lambda: used["ip"] not in _addresses(stack) and _warm(stack) >= 2, seconds=30, every=0.1)


async def test_status_reports_servers_sandboxes_and_metrics(endpoint: str, stack: str) -> None:
    await agent.call(endpoint, "discover", query="calendar")

    def reported() -> bool:
        status = get("mcpo", "main", stack)["status"]
        return (
            status["totals"]["tools"] >= 150
            and status["sandboxes"]["warm"] >= 2
            and status.get("metrics", {}).get("tokensSavedPercent", 0) > 90
        )

    waiting.until("status with metrics", reported, seconds=90)
    verified = waiting.condition("mcps", "acme", "Verified", stack)
    assert verified and verified["status"] == "True", verified
    assert get("mcps", "acme", stack)["status"]["tools"]["count"] >= 150


def _addresses(namespace: str) -> set[str]:
    return {pod["status"].get("podIP", "") for pod in get("pods", namespace=namespace, selector=SANDBOX)}


def _warm(namespace: str) -> int:
    pods = get("pods", namespace=namespace, selector=SANDBOX)
    return sum(1 for pod in pods if any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", [])))
