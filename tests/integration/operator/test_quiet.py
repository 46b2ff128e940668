"""Nothing is written when nothing has to be: writes are counted in the API server's audit log."""

import time

import pytest

from .harness import Cluster, Operator, optimizer, server, until

pytestmark = pytest.mark.integration


def test_a_new_server_costs_its_children_and_at_most_two_statuses(cluster: Cluster, operator: Operator) -> None:
    position = cluster.plane.audit_position()
    cluster.apply(*(server(f"s{number}") for number in range(5)))
    until("children", lambda: len(cluster.children()) == 15)
    operator.settle()
    writes = operator.writes(position)
    for number in range(5):
        assert len([line for line in writes if f"s{number}" in line and "status" not in line]) == 3, writes
        assert 1 <= len([line for line in writes if "status" in line and f"s{number}" in line]) <= 2, writes


def test_a_settled_namespace_and_a_restart_cause_no_write(cluster: Cluster, operator: Operator) -> None:
    cluster.apply(*(server(f"s{number}") for number in range(3)), optimizer(autoscaling={"enabled": True}))
    cluster.expect("mcpo", "o", "ScalingActive", "False", "ScalingInactive", seconds=60)
    operator.settle()
    position = cluster.plane.audit_position()
    time.sleep(5)
    assert operator.writes(position) == []
    operator.stop()
    operator.start()
    until("everything looked at again", lambda: looked_at(operator) >= 4)
    time.sleep(3)
    assert operator.writes(position) == []


def test_pods_that_churn_while_pending_cause_no_write(cluster: Cluster, operator: Operator) -> None:
    cluster.apply(server())
    until("a Pod", lambda: cluster.list("pods", "mcp.optimizer.dev/server=s"))
    operator.settle()
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "example/server:1"'}}
    cluster.play_kubelet("mcp.optimizer.dev/server=s", **waiting)
    cluster.expect("mcps", "s", "Ready", "False", "ImagePullFailed")
    operator.settle()
    position = cluster.plane.audit_position()
    for _ in range(5):
        cluster.play_kubelet("mcp.optimizer.dev/server=s", waiting={"reason": "ErrImagePull", "message": "not found"})
        cluster.play_kubelet("mcp.optimizer.dev/server=s", **waiting)
    assert operator.writes(position) == []


def test_a_paused_resource_is_left_alone(cluster: Cluster, operator: Operator) -> None:
    cluster.apply(server(image="example/server:1", paused=True))
    cluster.expect("mcps", "s", "Paused", "True", "Paused")
    assert cluster.children() == set()
    cluster.apply(server(image="example/server:1"))
    until("children", lambda: len(cluster.children()) == 3)
    cluster.expect("mcps", "s", "Paused", "False", "NotPaused")
    cluster.apply(server(image="example/server:1", paused=True))
    cluster.expect("mcps", "s", "Paused", "True", "Paused")
    cluster.delete("service", "s-mcp")
    operator.settle()
    assert "Service/s-mcp" not in cluster.children()


def looked_at(operator: Operator) -> float:
    """Successful reconciliations of this process, from its metrics."""
    import urllib.request

    with urllib.request.urlopen(f"http://127.0.0.1:{operator.port('metrics_port')}/metrics") as answer:
        text = answer.read().decode()
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith("mcpop_reconcile_total") and "success" in line)
