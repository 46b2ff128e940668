"""An API server in memory for the pool runner: it can refuse, fail, and forget to tell the cache."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from mcp_operator.cache import Cache
from mcp_operator.clock import rfc3339
from mcp_operator.context import PoolReport
from mcp_operator.desired.child import Owner
from mcp_operator.errors import TerminalError, TransientError
from mcp_operator.kinds import MCP_OPTIMIZER, Kind, Manifest, key_of
from mcp_operator.metrics import Metrics
from mcp_operator.pool_memory import CALM_SECONDS
from mcp_operator.pool_runner import PoolRunner
from mcp_operator.resource import Optimizer, optimizer
from mcp_operator.settings import Settings

SETTINGS = Settings(namespace="mcp-system", pod_name="p", server_image="server", sandbox_image="sandbox")
QUOTA = 'create /api/v1/namespaces/apps/pods: 403 pods "{}" is forbidden: exceeded quota: few'


def resource(**spec: Any) -> Optimizer:
    metadata = {"name": "team", "namespace": "apps", "uid": "owner", "creationTimestamp": rfc3339(0)}
    return optimizer({"kind": MCP_OPTIMIZER.kind, "metadata": metadata, "spec": spec})


def pool(low: int, high: int, **more: Any) -> Optimizer:
    return resource(sandbox={"pool": {"min": low, "max": high}}, **more)


@dataclass
class Cluster:
    """Stands for the client, and for time."""

    now: float = 1000.0
    pods: dict[str, Manifest] = field(default_factory=dict)
    version: int = 0
    quota: int = 1000
    created: int = 0
    refused: int = 0
    lists: int = 0
    deleted: list[str] = field(default_factory=list)
    lose_answers: bool = False
    down: bool = False
    owner: Manifest | None = None
    """The MCPOptimizer, as the API server has it."""

    def __post_init__(self) -> None:
        self.cache = Cache()
        self.metrics = Metrics(version="test")
        self.claimed: set[str] = set()
        self.told: list[str] = []
        self.restart()

    def restart(self) -> None:
        """An operator that remembers nothing."""

        def tell(owner: Owner, reason: str, note: str, *, action: str, warning: bool = False) -> None:
            self.told.append(reason)

        # What the create answers would put into the cache is withheld where a test wants a stale one.
        self.runner = PoolRunner(self, self.cache, SETTINGS, lambda: self.now, self.metrics, tell=tell)  # type: ignore[arg-type]

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:
        if self.down:
            raise TransientError("down")
        name = manifest["metadata"]["name"]
        if len(self.pods) >= self.quota:
            self.refused += 1
            raise TerminalError(QUOTA.format(name))
        self.created += 1
        self.pods[name] = self.stamped(
            {**manifest, "metadata": {**manifest["metadata"], "uid": f"uid-{name}", "creationTimestamp": rfc3339(self.now)}}
        )
        for _ in range(10):
            await asyncio.sleep(0)  # a refusal, which takes less work, overtakes it
        if self.lose_answers:
            raise TransientError("timed out")
        return self.pods[name]

    async def delete(self, kind: Kind, namespace: str, name: str, *, uid: str, grace_seconds: int | None = None) -> bool:
        if self.down:
            raise TransientError("down")
        self.deleted.append(name)
        found = self.pods.get(name)
        if found is None or found["metadata"]["uid"] != uid:
            return False
        del self.pods[name]
        return True

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        return self.owner

    async def list(self, kind: Kind, namespace: str | None) -> Any:
        if self.down:
            raise TransientError("down")
        self.lists += 1
        for pod in list(self.pods.values()):
            yield pod

    def stamped(self, pod: Manifest) -> Manifest:
        self.version += 1
        return {**pod, "metadata": {**pod["metadata"], "resourceVersion": str(self.version)}}

    def becomes(self, name: str, phase: str, *, ready: bool = False, told: bool = True, code: int = 1) -> None:
        """What the kubelet would write: a change of readiness is a second younger than the container."""
        started = rfc3339(self.now - 1)
        condition = {
            "type": "Ready",
            "status": "True" if ready else "False",
            "lastTransitionTime": rfc3339(self.now if ready else self.now - 1),
        }
        key = "running" if phase == "Running" else "terminated"
        status = {
            "phase": phase,
            "conditions": [condition],
            "containerStatuses": [{"state": {key: {"startedAt": started, "exitCode": code}}}],
        }
        self.pods[name] = self.stamped({**self.pods[name], "status": status})
        if told:
            self.cache.put(self.pods[name])

    def all_warm(self) -> None:
        for name in self.pods:
            self.becomes(name, "Running", ready=True)

    def sync(self) -> None:
        """The watch catches up."""
        for obj in [obj for obj in self.cache.select("Pod", "apps") if obj["metadata"]["name"] not in self.pods]:
            self.cache.remove(key_of(obj))
        for pod in self.pods.values():
            self.cache.put(pod)

    async def look(self, opt: Optimizer) -> PoolReport:
        return await self.runner.reconcile(opt, bytes(32))

    async def look_in_time(self, opt: Optimizer) -> PoolReport:
        """And again when the first look asked for it, because jobs have just begun."""
        report = await self.look(opt)
        if report.requeue_after is not None and report.requeue_after <= CALM_SECONDS:
            self.now += report.requeue_after
            report = await self.look(opt)
        return report
