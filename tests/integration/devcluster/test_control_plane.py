"""The control plane that integration tests stand on: it must come up from any state, count writes, and survive its own restarts."""

import json
import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devcluster import boot, process
from devcluster.api_client import ApiClient, ApiError
from devcluster.control_plane_only import ControlPlaneOnly
from devcluster.layout import Layout
from devcluster.progress import Progress

pytestmark = pytest.mark.integration
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


@pytest.fixture(scope="module")
def cluster() -> Iterator[ControlPlaneOnly]:
    """A control plane of this module's own, next to any other one of this checkout."""
    layout = Layout(Path(__file__).parents[3], f"itest-{uuid.uuid4().hex[:8]}")
    cluster = ControlPlaneOnly(layout, Progress(quiet=True))
    cluster.up()
    yield cluster
    cluster.down()
    layout.state.rmdir()
    (layout.state.parent / f"{layout.name}.lock").unlink()


def client(cluster: ControlPlaneOnly) -> ApiClient:
    return ApiClient.from_kubeconfig(cluster.kubeconfig)


def config_map(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "1"}}


def pids(cluster: ControlPlaneOnly) -> dict[str, int | None]:
    return {name: process.recorded(cluster.layout, name) for name in process.recorded_names(cluster.layout)}


def audited(cluster: ControlPlaneOnly, name: str) -> list[str]:
    """Verbs of the audited requests for one object."""
    events = [json.loads(line) for line in cluster.layout.audit_log.read_text().splitlines()]
    return [event["verb"] for event in events if event["objectRef"].get("name") == name and event["objectRef"]["resource"] == "configmaps"]


def test_a_second_up_leaves_a_running_control_plane_alone(cluster: ControlPlaneOnly) -> None:
    before = pids(cluster)
    cluster.up()
    assert pids(cluster) == before and all(before.values())


def test_writes_are_in_the_audit_log_when_their_answer_arrives_and_reads_never_are(cluster: ControlPlaneOnly) -> None:
    api = client(cluster)
    api.request("POST", CONFIG_MAPS, config_map("counted"))
    assert audited(cluster, "counted") == ["create"]
    api.request("GET", f"{CONFIG_MAPS}/counted")
    api.apply(f"{CONFIG_MAPS}/counted", {**config_map("counted"), "data": {"a": "2"}})
    api.request("DELETE", f"{CONFIG_MAPS}/counted")
    assert audited(cluster, "counted") == ["create", "patch", "delete"]
    lines = [json.loads(line) for line in cluster.layout.audit_log.read_text().splitlines()]
    assert all(line["userAgent"] for line in lines) and any(line["userAgent"] == "devcluster" for line in lines)


@pytest.mark.parametrize("component", ["kube-apiserver", "etcd", "kube-controller-manager"])
def test_a_restarted_component_keeps_the_data(cluster: ControlPlaneOnly, component: str) -> None:
    api = client(cluster)
    api.request("POST", CONFIG_MAPS, config_map(f"kept-{component}"))
    before = process.recorded(cluster.layout, component)
    boot.restart(cluster.layout, component)
    assert process.recorded(cluster.layout, component) not in (None, before)
    assert api.request("GET", f"{CONFIG_MAPS}/kept-{component}")["data"] == {"a": "1"}


def test_pod_security_and_cel_are_enforced(cluster: ControlPlaneOnly) -> None:
    api = client(cluster)
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    api.apply("/api/v1/namespaces/strict", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "strict", "labels": labels}})
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    api.apply("/api/v1/namespaces/strict/serviceaccounts/default", account)
    spec = {"containers": [{"name": "c", "image": "x", "securityContext": {"privileged": True}}]}
    with pytest.raises(ApiError, match="violates PodSecurity"):
        api.request("POST", "/api/v1/namespaces/strict/pods", {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec})


def test_up_after_a_kill_of_everything_gives_a_fresh_control_plane(cluster: ControlPlaneOnly) -> None:
    client(cluster).request("POST", CONFIG_MAPS, config_map("lost"))
    running = pids(cluster).values()
    assert None not in running
    process.send(cluster.layout, process.marked(cluster.layout), signal.SIGKILL)
    cluster.up()
    api = client(cluster)
    with pytest.raises(ApiError, match="404"):
        api.request("GET", f"{CONFIG_MAPS}/lost")
    assert set(cluster.status().values()) == {"running"}


def test_up_over_records_of_strangers_touches_no_stranger(cluster: ControlPlaneOnly) -> None:
    cluster.down()
    cluster.layout.make()
    for name in ("etcd", "kube-apiserver", "kube-controller-manager"):
        (cluster.layout.pids / name).write_text(json.dumps({"pid": os.getpid()}))  # our own test process would not survive a mistake
    cluster.up()
    assert boot.is_ready(client(cluster))


def test_down_leaves_no_process_and_no_secret(cluster: ControlPlaneOnly) -> None:
    cluster.down()
    assert process.marked(cluster.layout) == []
    assert list(cluster.layout.state.iterdir()) == []
    assert set(cluster.status().values()) == {"stopped"}
    cluster.up()
