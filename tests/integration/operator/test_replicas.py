"""Who owns spec.replicas: the operator without an autoscaler, the autoscaler with one, and never both."""

from typing import Any

import pytest

from .harness import Cluster, Operator, optimizer, server, until

pytestmark = pytest.mark.integration

IMAGE = {"image": "example/server:1"}


def scaled(low: int = 5, high: int = 50) -> dict[str, Any]:
    return {"autoscaling": {"enabled": True, "minReplicas": low, "maxReplicas": high}}


def replicas(cluster: Cluster, name: str) -> int | None:
    found = cluster.get("deployment", name)
    return found["spec"]["replicas"] if found else None


def autoscale(cluster: Cluster, name: str, number: int) -> None:
    """What an autoscaler does."""
    cluster.plane.kubectl("scale", "deployment", name, "-n", cluster.namespace, f"--replicas={number}")


def test_the_first_number_lies_within_the_autoscalers_bounds(cluster: Cluster, operator: Operator) -> None:
    cluster.apply(optimizer("a", replicas=10, **scaled()), optimizer("b", replicas=1, **scaled()), optimizer("c", replicas=90, **scaled()))
    for name, number in (("a", 10), ("b", 5), ("c", 50)):
        until(f"{name} has {number}", lambda name=name, number=number: replicas(cluster, f"{name}-optimizer") == number)  # type: ignore[misc]


def test_a_number_the_autoscaler_chose_survives_ten_reconciliations(cluster: Cluster, operator: Operator) -> None:
    cluster.apply(optimizer(replicas=10, **scaled()))
    until("10 replicas", lambda: replicas(cluster, "o-optimizer") == 10)
    autoscale(cluster, "o-optimizer", 7)
    for number in range(10):
        # Each changes the Deployment, so each is a server-side apply and not only a look.
        cluster.apply(optimizer(replicas=10, resources={"requests": {"cpu": f"{100 + number}m"}}, **scaled()))
        until("the change applied", lambda number=number: cpu(cluster) == f"{100 + number}m")  # type: ignore[misc]
        assert replicas(cluster, "o-optimizer") == 7


def test_the_first_number_survives_a_change_before_the_autoscaler_ever_acted(cluster: Cluster, operator: Operator) -> None:
    cluster.apply(optimizer(replicas=10, **scaled()))
    until("10 replicas", lambda: replicas(cluster, "o-optimizer") == 10)
    cluster.apply(optimizer(replicas=10, resources={"requests": {"cpu": "90m"}}, **scaled()))
    until("the change applied", lambda: cpu(cluster) == "90m")
    assert replicas(cluster, "o-optimizer") == 10


def test_switching_the_autoscaler_on_keeps_the_number_and_off_takes_it_back(cluster: Cluster, operator: Operator) -> None:
    cluster.apply(server(replicas=3, **IMAGE))
    until("3 replicas", lambda: replicas(cluster, "s-mcp") == 3)
    cluster.apply(server(replicas=3, **IMAGE, **scaled(2, 9)))
    until("an autoscaler", lambda: cluster.get("hpa", "s-mcp"))
    operator.settle()
    assert replicas(cluster, "s-mcp") == 3
    autoscale(cluster, "s-mcp", 8)
    operator.settle()
    assert replicas(cluster, "s-mcp") == 8
    cluster.apply(server(replicas=4, **IMAGE))
    until("4 replicas and no autoscaler", lambda: replicas(cluster, "s-mcp") == 4 and not cluster.get("hpa", "s-mcp"))
    cluster.apply(server(replicas=4, **IMAGE, **scaled(2, 9)))
    until("an autoscaler again", lambda: cluster.get("hpa", "s-mcp"))
    operator.settle()
    assert replicas(cluster, "s-mcp") == 4


def test_without_an_autoscaler_a_manual_scale_is_taken_back_and_the_scale_subresource_works(cluster: Cluster, operator: Operator) -> None:
    cluster.apply(server(replicas=2, **IMAGE))
    until("2 replicas", lambda: replicas(cluster, "s-mcp") == 2)
    autoscale(cluster, "s-mcp", 6)
    until("2 replicas again", lambda: replicas(cluster, "s-mcp") == 2)
    cluster.plane.kubectl("scale", "mcps", "s", "-n", cluster.namespace, "--replicas=5")
    until("5 replicas", lambda: replicas(cluster, "s-mcp") == 5)


def cpu(cluster: Cluster) -> str:
    found = cluster.get("deployment", "o-optimizer")
    assert found is not None
    request: str = found["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]["cpu"]
    return request
