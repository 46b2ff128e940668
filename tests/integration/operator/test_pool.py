"""The sandbox pool on a real API server: filled, kept full, and quiet."""

from typing import Any

import pytest

from .harness import Cluster, Operator, optimizer, until

pytestmark = pytest.mark.integration

SANDBOX = "mcp.optimizer.dev/component=sandbox"
POOL = {"sandbox": {"pool": {"min": 3, "max": 5}}}


def pods(cluster: Cluster) -> set[str]:
    return {pod["metadata"]["uid"] for pod in cluster.list("pods", SANDBOX) if not pod["metadata"].get("deletionTimestamp")}


def sandboxes(cluster: Cluster) -> dict[str, Any]:
    found = cluster.get("mcpo", "o") or {}
    counts: dict[str, Any] = found.get("status", {}).get("sandboxes", {})
    return counts


def test_a_pool_is_filled_admitted_as_restricted_and_then_quiet(cluster: Cluster, operator: Operator) -> None:
    cluster.apply(optimizer(**POOL))
    until("three Pods", lambda: len(pods(cluster)) == 3)
    operator.settle()
    position = cluster.plane.audit_position()
    operator.stop()
    operator.start()
    operator.settle()
    assert operator.writes(position) == []
    assert len(pods(cluster)) == 3
    cluster.expect("mcpo", "o", "SandboxReady", "False", "PoolFilling")


def test_warm_pods_make_the_pool_ready_and_a_lost_one_is_replaced(cluster: Cluster, operator: Operator) -> None:
    cluster.apply(optimizer(**POOL))
    until("three Pods", lambda: len(pods(cluster)) == 3)
    cluster.play_kubelet(SANDBOX)
    cluster.expect("mcpo", "o", "SandboxReady", "True", "PoolAtTarget")
    before = pods(cluster)
    victim = cluster.list("pods", SANDBOX)[0]["metadata"]
    cluster.delete("pod", victim["name"], "--grace-period=0", "--force")
    until("a replacement", lambda: len(pods(cluster)) == 3 and pods(cluster) != before, seconds=5)


def test_each_pod_holds_the_digest_of_its_own_token_and_no_secret(cluster: Cluster, operator: Operator) -> None:
    import base64

    from mcp_optimizer_api.job import pod_token, token_digest

    cluster.apply(optimizer("a", **POOL), optimizer("b", **POOL))
    until("six Pods", lambda: len(pods(cluster)) == 6)
    secret = cluster.get("secret", "mcp-sandbox-keys")
    assert secret is not None and set(secret["data"]) == {"a", "b"}
    keys = {name: base64.b64decode(value) for name, value in secret["data"].items()}
    assert keys["a"] != keys["b"]
    for pod in cluster.list("pods", SANDBOX):
        owner = pod["metadata"]["labels"]["mcp.optimizer.dev/optimizer"]
        env = {variable["name"]: variable.get("value") for variable in pod["spec"]["containers"][0]["env"]}
        assert env["MCP_SANDBOX_TOKEN_SHA256"] == token_digest(pod_token(keys[owner], pod["metadata"]["name"]))
        assert pod["spec"]["automountServiceAccountToken"] is False
        assert not any("secret" in volume for volume in pod["spec"]["volumes"])


def test_a_second_optimizer_keeps_the_first_ones_key_and_its_end_takes_its_own_away(cluster: Cluster, operator: Operator) -> None:
    def data() -> dict[str, str]:
        found = (cluster.get("secret", "mcp-sandbox-keys") or {}).get("data", {})
        return dict(found)

    cluster.apply(optimizer("a", **POOL))
    until("the first key", lambda: set(data()) == {"a"})
    first = data()["a"]
    cluster.apply(optimizer("b", **POOL))
    until("both keys", lambda: set(data()) == {"a", "b"})
    assert data()["a"] == first
    operator.stop()
    operator.start()
    cluster.delete("mcpo", "b")
    until("one key", lambda: data() == {"a": first})


def test_switching_code_execution_off_removes_the_pods(cluster: Cluster, operator: Operator) -> None:
    cluster.apply(optimizer(**POOL))
    until("three Pods", lambda: len(pods(cluster)) == 3)
    cluster.apply(optimizer())
    until("none", lambda: pods(cluster) == set())
    cluster.expect("mcpo", "o", "SandboxReady", "False", "SandboxDisabled")
