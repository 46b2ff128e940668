"""The whole operator process with a sandbox pool and a server Pod that announces claims; only the kubelet and the server are played."""

import secrets
import time
from collections.abc import Iterator
from typing import Any

import pytest

from mcp_optimizer_api.stats import UpstreamStats
from tests.integration.operator.harness import Cluster, Operator, optimizer, pod_status, server, until

from .server_pod import ServerPod, serving

pytestmark = pytest.mark.integration
SERVER = "mcp.optimizer.dev/component=server"
SANDBOX = "mcp.optimizer.dev/component=sandbox"


@pytest.fixture
def pod() -> Iterator[ServerPod]:
    """A server Pod with an address of this test's own."""
    with serving(f"127.77.{secrets.randbelow(250) + 1}.{secrets.randbelow(250) + 1}") as made:
        yield made


def sandboxes(cluster: Cluster) -> list[dict[str, Any]]:
    return [item for item in cluster.list("pods", SANDBOX) if not item["metadata"].get("deletionTimestamp")]


def grown(cluster: Cluster, count: int) -> None:
    until(f"{count} sandbox Pods", lambda: len(sandboxes(cluster)) == count)
    become_ready(cluster)


def names(cluster: Cluster) -> set[str]:
    return {item["metadata"]["name"] for item in sandboxes(cluster)}


def become_ready(cluster: Cluster) -> None:
    for item in sandboxes(cluster):
        if item["status"]["phase"] == "Pending":
            cluster.patch("pod", item["metadata"]["name"], {"status": pod_status(item)}, subresource="status")


def running(cluster: Cluster, pod: ServerPod, **pool: int) -> None:
    """An MCPOptimizer with one ready server Pod, which is `pod`, and a warm pool."""
    cluster.apply(optimizer(sandbox={"pool": pool}))
    until("a server Pod", lambda: cluster.list("pods", SERVER))
    (item,) = cluster.list("pods", SERVER)
    cluster.patch("pod", item["metadata"]["name"], {"status": {**pod_status(item), "podIP": pod.address}}, subresource="status")
    grown(cluster, pool["min"])
    cluster.expect("mcpo", "o", "SandboxReady", "True", "PoolAtTarget")
    until("somebody listens", lambda: pod.listeners)


def test_an_announced_claim_is_refilled_without_the_kubelet_and_a_job_costs_at_most_three_writes(
    cluster: Cluster, operator: Operator, pod: ServerPod
) -> None:
    running(cluster, pod, min=2, max=20)
    cluster.expect("mcpo", "o", "Ready", "True", "Ready")
    operator.settle()
    position, jobs = cluster.plane.audit_position(), 8
    for _ in range(jobs):
        taken, known = sandboxes(cluster)[0], names(cluster)
        pod.tell("claimed", taken)
        until("a replacement", lambda known=known: names(cluster) - known)
        pod.tell("finished", taken)
        until(
            "the finished Pod is gone",
            lambda taken=taken: taken["metadata"]["name"] not in names(cluster),
        )
        become_ready(cluster)
    operator.settle()
    writes = operator.writes(position)
    growth = len(sandboxes(cluster)) - 2
    assert 0 < growth < 18, "jobs in quick succession need more warm Pods"
    assert sum(write.startswith("create pods/") for write in writes) == jobs + growth
    assert sum(write.startswith("delete pods/") for write in writes) == jobs
    assert len(writes) <= 3 * jobs + growth, writes
    condition = cluster.condition("mcpo", "o", "SandboxReady")
    assert condition is not None and condition["status"] == "True"


def test_what_the_server_pods_report_reaches_the_status_and_a_restart_writes_nothing(
    cluster: Cluster, operator: Operator, pod: ServerPod
) -> None:
    pod.upstreams = [UpstreamStats(name="near", ready=True, tools=7), UpstreamStats(name="far", ready=False, error="no\x1b route")]
    cluster.apply(*(server(name, remote={"url": "http://127.0.0.1:1/mcp"}) for name in ("near", "far")))
    running(cluster, pod, min=1, max=2)

    def status() -> dict[str, Any]:
        return (cluster.get("mcpo", "o") or {}).get("status", {})

    until("totals", lambda: status().get("totals") == {"total": 2, "ready": 1, "tools": 7})
    assert [(one["name"], one["ready"], one.get("message")) for one in status()["servers"]] == [
        ("far", False, "no route"),
        ("near", True, None),
    ]
    until("metrics of an idle server", lambda: (status().get("metrics") or {}).get("callsPerSecond") == 0, seconds=60)
    operator.settle(quiet=5)
    operator.stop()
    position = cluster.plane.audit_position()
    operator.start()
    until("somebody listens", lambda: pod.listeners)
    time.sleep(8)
    assert operator.writes(position) == []

    pod.calls = 600
    metrics = until("metrics", lambda: (status().get("metrics") or {}).get("tokensServed") == 600 and status()["metrics"], seconds=60)
    assert metrics["callsPerSecond"] > 0
    assert 7.5 <= metrics["p50Ms"] <= 10
    assert (metrics["tokensBaseline"], metrics["tokensSavedPercent"], metrics["errorPercent"]) == (60_000, 99.0, 0)


def test_a_quota_is_named_in_the_condition_and_lifting_it_is_enough(cluster: Cluster, operator: Operator, pod: ServerPod) -> None:
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few"}, "spec": {"hard": {"pods": "2"}}}
    cluster.apply(quota)
    until("the quota counts", lambda: ((cluster.get("resourcequota", "few") or {}).get("status") or {}).get("hard"))
    cluster.apply(optimizer(sandbox={"pool": {"min": 3, "max": 4}}))
    cluster.expect("mcpo", "o", "SandboxReady", "False", "QuotaExceeded")
    cluster.delete("resourcequota", "few")
    grown(cluster, 3)
    cluster.expect("mcpo", "o", "SandboxReady", "True", "PoolAtTarget", seconds=60)
