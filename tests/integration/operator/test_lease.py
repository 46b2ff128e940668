"""Two operators: one works, the other waits and takes over."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from .harness import Cluster, Operator, server, until

pytestmark = pytest.mark.integration


@pytest.fixture
def two(cluster: Cluster, tmp_path: Path) -> Iterator[list[Operator]]:
    """Two operators with leader election; the first one leads."""
    made = [Operator(cluster.plane, cluster.namespace, tmp_path, LEADER_ELECTION="true", POD_NAME=f"pod-{n}") for n in range(2)]
    made[0].start()
    made[1].start(ready="Waiting for the Lease")
    yield made
    for operator in made:
        if operator.running:
            operator.send(signal.SIGCONT)
            operator.stop(signal.SIGKILL)


def holder(cluster: Cluster) -> str:
    found = cluster.get("lease", "mcp-operator")
    return str(((found or {}).get("spec") or {}).get("holderIdentity", ""))


def test_only_the_leader_watches_and_the_standby_is_healthy(cluster: Cluster, two: list[Operator]) -> None:
    cluster.apply(server())
    until("children", lambda: len(cluster.children()) == 3)
    assert holder(cluster).startswith("pod-0")
    assert not two[1].says("Listed what exists")
    assert two[1].running
    import urllib.request

    with urllib.request.urlopen(f"http://127.0.0.1:{two[1].port('health_port')}/healthz") as answer:
        assert answer.status == 200


def test_a_leader_that_stops_hands_over_within_seconds(cluster: Cluster, two: list[Operator]) -> None:
    assert two[0].stop() == 0
    until("the standby leads", lambda: two[1].says("Listed what exists"), seconds=8)
    assert holder(cluster).startswith("pod-1")
    cluster.apply(server())
    until("children", lambda: len(cluster.children()) == 3)


@pytest.mark.timeout(120)
def test_a_leader_that_freezes_is_replaced_and_ends_when_it_thaws(cluster: Cluster, two: list[Operator]) -> None:
    two[0].send(signal.SIGSTOP)
    until("the standby leads", lambda: two[1].says("Listed what exists"), seconds=40)
    two[0].send(signal.SIGCONT)
    until("the former leader ended", lambda: not two[0].running, seconds=20)
    assert two[0].says("Lost the Lease")
    cluster.apply(server())
    until("children", lambda: len(cluster.children()) == 3)


def test_sigterm_ends_a_standby(two: list[Operator]) -> None:
    assert two[1].stop() == 0
    assert two[0].running
