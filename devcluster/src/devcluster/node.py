"""The node's configuration as pure functions: containerd, CNI, kubelet, kube-proxy. Every value that is not a default says why."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devcluster.address_plan import AddressPlan
from devcluster.layout import Layout
from devcluster.network import UPLINK
from devcluster.process import Command

NODE = "devcluster"
PAUSE = "localhost/pause:1"
CNI_BIN = ("/opt/cni/bin", "/usr/lib/cni")
DNS_DOMAIN = "cluster.local"


@dataclass(frozen=True)
class Node:
    """Where the node's parts keep their things."""

    layout: Layout
    plan: AddressPlan
    netns: str
    binaries: Path
    gvisor: bool

    @property
    def kubelet_root(self) -> Path:
        """Volumes and Pod directories."""
        return self.layout.state / "kubelet"

    @property
    def containerd_root(self) -> Path:
        """The image store: kept from one cluster to the next."""
        return self.layout.state / "containerd"

    @property
    def cgroup(self) -> str:
        """Parent of all Pods' cgroups: two clusters must not share `kubepods`."""
        return cgroup_name(self.layout)


def cgroup_name(layout: Layout) -> str:
    """Name of the cgroup that holds all Pods of the cluster."""
    return f"mcpdev-{layout.ident}"


CONTAINERD = """\
version = 3
root = "{root}"
state = "{run}/containerd"
disabled_plugins = ["io.containerd.nri.v1.nri"]
oom_score = 0

[grpc]
address = "{socket}"

[ttrpc]
address = "{socket}.ttrpc"

[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = "{pause}"

[plugins.'io.containerd.cri.v1.runtime']
restrict_oom_score_adj = true
disable_apparmor = true
netns_mounts_under_state_dir = true

[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = [{cni_bin}]
conf_dir = "{config}/cni"

[plugins.'io.containerd.cri.v1.runtime'.containerd]
default_runtime_name = "runc"

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
Root = "{run}/runc"
"""

CONTAINERD_GVISOR = """
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runsc]
runtime_type = "io.containerd.runsc.v1"

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runsc.options]
TypeUrl = "io.containerd.runsc.v1.options"
ConfigPath = "{config}/runsc.toml"
"""

RUNSC = """\
binary_name = "{binaries}/runsc"
root = "{run}/runsc"

[runsc_config]
platform = "systrap"
"""


def _fill(node: Node, template: str) -> str:
    layout = node.layout
    cni_bin = ", ".join(f'"{path}"' for path in CNI_BIN)
    values = {
        "root": node.containerd_root,
        "run": layout.run,
        "config": layout.config,
        "socket": layout.containerd_socket,
        "binaries": node.binaries,
    }
    return template.format(**values, cni_bin=cni_bin, pause=PAUSE)


def containerd_config(node: Node) -> str:
    """Version 3 of containerd's configuration; gVisor only when its programs are there."""
    return _fill(node, CONTAINERD + (CONTAINERD_GVISOR if node.gvisor else ""))


def runsc_config(node: Node) -> str:
    """gVisor's shim reads this file."""
    return _fill(node, RUNSC)


def cni_config(node: Node) -> dict[str, Any]:
    """Every Pod is routed over a link of its own (no bridge between Pods), so that one table of rules sees all traffic."""
    ipam = {
        "type": "host-local",
        "ranges": [[{"subnet": node.plan.pods}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": str(node.layout.run / "ipam"),
    }
    return {"cniVersion": "1.0.0", "name": "devcluster", "plugins": [{"type": "ptp", "ipMasq": False, "ipam": ipam}]}


def kubelet_config(node: Node) -> dict[str, Any]:
    """What the kubelet reads."""
    pki = node.layout.pki
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": node.plan.node,
        "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": True}, "x509": {"clientCAFile": f"{pki}/ca.crt"}},
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{pki}/kubelet.crt",
        "tlsPrivateKeyFile": f"{pki}/kubelet.key",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{node.cgroup}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "oomScoreAdj": 0,  # a lower one needs CAP_SYS_RESOURCE, which a container or CI machine may not have
        "clusterDNS": [node.plan.dns_service],
        "clusterDomain": DNS_DOMAIN,
        "resolvConf": str(node.layout.config / "resolv.conf"),
        "containerRuntimeEndpoint": f"unix://{node.layout.containerd_socket}",
        "podLogsDir": str(node.layout.state / "pod-logs"),
        "maxPods": 250,
        "podPidsLimit": 1024,
        # A developer's disk is often almost full: never evict or delete images for that.
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%", "nodefs.inodesFree": "1%"},
        "imageGCHighThresholdPercent": 100,
        "makeIPTablesUtilChains": False,
        "nodeStatusMaxImages": -1,  # scripts ask the node which images it has; the default hides all but 50
        "serializeImagePulls": False,
        "registryPullQPS": 0,
        "kubeAPIQPS": 100,
        "kubeAPIBurst": 200,
        "eventRecordQPS": 50,
        "shutdownGracePeriod": "0s",
    }


def files(node: Node) -> Mapping[Path, str]:
    """Every configuration file of the node and its content."""
    config = node.layout.config
    texts = {
        config / "containerd.toml": containerd_config(node),
        config / "cni" / "10-devcluster.conflist": json.dumps(cni_config(node)),
        config / "kubelet.json": json.dumps(kubelet_config(node), indent=2),
        config / "resolv.conf": "",
    }
    return {**texts, config / "runsc.toml": runsc_config(node)} if node.gvisor else texts


def containerd(node: Node) -> Command:
    """The container runtime, in the node's namespace: its CNI plug-ins and its streaming server belong there."""
    argv = (str(node.binaries / "containerd"), f"--config={node.layout.config}/containerd.toml", "--log-level=warn")
    return Command("containerd", argv, netns=node.netns)


def kubelet(node: Node) -> Command:
    """The node agent."""
    config = node.layout.config
    argv = (
        str(node.binaries / "kubelet"),
        f"--config={config}/kubelet.json",
        f"--kubeconfig={config}/kubelet.kubeconfig",
        f"--root-dir={node.kubelet_root}",
        f"--hostname-override={NODE}",
        f"--node-ip={node.plan.node}",
    )
    return Command("kubelet", argv, netns=node.netns)


def kube_proxy(node: Node) -> Command:
    """Services. All conntrack limits stay as they are: they belong to the machine, not to this cluster."""
    argv = (
        str(node.binaries / "kube-proxy"),
        f"--kubeconfig={node.layout.config}/kube-proxy.kubeconfig",
        f"--hostname-override={NODE}",
        "--proxy-mode=nftables",
        f"--cluster-cidr={node.plan.pods}",
        f"--healthz-bind-address={node.plan.node}:10256",
        "--metrics-bind-address=127.0.0.1:10249",
        "--conntrack-max-per-core=0",
        "--conntrack-tcp-timeout-established=0",
        "--conntrack-tcp-timeout-close-wait=0",
    )
    return Command("kube-proxy", argv, netns=node.netns)


def netpol(node: Node) -> Command:
    """The NetworkPolicy enforcer, with this interpreter and this copy of the package."""
    kubeconfig = f"--kubeconfig={node.layout.config}/netpol.kubeconfig"
    argv = (sys.executable, "-m", "devcluster.netpol", kubeconfig, f"--uplink={UPLINK}")
    return Command("netpol", argv, env={"PYTHONPATH": str(Path(__file__).parents[1]), "PYTHONUNBUFFERED": "1"}, netns=node.netns)
