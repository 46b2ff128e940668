"""A pool runner against a real API server, with a cache that is as fresh as the test wants it and a kubelet that the test plays."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

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
from tests.integration.control_plane import ControlPlane

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


def is_ready(pod: Manifest) -> bool:
    """By its Ready condition."""
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
