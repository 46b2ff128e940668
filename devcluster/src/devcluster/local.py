"""A full one-node cluster of plain processes: no Docker, no virtual machine; needs root. Everything it adds to the machine lives in
a network namespace, a cgroup and two folders that carry the cluster's own name."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from devcluster import (
    addons,
    address_plan,
    boot,
    control_plane,
    debian,
    gvisor,
    images,
    leftovers,
    local_stop,
    network,
    pki,
    process,
    toolchain,
)
from devcluster import node as nodes
from devcluster.address_plan import AddressPlan
from devcluster.api_client import ApiClient
from devcluster.control_plane import Endpoint, Ports
from devcluster.errors import ClusterError
from devcluster.layout import Layout
from devcluster.network import Network
from devcluster.node import Node
from devcluster.progress import Progress
from devcluster.provider import Runner, run
from devcluster.statelock import state_lock

COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "containerd", "kubelet", "kube-proxy", "netpol")


@dataclass(frozen=True)
class Local:
    """The provider for machines without a Docker engine."""

    layout: Layout
    progress: Progress
    runner: Runner = run

    @property
    def kubeconfig(self) -> Path:
        """Path of the administrator's kubeconfig."""
        return self.layout.kubeconfig

    def up(self) -> None:
        """A Ready node with DNS; one that is Ready is left alone, anything else is swept away and built anew."""
        _require_root()
        debian.install(self.runner, self.progress, packages=debian.missing_packages(), root=True)
        toolchain.ensure(toolchain.FULL, self.progress)
        gvisor.ensure(self.progress)
        with state_lock(self.layout):
            if self._healthy():
                self.progress.step(f"cluster {self.layout.name!r} is already running")
                return
            local_stop.stop(self.layout, self.progress, self.runner)
            local_stop.sweep(self.layout, self.runner)
            self._start(self._node())

    def down(self) -> None:
        """End everything and leave nothing but the image store."""
        if not self.layout.state.exists():
            return
        _require_root()
        with state_lock(self.layout):
            local_stop.stop(self.layout, self.progress, self.runner)
            local_stop.sweep(self.layout, self.runner)
            local_stop.forget(self.layout)
        self.progress.step(f"cluster {self.layout.name!r} is gone")

    def load(self, archives: Sequence[Path]) -> None:
        """Import image archives into the node's containerd."""
        if process.recorded(self.layout, "containerd") is None:
            raise ClusterError(f"cluster {self.layout.name!r} is not running: start it with `python -m devcluster up`")
        images.import_archives(self.layout, archives, self.runner)

    def status(self) -> Mapping[str, str]:
        """Component -> state."""
        states = {name: "running" if process.recorded(self.layout, name) else "stopped" for name in COMPONENTS}
        ready = self.kubeconfig.exists() and addons.node_ready(ApiClient.from_kubeconfig(self.kubeconfig))
        return {**states, "node": "Ready" if ready else "not Ready"}

    def _node(self) -> Node:
        routes = [] if network.exists(self.layout) else network.host_routes(self.runner)
        plan = address_plan.allocate(self.layout, routes)
        return Node(self.layout, plan, network.netns_name(self.layout.ident), toolchain.bin_dir(), gvisor=gvisor.available())

    def _healthy(self) -> bool:
        if not network.exists(self.layout) or not self.kubeconfig.exists():
            return False
        if not all(process.recorded(self.layout, name) for name in COMPONENTS):
            return False
        client = ApiClient.from_kubeconfig(self.kubeconfig)
        return boot.is_ready(client) and addons.node_ready(client) and addons.resolves(self._node().plan.dns_service)

    def _start(self, node: Node) -> None:
        plan = node.plan
        self.layout.make()
        self.layout.run.mkdir(parents=True, exist_ok=True)
        network.setup(Network(self.layout.ident, plan), self.runner)
        endpoint = Endpoint(plan.node, Ports(6443, 2379, 2380), plan.services, node.netns, with_node=True)
        self._write_identities(node, endpoint)
        self._start_runtime(node)
        client = boot.start(self.layout, endpoint, node.binaries, self.progress)
        addons.apply(node.binaries / "kubectl", self.kubeconfig, addons.manifests(plan, gvisor=node.gvisor), self.runner)
        path = f"{node.binaries}:{boot.SYSTEM_PATH}"
        scheduler = control_plane.scheduler(self.layout, endpoint, node.binaries / "kube-scheduler")
        for command in (scheduler, nodes.kubelet(node), nodes.kube_proxy(node), nodes.netpol(node)):
            process.spawn(self.layout, command, path=path)
        self._await_services(client, plan)

    def _start_runtime(self, node: Node) -> None:
        leftovers.create_cgroups(self.layout)
        for file, text in nodes.files(node).items():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        self._start_containerd(node)
        if local_stop.remove_containers(self.layout, self.runner):
            # Its memory still knows what its database has just forgotten.
            process.stop(self.layout, ["containerd"])
            self._start_containerd(node)
        images.import_own(self.layout, self.runner)
        self.progress.step("containerd ready")

    def _start_containerd(self, node: Node) -> None:
        process.spawn(self.layout, nodes.containerd(node), path=f"{node.binaries}:{boot.SYSTEM_PATH}")
        boot.await_condition(
            self.layout,
            "containerd",
            lambda: self.runner(images.ctr(self.layout, "version")).returncode == 0,
            names=("containerd",),
            seconds=60,
        )

    def _write_identities(self, node: Node, endpoint: Endpoint) -> None:
        plan = node.plan
        roots = boot.write_identities(self.layout, endpoint, hosts=[plan.node, plan.api_service, plan.node_link])
        pki.issue(roots.cluster, f"system:node:{nodes.NODE}", organization="system:nodes", hosts=[plan.node]).write(
            self.layout.pki, "kubelet"
        )
        node_user = (f"system:node:{nodes.NODE}", "system:nodes")
        for name, user, group in (
            ("kubelet", *node_user),
            ("kube-proxy", "system:kube-proxy", None),
            ("netpol", "devcluster-netpol", None),
        ):
            client = pki.issue(roots.cluster, user, organization=group)
            boot.write_kubeconfig(self.layout.config / f"{name}.kubeconfig", self.layout, endpoint, roots, client)

    def _await_services(self, client: ApiClient, plan: AddressPlan) -> None:
        wait = boot.await_condition
        wait(self.layout, "the node to be Ready", lambda: addons.node_ready(client), names=("kube-proxy", "containerd", "kubelet"))
        self.progress.step("node Ready")
        wait(self.layout, "an answer of the cluster's DNS", lambda: addons.resolves(plan.dns_service), names=("kube-proxy", "kubelet"))
        self.progress.step("DNS answers")
        wait(self.layout, "the metrics API", lambda: addons.metrics_available(client), names=("kube-proxy", "kubelet"))
        self.progress.step("metrics API available")


def _require_root() -> None:
    if os.geteuid() != 0:
        raise ClusterError(
            "the local provider starts containers and a network namespace: run it as root, or use CLUSTER=kind or CLUSTER=existing"
        )
