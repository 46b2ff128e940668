"""The operator killed, the API server restarted, resources and namespaces deleted at the worst moment."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.control_plane import CHECKOUT, ControlPlane, devcluster

from .harness import Cluster, Operator, optimizer, server, until

pytestmark = pytest.mark.integration

OWN_PLANE = ("--control-plane-only", "--name", "operator-faults")


def test_an_operator_killed_between_two_writes_converges(cluster: Cluster, tmp_path: Path) -> None:
    operator = Operator(cluster.plane, cluster.namespace, tmp_path)
    for attempt in range(4):
        operator.start()
        position = cluster.plane.audit_position()
        cluster.apply(server(f"s{attempt}"), optimizer(f"o{attempt}"))
        # One write is done, most are not.
        until("a first write", lambda: operator.writes(position))  # noqa: B023
        operator.stop(signal.SIGKILL)
    operator.start()
    try:
        until("all children", lambda: len(cluster.children()) == 4 * 3 + 4 * 9 + 1)
        operator.settle()
        position = cluster.plane.audit_position()
        operator.stop()
        operator.start()
        operator.settle()
        assert operator.writes(position) == []
    finally:
        operator.stop()


def test_deleting_resources_leaves_nothing_behind_whether_the_operator_runs_or_not(cluster: Cluster, operator: Operator) -> None:
    def left() -> int:
        return len(cluster.children()) + len(cluster.list("pods")) + len(cluster.list("replicasets"))

    for running in (True, False):
        if not operator.running:
            operator.start()
        cluster.apply(server(), optimizer())
        until("children", lambda: len(cluster.children()) == 3 + 9 + 1)
        if not running:
            operator.stop()
        cluster.delete("mcps,mcpo", "--all")
        until("nothing left", lambda: left() == 0, seconds=60)
        assert cluster.list("mcps,mcpo") == []


def test_a_resource_that_is_deleted_and_made_again_at_once_gets_fresh_children(cluster: Cluster, operator: Operator) -> None:
    cluster.apply(server())
    until("children", lambda: len(cluster.children()) == 3)
    old = {item["metadata"]["uid"] for item in cluster.list("deployments,services,networkpolicies")}
    cluster.delete("mcps", "s")
    cluster.apply(server())

    def fresh() -> bool:
        found = cluster.list("deployments,services,networkpolicies")
        return len(found) == 3 and not old & {item["metadata"]["uid"] for item in found}

    until("fresh children", fresh, seconds=60)
    owner = cluster.get("mcps", "s")
    assert owner is not None
    for item in cluster.list("deployments,services,networkpolicies"):
        assert [ref["uid"] for ref in item["metadata"]["ownerReferences"]] == [owner["metadata"]["uid"]]


def test_a_namespace_on_its_way_out_is_left_in_peace(cluster: Cluster, operator: Operator) -> None:
    cluster.apply(*(server(f"s{number}") for number in range(5)), optimizer())
    until("children", lambda: len(cluster.children()) == 5 * 3 + 9 + 1)
    operator.settle()
    cluster.plane.kubectl("delete", "namespace", cluster.namespace, "--timeout=60s")
    assert operator.running
    operator.settle()
    cluster.plane.kubectl("create", "namespace", cluster.namespace)


def test_sigterm_ends_the_process_cleanly_and_soon(cluster: Cluster, operator: Operator) -> None:
    cluster.apply(server())
    until("children", lambda: len(cluster.children()) == 3)
    started = time.monotonic()
    assert operator.stop() == 0
    assert time.monotonic() - started < 10
    assert "Traceback" not in operator.log()


@pytest.fixture
def own_plane() -> Iterator[ControlPlane]:
    """A control plane that may be broken."""
    devcluster("down", *OWN_PLANE)
    plane = ControlPlane(CHECKOUT / devcluster("up", *OWN_PLANE).splitlines()[-1])
    plane.kubectl("apply", "--server-side", "-f", str(CHECKOUT / "crds"))
    plane.kubectl("wait", "--for=condition=Established", "--timeout=180s", "-f", str(CHECKOUT / "crds"))
    plane.kubectl("create", "namespace", "faults")
    yield plane
    plane.api.close()
    devcluster("down", *OWN_PLANE)


@pytest.mark.timeout(240)
def test_an_api_server_that_dies_and_comes_back_finds_the_operator_working(own_plane: ControlPlane, tmp_path: Path) -> None:
    cluster = Cluster(own_plane, "faults")
    operator = Operator(own_plane, "faults", tmp_path).start()
    try:
        cluster.apply(server("before"), server("gone"), optimizer())
        until("children", lambda: len(cluster.children()) == 3 + 3 + 9 + 1)
        operator.settle()
        with Outage(own_plane):
            time.sleep(8)
        # What was deleted while nobody watched is noticed, too.
        cluster.delete("service", "before-mcp")
        cluster.apply(server("after"))
        until("the new server's children", lambda: "Deployment/after-mcp" in cluster.children(), seconds=90)
        until("the deleted child", lambda: "Service/before-mcp" in cluster.children(), seconds=90)
        assert operator.running
    finally:
        operator.stop()
        print(operator.log()[-3000:])  # noqa: T201


class Outage:
    """The API server killed, and started again with the same arguments on the same data."""

    def __init__(self, plane: ControlPlane) -> None:
        record = json.loads((plane.kubeconfig.parent / "pids" / "kube-apiserver").read_text())
        self._plane = plane
        self._pid = int(record["pid"])
        self._arguments: list[str] = record["command"]["argv"]

    def __enter__(self) -> None:
        # The environment carries the mark by which the development cluster finds its processes.
        self._environment = dict(
            entry.split("=", 1) for entry in Path(f"/proc/{self._pid}/environ").read_text().split("\0") if "=" in entry
        )
        os.kill(self._pid, signal.SIGKILL)

    def __exit__(self, *_: object) -> None:
        with (self._plane.kubeconfig.parent / "logs" / "kube-apiserver-again.log").open("ab") as log:
            subprocess.run(["setsid", "--fork", *self._arguments], env=self._environment, stdout=log, stderr=log, check=True)
        until("API server back", lambda: self._plane.kubectl("get", "--raw", "/readyz", check=False).returncode == 0, seconds=60)
