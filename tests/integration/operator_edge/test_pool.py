"""The sandbox pool against a real API server: Pod Security, quotas, garbage collection and the audit log are real, the kubelet is played."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from kubernetes.aio import config as kube_config
from kubernetes.aio.client import Configuration
from kubernetes.client import CoreV1Api

from mcp_operator.cache import Cache
from mcp_operator.client import Client
from mcp_operator.clock import rfc3339
from mcp_operator.context import PoolReport
from mcp_operator.kinds import POD, Manifest, key_of
from mcp_operator.metrics import Metrics
from mcp_operator.pool_runner import PoolRunner
from mcp_operator.resource import Optimizer, optimizer
from mcp_operator.settings import Settings
from mcp_optimizer_api.stats import SandboxEvent
from mcp_optimizer_api.status import Reason
from tests.integration.control_plane import ControlPlane

pytestmark = pytest.mark.integration
USER_AGENT = "mcp-operator/edge-test"


@dataclass
class Rig:
    """A pool runner with a cache that is as fresh as the test wants it."""

    plane: ControlPlane
    namespace: str
    client: Client
    cache: Cache = field(default_factory=Cache)

    def __post_init__(self) -> None:
        settings = Settings(namespace=self.namespace, pod_name="p", server_image="server:1", sandbox_image="sandbox:1")
        self.offset = 0.0
        self.frozen: float | None = None
        self.runner = PoolRunner(
            self.client, self.cache, settings, lambda: self.frozen or time.time() + self.offset, Metrics(version="test")
        )

    def optimizer(self, low: int, high: int, **sandbox: Any) -> Optimizer:
        spec = {"sandbox": {"pool": {"min": low, "max": high}, **sandbox}}
        manifest = {"apiVersion": "mcp.optimizer.dev/v1", "kind": "MCPOptimizer", "metadata": {"name": "team"}, "spec": spec}
        return optimizer(self.plane.create(self.namespace, manifest))

    async def look(self, opt: Optimizer) -> PoolReport:
        return await self.runner.reconcile(opt, bytes(32))

    async def pods(self) -> list[Manifest]:
        return [pod async for pod in self.client.list(POD, self.namespace)]

    async def sync(self) -> None:
        pods = await self.pods()
        names = {pod["metadata"]["name"] for pod in pods}
        for gone in [pod for pod in self.cache.select("Pod", self.namespace) if pod["metadata"]["name"] not in names]:
            self.cache.remove(key_of(gone))
        for pod in pods:
            self.cache.put(pod)

    async def becomes(self, pod: Manifest, phase: str, *, ready: bool = False) -> None:
        name, key = pod["metadata"]["name"], "running" if phase == "Running" else "terminated"
        now = time.time()
        started = rfc3339(now - 5)
        state = {"startedAt": started} if key == "running" else {"startedAt": started, "exitCode": 0}
        status = {
            "phase": phase,
            "conditions": [{"type": "Ready", "status": str(ready), "lastTransitionTime": rfc3339(now)}],
            "containerStatuses": [
                {"name": "sandbox", "image": "i", "imageID": "", "ready": ready, "restartCount": 0, "state": {key: state}}
            ],
        }
        core = CoreV1Api(self.plane.api)
        await asyncio.to_thread(core.patch_namespaced_pod_status, name, self.namespace, {"status": status})

    async def all_ready(self) -> None:
        for pod in await self.pods():
            if (pod.get("status") or {}).get("phase") == "Pending":
                await self.becomes(pod, "Running", ready=True)

    async def settled(self, opt: Optimizer, *, passes: int = 6) -> PoolReport:
        for _ in range(passes):
            await self.sync()
            await self.look(opt)
            await self.all_ready()
        await self.sync()
        return await self.look(opt)

    def ours(self, since: int) -> list[str]:
        return [event["verb"] for event in self.plane.writes(since=since, user_agent=USER_AGENT, namespace=self.namespace)]


@pytest.fixture
async def rig(control_plane: ControlPlane, namespace: str) -> AsyncIterator[Rig]:
    configuration = Configuration()
    await kube_config.load_kube_config(config_file=str(control_plane.kubeconfig), client_configuration=configuration)
    client = Client(configuration, Metrics(version="test"), version="edge-test")
    # Pods are refused until the namespace's ServiceAccount is there.
    control_plane.eventually(lambda: control_plane.kubectl("get", "sa", "default", "-n", namespace, check=False).returncode == 0)
    yield Rig(control_plane, namespace, client)
    await client.close()


async def test_a_pool_reaches_its_minimum_in_a_restricted_namespace_and_then_writes_nothing(rig: Rig) -> None:
    opt = rig.optimizer(4, 8)
    report = await rig.settled(opt)
    assert (report.counts.warm, len(await rig.pods())) == (4, 4)
    position = rig.plane.audit_position()
    for _ in range(3):
        await rig.sync()
        await rig.look(opt)
    restarted = Rig(rig.plane, rig.namespace, rig.client)
    await restarted.sync()
    assert (await restarted.look(opt)).counts.warm == 4
    assert rig.ours(position) == []


async def test_a_stale_cache_never_makes_the_pool_larger_than_its_maximum(rig: Rig) -> None:
    opt = rig.optimizer(3, 6)
    await rig.settled(opt)
    position, peak, jobs = rig.plane.audit_position(), 0, 0
    for number in range(40):
        warm = [pod for pod in await rig.pods() if _ready(pod)]
        for pod in warm[:2]:
            jobs += 1
            event = {"pod": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]}
            await rig.becomes(pod, "Running", ready=False)
            rig.runner.announce(opt.key, SandboxEvent.model_validate({"type": "claimed", **event}))
        await rig.look(opt)
        for pod in warm[:2]:
            await rig.becomes(pod, "Succeeded")
        await rig.look(opt)
        peak = max(peak, sum(pod["status"]["phase"] not in ("Succeeded", "Failed") for pod in await rig.pods()))
        if number % 4 == 3:
            await rig.all_ready()
            await rig.sync()
    report = await rig.settled(opt)
    assert jobs >= 20
    assert peak <= 6
    assert (report.counts.warm, len(await rig.pods())) == (3, 3)
    writes = rig.ours(position)
    assert (writes.count("create"), writes.count("delete")) == (jobs, jobs)


async def test_a_finished_pod_is_replaced_with_two_writes(rig: Rig) -> None:
    opt = rig.optimizer(2, 4)
    await rig.settled(opt)
    position = rig.plane.audit_position()
    await rig.becomes((await rig.pods())[0], "Succeeded")
    report = await rig.settled(opt)
    assert (report.counts.warm, len(await rig.pods())) == (2, 2)
    assert sorted(rig.ours(position)) == ["create", "delete"]


async def test_a_quota_holds_the_pool_with_a_reason_and_lifting_it_lets_the_pool_recover(rig: Rig) -> None:
    def quota(pods: int) -> None:
        body = f'{{"apiVersion":"v1","kind":"ResourceQuota","metadata":{{"name":"few"}},"spec":{{"hard":{{"pods":"{pods}"}}}}}}'
        rig.plane.kubectl("apply", "-n", rig.namespace, "-f", "-", stdin=body)
        path = "jsonpath={.status.hard.pods}"
        rig.plane.eventually(lambda: rig.plane.kubectl("get", "resourcequota", "few", "-n", rig.namespace, "-o", path).stdout == str(pods))

    quota(2)
    opt = rig.optimizer(5, 8)
    rig.frozen = time.time()
    report = await rig.look(opt)
    assert len(await rig.pods()) == 2
    assert (report.verdict.reason, report.verdict.ready) == (Reason.QUOTA_EXCEEDED, False)
    assert "few" in report.verdict.message and "sandbox-" not in report.verdict.message
    assert report.requeue_after is not None
    position = rig.plane.audit_position()
    await rig.look(opt)
    assert rig.ours(position) == []
    quota(10)
    rig.frozen, rig.offset = None, 3.0  # the first hold takes two seconds
    report = await rig.settled(opt)
    assert (report.counts.warm, report.verdict.reason) == (5, Reason.POOL_AT_TARGET)


async def test_a_missing_runtime_class_is_named_and_no_pod_runs_without_it(rig: Rig) -> None:
    report = await rig.look(rig.optimizer(2, 4, runtimeClassName="no-such-class"))
    assert (report.verdict.reason, report.verdict.ready) == (Reason.RUNTIME_CLASS_NOT_FOUND, False)
    assert "no-such-class" in report.verdict.message
    assert await rig.pods() == []


async def test_a_changed_template_replaces_warm_pods_while_others_serve(rig: Rig) -> None:
    opt = rig.optimizer(3, 6)
    await rig.settled(opt)
    old = {pod["metadata"]["uid"] for pod in await rig.pods()}
    patched = rig.plane.kubectl(
        "patch", "mcpoptimizer", "team", "-n", rig.namespace, "--type", "merge", "-p", '{"spec":{"sandbox":{"timeoutSeconds":60}}}'
    )
    assert patched.returncode == 0
    changed = optimizer(rig.plane.get(rig.namespace, "MCPOptimizer", "team"))
    lowest = 3
    for _ in range(12):
        await rig.sync()
        await rig.look(changed)
        lowest = min(lowest, sum(_ready(pod) for pod in await rig.pods()))
        await rig.all_ready()
    assert lowest == 3
    now = await rig.pods()
    assert len(now) == 3
    assert not old & {pod["metadata"]["uid"] for pod in now}


async def test_the_pods_go_with_their_optimizer(rig: Rig) -> None:
    await rig.settled(rig.optimizer(2, 4))
    rig.plane.kubectl("delete", "mcpoptimizer", "team", "-n", rig.namespace)
    rig.plane.eventually(lambda: not rig.plane.kubectl("get", "pods", "-n", rig.namespace, "-o", "name").stdout)


def _ready(pod: Manifest) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
