"""What only real Pods can show of a job: nothing is written for it, it sees an empty house, and gVisor is another kernel."""

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scripts.stack import install, waiting
from scripts.stack.forward import forward
from scripts.stack.shell import get, kubeconfig, kubectl

from tests.e2e import agent
from tests.e2e.conftest import Images, optimizer

pytestmark = pytest.mark.e2e
WRITES = {"create", "update", "patch", "delete", "deletecollection"}
HOUSE = """
import os
facts = {
    "environment": sorted(os.environ),
    "processes": sorted(int(name) for name in os.listdir("/proc") if name.isdigit()),
    "token": os.path.exists("/var/run/secrets/kubernetes.io"),
    "root": [],
    "capabilities": [line.split()[1] for line in open("/proc/self/status") if line.startswith("CapEff")],
}
for path in ("/proc/1/environ", "/proc/1/mem"):
    facts[path] = os.access(path, os.R_OK)
for folder in ("/", "/opt", "/etc"):
    try:
        open(f"{folder}/x", "w")
        facts["root"].append(folder)
    except OSError:
        pass
facts
"""


async def test_a_job_costs_the_server_no_write_at_all(endpoint: str, stack: str) -> None:
    log = Path(kubeconfig()).parent / "audit.log"
    if not log.exists():
        pytest.skip("this cluster keeps no audit log where we can read it")
    offset = log.stat().st_size
    for number in range(5):
        failed, text, _ = await agent.run_code(endpoint, "params['n'] * 2", n=number)
        assert not failed, text
    with log.open("rb") as file:
        file.seek(offset)
        events = [json.loads(line) for line in file]
    users = [event["user"]["username"] for event in events if event["verb"] in WRITES]
    assert users, "the operator's refill must be in the log, or it is the wrong log"
    assert f"system:serviceaccount:{stack}:main-optimizer" not in users


async def test_a_pod_costs_at_most_eight_writes_from_its_creation_to_its_end(endpoint: str, stack: str) -> None:
    log = Path(kubeconfig()).parent / "audit.log"
    if not log.exists():
        pytest.skip("this cluster keeps no audit log where we can read it")
    spent: set[str] = set()
    for number in range(5):
        before = _sandboxes(stack)
        failed, text, _ = await agent.run_code(endpoint, "params['n'] * 2", n=number)
        assert not failed, text
        waiting.until("the job's Pod is gone", lambda before=before: before - _sandboxes(stack), seconds=30)  # type: ignore[misc]
        spent |= before - _sandboxes(stack)
        waiting.until("the pool is full again", lambda: get("mcpo", "main", stack)["status"]["sandboxes"]["warm"] >= 2, seconds=60)
    with log.open("rb") as file:
        places = [event["objectRef"] for event in map(json.loads, file) if event["verb"] in WRITES and event.get("objectRef")]
    writes = sorted(sum(place["resource"] == "pods" and place.get("name") == name for place in places) for name in spent)
    # The median: a kubelet that is late with its word makes the operator stop waiting for it.
    assert 0 < writes[len(writes) // 2] <= 8, writes


def _sandboxes(namespace: str) -> set[str]:
    return {pod["metadata"]["name"] for pod in get("pods", namespace=namespace, selector="mcp.optimizer.dev/component=sandbox")}


async def test_a_job_finds_nothing_of_value_in_its_pod(endpoint: str) -> None:
    failed, text, _ = await agent.run_code(endpoint, HOUSE)
    assert not failed, text
    facts = json.loads(text)["result"]
    assert facts["environment"] == ["HOME", "LANG", "PATH", "TMPDIR"]
    assert len(facts["processes"]) == 2
    assert facts["token"] is False
    assert facts["root"] == []
    assert facts["capabilities"] == ["0000000000000000"]
    assert (facts["/proc/1/environ"], facts["/proc/1/mem"]) == (False, False)


def test_the_condition_tells_that_egress_is_stopped(stack: str) -> None:
    found = waiting.condition("mcpo", "main", "EgressEnforced", stack)
    assert found is not None
    assert (found["status"], found["reason"]) == ("True", "EgressDenied")


def kernel_of(name: str, namespace: str) -> str:
    """What the probe job found, once it did."""

    def verified() -> str | None:
        found = waiting.condition("mcpo", name, "IsolationVerified", namespace)
        return found["message"] if found is not None and found["status"] == "True" else None

    return waiting.until("IsolationVerified", verified, seconds=90).partition("Its kernel: ")[2]


def test_the_condition_names_the_kernel_that_a_probe_job_met(stack: str) -> None:
    assert kernel_of("main", stack).startswith("Linux version ")


def test_a_pod_that_no_policy_isolates_takes_no_job_and_ends_with_the_code_that_says_why(operator: Images, namespace: str) -> None:
    """What every sandbox does on a cluster whose network plugin enforces nothing."""
    container = {
        "name": "sandbox",
        "image": operator["mcp-sandbox"]["ref"],
        "env": [{"name": "MCP_SANDBOX_TOKEN_SHA256", "value": "0" * 64}, {"name": "MCP_SANDBOX_EGRESS_SECONDS", "value": "2"}],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": "work", "mountPath": "/work"}],
    }
    security = {"runAsNonRoot": True, "runAsUser": 20000, "seccompProfile": {"type": "RuntimeDefault"}}
    spec = {"restartPolicy": "Never", "automountServiceAccountToken": False, "securityContext": security, "containers": [container]}
    volumes = [{"name": "work", "emptyDir": {"medium": "Memory"}}]
    install.apply([{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "open"}, "spec": {**spec, "volumes": volumes}}], namespace)
    waiting.until("the Pod has ended", lambda: get("pod", "open", namespace)["status"]["phase"] == "Failed", seconds=60)
    (state,) = [status["state"]["terminated"] for status in get("pod", "open", namespace)["status"]["containerStatuses"]]
    assert state["exitCode"] == 7
    kubectl("-n", namespace, "delete", "pod", "open", "--wait=false")


async def test_a_recorded_job_with_files_ends_in_another_pod_to_the_same_bytes(endpoint: str, stack: str) -> None:
    kubectl("-n", stack, "patch", "mcpo", "main", "--type=merge", "-p", '{"spec": {"recording": {"enabled": true}}}')
    code = "import random\n(artifacts / 'a').write_text((files / 'n').read_text() + str(random.random()))\nlist({'a', 'b', 'c', 'd', 'e'})"
    async with asyncio.timeout(60):
        while True:
            first = (await agent.call(endpoint, "execute_code", code=code, files={"n": "7"}))[2]
            if "recording" in first:
                break
    again = (await agent.call(endpoint, "execute_code", replay=first["recording"]))[2]
    assert again["replay"] == {"identical": True}, again
    assert again["artifacts"][0]["sha256"] == first["artifacts"][0]["sha256"]
    assert again["artifacts"][0]["bytes"] > 10


async def test_a_full_disk_is_an_error_of_the_job(endpoint: str) -> None:
    code = "data = b'x' * 1_000_000\nwith open('big', 'wb') as file:\n    for _ in range(200): file.write(data)"
    failed, text, _ = await agent.run_code(endpoint, code)
    assert failed
    assert "No space left on device" in text


async def test_a_job_under_gvisor_meets_another_kernel(make: Callable[..., dict[str, Any]], namespace: str) -> None:
    if "gvisor" not in kubectl("get", "runtimeclass", "-o", "name"):
        pytest.skip("this cluster has no RuntimeClass gvisor")
    make(optimizer("walled", sandbox={"runtimeClassName": "gvisor", "pool": {"min": 2, "max": 3}}))
    waiting.ready("mcpo", "walled", namespace)
    waiting.until("a warm sandbox", lambda: get("mcpo", "walled", namespace)["status"]["sandboxes"]["warm"] >= 1, seconds=60)
    with forward("svc/walled-optimizer", 80, namespace) as port:
        url = f"http://127.0.0.1:{port}/mcp"
        failed, text, _ = await agent.run_code(url, "import os\nos.uname().release")
        assert not failed, text
        assert json.loads(text)["result"] != os.uname().release
        assert kernel_of("walled", namespace) == "gVisor."
        failed, text, _ = await agent.call(
            url, "execute_code", code="import os\nwhile True:\n  try: os.fork()\n  except OSError: pass", timeout_s=5
        )
        assert failed
        assert any(word in text for word in ("memory", "processes", "timeout")), text
