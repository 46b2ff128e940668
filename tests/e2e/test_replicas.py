"""Two replicas as one endpoint: what one of them holds, the other tells; who may look at both is what the resource says."""

import asyncio
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import aiohttp
import pytest
from scripts.stack import waiting
from scripts.stack.forward import forward
from scripts.stack.shell import get, kubectl

from tests.e2e.conftest import Images, optimizer

pytestmark = pytest.mark.e2e
VERSION = "2026-07-28"
META = "io.modelcontextprotocol/"
CONNECT = (
    "import socket,sys,time\n"
    "for _ in range(int(sys.argv[2])):\n"
    "  try:\n"
    "    c=socket.create_connection((sys.argv[1],8081),2)\n"
    "    c.sendall(b'GET /metrics HTTP/1.0\\r\\n\\r\\n'); print(c.makefile('rb').read().decode()); sys.exit(0)\n"
    "  except OSError: time.sleep(1)\n"
    "sys.exit(7)\n"
)


async def ask(port: int, method: str, **params: Any) -> dict[str, Any]:
    """The JSON-RPC response that a modern client with tasks gets."""
    capabilities = {"extensions": {META + "tasks": {}}}
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": {META + "protocolVersion": VERSION}}}
    body["params"]["_meta"][META + "clientCapabilities"] = capabilities  # type: ignore[index]
    headers = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": VERSION, "Mcp-Method": method}
    headers["Mcp-Name"] = str(params.get("name", params.get("taskId", "")))
    async with aiohttp.ClientSession() as session, session.post(f"http://127.0.0.1:{port}/mcp", json=body, headers=headers) as response:
        text = await response.text()
    lines = [line.removeprefix("data:") for line in text.splitlines() if line.startswith("data:")]
    return dict(json.loads(lines[-1] if lines else text))


async def task_of(port: int, task_id: str, *, until: Callable[[str], bool]) -> dict[str, Any]:
    """The task once its status is one that is waited for; fails after a minute."""
    deadline = time.monotonic() + 60
    while not until((task := (await ask(port, "tasks/get", taskId=task_id))["result"])["status"]):
        assert time.monotonic() < deadline, task
        await asyncio.sleep(0.1)
    return task  # type: ignore[no-any-return]


def code(source: str) -> dict[str, Any]:
    return {"name": "execute_code", "arguments": {"code": source}}


@pytest.fixture(scope="module")
def pair(operator: Images, namespace: str) -> str:
    """An MCPOptimizer with two replicas, Ready."""
    document = optimizer("pair", replicas=2)
    kubectl("-n", namespace, "apply", "-f", "-", stdin=json.dumps(document))
    waiting.ready("mcpo", "pair", namespace)
    return namespace


@pytest.fixture(scope="module")
def ports(pair: str) -> Iterator[tuple[int, int]]:
    """One local port for each of the two."""
    pods = get("pods", namespace=pair, selector="mcp.optimizer.dev/component=server")
    names = sorted(pod["metadata"]["name"] for pod in pods)
    assert len(names) == 2
    with ExitStack() as open_:
        one, two = (open_.enter_context(forward(f"pod/{name}", 8080, pair)) for name in names)
        yield one, two


async def test_a_long_job_of_one_replica_is_told_and_ended_by_the_other(ports: tuple[int, int]) -> None:
    one, two = ports
    created = (await ask(one, "tools/call", **code("import time; time.sleep(3); print('done'); 6 * 7")))["result"]
    assert created["resultType"] == "task", created
    ended = await task_of(two, created["taskId"], until=lambda status: status != "working")
    assert ended["status"] == "completed"
    assert json.loads(ended["result"]["content"][0]["text"])["result"] == 42

    endless = (await ask(one, "tools/call", **code("import time; time.sleep(25)")))["result"]["taskId"]
    started = time.monotonic()
    assert (await ask(two, "tasks/cancel", taskId=endless))["result"]["resultType"] == "complete"
    assert (await task_of(two, endless, until=lambda status: status != "working"))["status"] == "cancelled"
    assert time.monotonic() - started < 20


async def test_the_rest_of_a_long_result_of_one_replica_is_read_through_the_other(ports: tuple[int, int]) -> None:
    one, two = ports
    shown = (await ask(one, "tools/call", **code("'-'.join(str(n) for n in range(20000))")))["result"]
    for _ in range(100):
        if shown.get("resultType") == "task":
            shown = (await task_of(two, shown["taskId"], until=lambda status: status != "working"))["result"]
        if "19999" in shown["content"][0]["text"]:
            return
        found = re.search(r'"cursor":"([^"]+)"', shown["content"][0]["text"][-200:])
        assert found is not None, shown["content"][0]["text"][-300:]
        shown = (await ask(two, "tools/call", name="discover", arguments={"cursor": found[1]}))["result"]
    pytest.fail("the result has no end")


def connects(operator: Images, namespace: str, name: str, address: str, attempts: int) -> tuple[str, str]:
    """What became of a Pod labelled `app=NAME` that fetched the metrics of `address`: its phase and its output."""
    container = {
        "name": "main",
        "image": operator["mcp-optimizer-server"]["ref"],
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-c", CONNECT, address, str(attempts)],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    security = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    spec = {"containers": [container], "restartPolicy": "Never", "securityContext": security, "automountServiceAccountToken": False}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}}, "spec": spec}
    kubectl("-n", namespace, "apply", "-f", "-", stdin=json.dumps(pod))
    waiting.until(f"{name} ended", lambda: get("pod", name, namespace)["status"].get("phase") in ("Succeeded", "Failed"), seconds=120)
    return get("pod", name, namespace)["status"]["phase"], kubectl("-n", namespace, "logs", name)


def test_who_scrapes_metrics_is_whom_the_resource_names(operator: Images, pair: str) -> None:
    patch = {"spec": {"networkPolicy": {"metricsFrom": [{"podSelector": {"matchLabels": {"app": "scraper"}}}]}}}
    kubectl("-n", pair, "patch", "mcpo", "pair", "--type=merge", "-p", json.dumps(patch))
    address = get("pods", namespace=pair, selector="mcp.optimizer.dev/component=server")[0]["status"]["podIP"]
    phase, output = connects(operator, pair, "scraper", address, 30)
    assert phase == "Succeeded" and 'mcp_optimizer_stage_seconds_bucket{le="5e-05",stage="parse"}' in output
    assert connects(operator, pair, "stranger", address, 3)[0] == "Failed"
