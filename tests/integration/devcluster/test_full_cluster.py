"""The full local cluster on this machine: from nothing, twice, after a kill of everything, after something like a reboot, and gone
without a trace. Needs root and the built programs; runs beside any other cluster of the machine."""

import os
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from devcluster import addons, address_plan, leftovers, network, oci, process, provider
from devcluster.api_client import ApiClient
from devcluster.layout import Layout
from devcluster.local import COMPONENTS, Local
from devcluster.progress import Progress
from devcluster.toolchain import path_of

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(os.geteuid() != 0, reason="starts containers and a network namespace: needs root")]
IMAGE = "localhost/probe:1"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    """A cluster of this module's own, with the probe image on its node."""
    layout = Layout(Path(__file__).parents[3], f"etest-{uuid.uuid4().hex[:8]}")
    cluster = Local(layout, Progress(quiet=True))
    cluster.up()
    folder = tmp_path_factory.mktemp("probe")
    subprocess.run(["gcc", "-static", "-Os", "-o", str(folder / "probe"), str(Path(__file__).with_name("probe.c"))], check=True)
    oci.write(oci.Image(IMAGE, {"/probe": (folder / "probe").read_bytes()}, ("/probe",)), folder / "probe.tar")
    cluster.load([folder / "probe.tar"])
    yield cluster
    cluster.down()
    shutil.rmtree(layout.state)
    (layout.state.parent / f"{layout.name}.lock").unlink()


def kubectl(cluster: Local, *arguments: str) -> "subprocess.CompletedProcess[str]":
    argv = [str(path_of("kubectl")), f"--kubeconfig={cluster.kubeconfig}", *arguments]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def until(what: str, check: Callable[[], Any], *, seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while not (result := check()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.1)
    return result


def start(cluster: Local, name: str, **spec: Any) -> str:
    """Create a probe Pod that serves 8080 (named `web`) and 8081; returns its address when it is Ready."""
    context = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True}
    container = {
        "name": "c",
        "image": IMAGE,
        "imagePullPolicy": "Never",
        "args": ["serve", "8080", "8081"],
        "ports": [{"name": "web", "containerPort": 8080}],
        "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
        "securityContext": context,
    }
    pod_spec = {"containers": [container], "terminationGracePeriodSeconds": 1, "automountServiceAccountToken": False, **spec}
    manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}}, "spec": pod_spec}
    api, path = ApiClient.from_kubeconfig(cluster.kubeconfig), "/api/v1/namespaces/default/pods"
    until("default ServiceAccount", lambda: kubectl(cluster, "get", "serviceaccount", "default").returncode == 0)
    api.request("POST", path, manifest)
    until(f"Pod {name} Ready", lambda: addons.condition(api, f"{path}/{name}", "Ready"))
    return str(api.request("GET", f"{path}/{name}")["status"]["podIP"])


def reaches(cluster: Local, name: str, address: str, port: int) -> bool:
    return kubectl(cluster, "exec", name, "--", "/probe", "call", address, str(port)).stdout == "hello\n"


def host_reaches(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=2) as connection:
            return connection.recv(16) == b"hello\n"
    except OSError:
        return False


def kill_everything(cluster: Local) -> None:
    # The first may take others with them.
    process.send(cluster.layout, process.marked(cluster.layout), signal.SIGKILL)


def test_pods_and_services_are_reachable_from_pods_and_from_the_host(cluster: Local) -> None:
    server = start(cluster, "server")
    start(cluster, "client")
    assert kubectl(cluster, "expose", "pod", "server", "--port=80", "--target-port=8080").returncode == 0
    service = kubectl(cluster, "get", "service", "server", "-o", "jsonpath={.spec.clusterIP}").stdout
    assert reaches(cluster, "client", server, 8080) and host_reaches(server, 8080)
    until("the Service", lambda: reaches(cluster, "client", service, 80) and host_reaches(service, 80))
    dns = address_plan.allocate(cluster.layout, []).dns_service
    until("its name", lambda: addons.resolves(dns, "server.default.svc.cluster.local"))
    assert not addons.resolves(dns, "example.com")


def test_ingress_policy_by_label_and_named_port(cluster: Local) -> None:
    server = kubectl(cluster, "get", "pod", "server", "-o", "jsonpath={.status.podIP}").stdout
    start(cluster, "stranger")
    allow = {"from": [{"podSelector": {"matchLabels": {"app": "client"}}}], "ports": [{"port": "web"}]}
    policy(cluster, {"podSelector": {"matchLabels": {"app": "server"}}, "policyTypes": ["Ingress"], "ingress": [allow]})
    until("the policy", lambda: not reaches(cluster, "stranger", server, 8080))
    assert reaches(cluster, "client", server, 8080) and not reaches(cluster, "client", server, 8081)
    assert host_reaches(server, 8080)
    assert addons.condition(ApiClient.from_kubeconfig(cluster.kubeconfig), "/api/v1/namespaces/default/pods/server", "Ready")
    assert kubectl(cluster, "delete", "networkpolicy", "p").returncode == 0
    until("its end", lambda: reaches(cluster, "stranger", server, 8080))


def test_an_egress_policy_also_closes_the_way_to_the_node_and_the_host(cluster: Local) -> None:
    server = kubectl(cluster, "get", "pod", "server", "-o", "jsonpath={.status.podIP}").stdout
    plan = address_plan.allocate(cluster.layout, [])

    def connects(address: str, port: int) -> bool:
        return "connect:" not in kubectl(cluster, "exec", "client", "--", "/probe", "call", address, str(port)).stderr

    with socket.create_server((plan.host_link, 0)) as listener:
        port = listener.getsockname()[1]
        assert connects(plan.node, 6443) and connects(plan.host_link, port)
        policy(cluster, {"podSelector": {"matchLabels": {"app": "client"}}, "policyTypes": ["Egress"], "egress": []})
        until("the policy", lambda: not reaches(cluster, "client", server, 8080))
        assert not connects(plan.node, 6443) and not connects(plan.host_link, port) and not connects(plan.api_service, 443)
    assert kubectl(cluster, "delete", "networkpolicy", "p").returncode == 0


def policy(cluster: Local, spec: dict[str, Any]) -> None:
    manifest = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "p"}, "spec": spec}
    ApiClient.from_kubeconfig(cluster.kubeconfig).apply("/apis/networking.k8s.io/v1/namespaces/default/networkpolicies/p", manifest)


def test_a_gvisor_pod_runs_on_a_kernel_of_its_own(cluster: Local) -> None:
    if kubectl(cluster, "get", "runtimeclass", "gvisor").returncode:
        pytest.skip("gVisor could not be built on this machine")
    address = start(cluster, "sandboxed", runtimeClassName="gvisor")
    assert host_reaches(address, 8080)


def test_metrics_of_the_node_are_served(cluster: Local) -> None:
    until("kubectl top", lambda: "devcluster" in kubectl(cluster, "top", "node").stdout)


def test_a_second_up_changes_nothing(cluster: Local) -> None:
    before = {name: process.recorded(cluster.layout, name) for name in COMPONENTS}
    cluster.up()
    assert {name: process.recorded(cluster.layout, name) for name in COMPONENTS} == before and all(before.values())


def test_up_after_a_kill_of_everything_runs_pods_again(cluster: Local) -> None:
    kill_everything(cluster)
    cluster.up()
    assert host_reaches(start(cluster, "after-kill"), 8080)
    assert kubectl(cluster, "get", "pod", "server").returncode == 1


def test_up_with_one_component_missing_runs_pods_again(cluster: Local) -> None:
    process.stop(cluster.layout, ["kubelet"], signum=signal.SIGKILL)
    cluster.up()
    assert host_reaches(start(cluster, "after-loss"), 8080)


def test_up_after_something_like_a_reboot_runs_pods_again(cluster: Local) -> None:
    layout = cluster.layout
    kill_everything(cluster)
    leftovers.kill_pods(layout)
    leftovers.unmount(layout, provider.run)
    leftovers.remove_cgroups(layout)
    network.teardown(layout, provider.run)
    shutil.rmtree(layout.run)
    for record in layout.pids.iterdir():
        record.write_text(record.read_text().replace('"pid": ', '"pid": 1, "old": '))  # pids belong to others after a reboot
    cluster.up()
    assert host_reaches(start(cluster, "after-reboot"), 8080)


def test_down_leaves_nothing_of_ours(cluster: Local) -> None:
    layout = cluster.layout
    pods = leftovers.members(leftovers.cgroup_folders(layout))
    assert pods
    cluster.down()
    assert process.marked(layout) == [] and [pid for pid in pods if process.start_time(pid) is not None] == []
    assert list(leftovers.cgroup_folders(layout)) == [] and not layout.run.exists()
    assert leftovers.mounts_below((layout.state, layout.run), Path("/proc/self/mountinfo").read_text()) == []
    assert not network.exists(layout) and network.host_interface(layout.ident) not in os.listdir("/sys/class/net")
    assert network.netns_name(layout.ident) not in os.listdir("/run/netns")
    assert {path.name for path in layout.state.iterdir()} == {"containerd"}  # the image store: the next start needs no import
