"""Claims against a real API server: its Pods (without a node, their status is written here), our client with the server's rights, real agents."""

import asyncio
import base64
import json
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml
from kubernetes import client as kubernetes_client

from mcp_optimizer.kube import KubeClient
from mcp_optimizer.lane import CallOutcome, JobOutcome, JobRequest
from mcp_optimizer.sandbox import PodLane
from mcp_optimizer_api.config import SandboxConfig
from mcp_optimizer_api.job import pod_token, token_digest
from tests.agent_process import POOL_KEY, AgentProcess, start_agent
from tests.integration.control_plane import ControlPlane

pytestmark = pytest.mark.integration
SELECTOR = {"mcp.optimizer.dev/component": "sandbox", "mcp.optimizer.dev/optimizer": "x"}
RIGHTS: list[dict[str, Any]] = [
    {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "x-optimizer"}},
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "x-optimizer"},
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}],
    },
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "x-optimizer"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "x-optimizer"},
        "subjects": [{"kind": "ServiceAccount", "name": "x-optimizer"}],
    },
]


def pod(name: str, port: int, owner_uid: str) -> dict[str, Any]:
    """A Pod that Pod Security `restricted` admits."""
    owner = {"apiVersion": "mcp.optimizer.dev/v1", "kind": "MCPOptimizer", "name": "x", "uid": owner_uid, "controller": True}
    container = {
        "name": "sandbox",
        "image": "localhost/none",
        "env": [{"name": "MCP_SANDBOX_TOKEN_SHA256", "value": token_digest(pod_token(POOL_KEY, name))}],
        "ports": [{"name": "job", "containerPort": port}],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    security = {"runAsNonRoot": True, "runAsUser": 20001, "seccompProfile": {"type": "RuntimeDefault"}}
    metadata = {"name": name, "labels": SELECTOR, "ownerReferences": [owner]}
    spec = {"containers": [container], "securityContext": security, "automountServiceAccountToken": False, "restartPolicy": "Never"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


class Kubelet:
    """Plays the node: starts an agent for a Pod and reports its readiness."""

    def __init__(self, plane: ControlPlane, namespace: str, folder: Path, owner_uid: str) -> None:
        self._core = kubernetes_client.CoreV1Api(plane.api)
        self._namespace = namespace
        self._folder = folder
        self._owner_uid = owner_uid
        self.agents: dict[str, AgentProcess] = {}

    def run(self, name: str) -> AgentProcess:
        """A Pod that is Ready."""
        agent = self.agents[name] = start_agent(self._folder, name)
        self._core.create_namespaced_pod(self._namespace, pod(name, agent.port, self._owner_uid))
        self._report(name, "True")
        return agent

    def _report(self, name: str, ready: str) -> None:
        status = {
            "phase": "Running",
            "podIP": "127.0.0.1",
            "podIPs": [{"ip": "127.0.0.1"}],
            "conditions": [{"type": "Ready", "status": ready}],
        }
        self._core.patch_namespaced_pod_status(name, self._namespace, {"status": status})

    def remove(self, name: str) -> None:
        """Kill the agent, delete the Pod."""
        self.agents[name].kill()
        self._core.delete_namespaced_pod(name, self._namespace, grace_period_seconds=0)


@pytest.fixture
def owner_uid(control_plane: ControlPlane, namespace: str) -> str:
    """UID of a real MCPOptimizer: Pods of an owner that does not exist are garbage-collected."""
    manifest = {"apiVersion": "mcp.optimizer.dev/v1", "kind": "MCPOptimizer", "metadata": {"name": "x"}}
    made = control_plane.kubectl("create", "-n", namespace, "-f", "-", "-o", "jsonpath={.metadata.uid}", stdin=json.dumps(manifest))
    return made.stdout


@pytest.fixture
def kubelet(bare_control_plane: ControlPlane, namespace: str, tmp_path: Path, owner_uid: str) -> Iterator[Kubelet]:
    """The node."""
    node = Kubelet(bare_control_plane, namespace, tmp_path, owner_uid)
    yield node
    for agent in node.agents.values():
        agent.kill()


@pytest_asyncio.fixture
async def lane(bare_control_plane: ControlPlane, namespace: str, tmp_path: Path, owner_uid: str) -> AsyncIterator[PodLane]:
    """A lane with the rights of the server's own service account."""
    for manifest in RIGHTS:
        subjects = [{**subject, "namespace": namespace} for subject in manifest.get("subjects", [])]
        text = json.dumps(manifest | ({"subjects": subjects} if subjects else {}))
        await asyncio.to_thread(bare_control_plane.kubectl, "apply", "-n", namespace, "-f", "-", stdin=text)
    (tmp_path / "token").write_text(bare_control_plane.kubectl("create", "token", "x-optimizer", "-n", namespace).stdout)
    (tmp_path / "key").write_bytes(POOL_KEY)
    cluster = yaml.safe_load(bare_control_plane.kubeconfig.read_text())["clusters"][0]["cluster"]
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode() if "certificate-authority-data" in cluster else None
    tls = ssl.create_default_context(cafile=None if authority else cluster["certificate-authority"], cadata=authority)
    kube = KubeClient(cluster["server"], tls, tmp_path / "token")
    lane = PodLane(kube, tmp_path / "key")
    selector = "mcp.optimizer.dev/component in (sandbox,server),mcp.optimizer.dev/optimizer=x"
    lane.configure(SandboxConfig(enabled=True, pod_selector=selector, queue_seconds=30), namespace, owner_uid)
    yield lane
    await lane.close()
    await kube.close()


async def run(lane: PodLane, code: str) -> JobOutcome:
    """A job whose tools echo."""

    async def on_call(tool: str, arguments: dict[str, Any]) -> CallOutcome:
        return CallOutcome(ok=True, value=[tool, arguments])

    return await lane.run(JobRequest(code=code), on_call)


async def eventually(holds: Callable[[], object]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def test_jobs_take_pods_as_the_api_server_shows_them_and_write_nothing(
    lane: PodLane, kubelet: Kubelet, bare_control_plane: ControlPlane, namespace: str
) -> None:
    for name in ("a", "b"):
        await asyncio.to_thread(kubelet.run, name)
    await eventually(lambda: lane.stats().warm_seen == 2)
    before = bare_control_plane.audit_position()
    first, second = await asyncio.gather(run(lane, "call('s.t', x=1)"), run(lane, "6*7"))
    assert (first.value, second.value) == (["s.t", {"x": 1}], 42)
    waiting = asyncio.create_task(run(lane, "'late'"))
    await asyncio.sleep(0)
    written = [event["objectRef"]["name"] for event in bare_control_plane.writes(since=before, namespace=namespace)]
    assert written == []
    await asyncio.to_thread(kubelet.run, "c")
    assert (await waiting).value == "late"


async def test_a_pod_deleted_in_mid_job_is_lost_with_its_reason(lane: PodLane, kubelet: Kubelet) -> None:
    await asyncio.to_thread(kubelet.run, "a")
    job = asyncio.create_task(run(lane, "import time\ntime.sleep(600)"))
    await eventually(lambda: lane.stats().busy == 1)
    await asyncio.to_thread(kubelet.remove, "a")
    outcome = await job
    assert outcome.error is not None
    assert outcome.error.kind == "lost"
    assert "Pod a: deleted" in outcome.error.message
