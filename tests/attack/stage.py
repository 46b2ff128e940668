"""What the attacks need around them: the product with one MCPOptimizer per isolation, a namespace for bare Pods, relay and watch."""

import base64
import contextlib
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from scripts.stack import install, waiting
from scripts.stack.forward import forward
from scripts.stack.shell import devcluster, get, kubectl

from mcp_operator.desired.child import Owner
from mcp_operator.desired.networkpolicy import sandbox_isolation
from mcp_operator.kinds import MCP_OPTIMIZER, Key

from .pods import PodWatch
from .relay import RELAY_PORT, WITNESS_PORT, Relay, relay_pod
from .vocabulary import ISOLATIONS, Isolation, Manifest

NAMESPACE = "attack"
BARE_NAMESPACE = "attack-bare"
WALLED = "walled"
"""The MCPOptimizer that the bare Pods name: it does not exist, its NetworkPolicy does."""
EXCLUDED = "acme.hr_list_employees"
"""A tool that nobody may use here."""
METADATA = ("169.254.169.254", "100.100.100.200")
"""Where clouds give out the credentials of a node: here a Service of ours."""
SANDBOX: dict[str, Any] = {
    "timeoutSeconds": 40,
    "maxProcesses": 20,
    "resources": {"cpu": "500m", "memory": "256Mi"},
    "diskLimit": "32Mi",
    "pool": {"min": 3, "max": 6},
}
"""Small, so that what breaks through a wall is still nothing to the machine."""


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """Where an attacker would like to go."""

    api_service: str
    api_server: str
    """Where the API server itself listens: `host:port`."""
    dns: str
    service: str
    """The ClusterIP of an MCPServer, port 80."""
    upstream: tuple[str, int]
    """A Pod of that MCPServer, and its port."""
    server: str
    """A Pod of the data plane: ports 8080 and 8081."""
    node: str
    witness: str
    """The relay's Pod: port 7001 tells what arrived."""


@dataclass(kw_only=True)
class Stage:
    """All of it, once it stands."""

    image: str
    watch: PodWatch
    relay: Relay
    addresses: Addresses
    urls: dict[Isolation, str] = field(default_factory=dict)
    pool_keys: dict[Isolation, bytes] = field(default_factory=dict)

    @staticmethod
    def apply(manifest: Manifest, namespace: str) -> None:
        """Create or change an object."""
        install.apply([manifest], namespace)


@contextlib.contextmanager
def stage(isolations: tuple[Isolation, ...] = ISOLATIONS, *, keep: bool = False) -> Iterator[Stage]:
    """The product installed, its pools warm. Afterwards everything is removed again; with `keep` it stays, and is used again."""
    devcluster("up")
    images = install.build_images()
    install.load_images(images)
    install.install_chart(images)
    with contextlib.ExitStack() as stack:
        if not keep:
            stack.callback(_remove)
        _install_product(images, isolations, reuse=keep)
        _install_bare(images, reuse=keep)
        port = stack.enter_context(forward("pod/relay", RELAY_PORT, BARE_NAMESPACE))
        addresses = _addresses(isolations[0])
        watch = PodWatch()
        stack.callback(watch.close)
        built = Stage(image=images["mcp-sandbox"]["ref"], watch=watch, relay=Relay(port, addresses.witness), addresses=addresses)
        keys = get("secret", "mcp-sandbox-keys", NAMESPACE)["data"]
        for isolation in isolations:
            local = stack.enter_context(forward(f"svc/{isolation}-optimizer", 80, NAMESPACE))
            built.urls[isolation] = f"http://127.0.0.1:{local}/mcp"
            built.pool_keys[isolation] = base64.b64decode(keys[isolation])
        yield built


def optimizer(isolation: Isolation) -> Manifest:
    """The MCPOptimizer whose sandboxes have this isolation."""
    runtime = {"runtimeClassName": "gvisor"} if isolation == "gvisor" else {}
    spec = {"sandbox": {**SANDBOX, **runtime}, "tools": {"exclude": [EXCLUDED]}}
    return {"apiVersion": "mcp.optimizer.dev/v1", "kind": "MCPOptimizer", "metadata": {"name": isolation}, "spec": spec}


def _install_product(images: dict[str, dict[str, str]], isolations: tuple[Isolation, ...], *, reuse: bool) -> None:
    _namespace(NAMESPACE, "restricted", stamp=_stamp(images), reuse=reuse)
    install.apply([*install.example("acme", images), *(optimizer(isolation) for isolation in isolations)], NAMESPACE)
    waiting.ready("mcps", "acme", NAMESPACE)
    for isolation in isolations:
        waiting.ready("mcpo", isolation, NAMESPACE)
        waiting.until("warm Pods", lambda name=isolation: get("mcpo", name, NAMESPACE)["status"]["sandboxes"]["warm"] >= 2, seconds=90)
        waiting.until("acme federated", lambda name=isolation: get("mcpo", name, NAMESPACE)["status"]["totals"]["ready"] == 1, seconds=60)


def _install_bare(images: dict[str, dict[str, str]], *, reuse: bool) -> None:
    """A namespace where every Pod may be made, with the policy that the operator makes for a pool."""
    _namespace(BARE_NAMESPACE, "privileged", stamp=_stamp(images), reuse=reuse)
    image = images["mcp-sandbox"]["ref"]
    owner = Owner(Key(MCP_OPTIMIZER.kind, BARE_NAMESPACE, WALLED), uid="")
    policy = sandbox_isolation(owner)
    del policy["metadata"]["ownerReferences"], policy["metadata"]["labels"]
    install.apply([policy, relay_pod("relay", image, owner.selector)], BARE_NAMESPACE)
    _fake_metadata(owner.selector)
    kubectl("-n", BARE_NAMESPACE, "wait", "--for=condition=Ready", "pod/relay", "--timeout=60s")


def _fake_metadata(selector: dict[str, str]) -> None:
    """A load balancer's addresses are answered inside the cluster by the Service's Pods: here those of the clouds' metadata, by the witness."""
    ports = [{"port": 80, "targetPort": WITNESS_PORT}]
    spec = {"type": "LoadBalancer", "allocateLoadBalancerNodePorts": False, "selector": selector, "ports": ports}
    install.apply([{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "metadata"}, "spec": spec}], BARE_NAMESPACE)
    status = {"status": {"loadBalancer": {"ingress": [{"ip": ip} for ip in METADATA]}}}
    kubectl("-n", BARE_NAMESPACE, "patch", "service", "metadata", "--subresource=status", "--type=merge", "-p", json.dumps(status))


def _namespace(name: str, pod_security: str, *, stamp: str, reuse: bool) -> None:
    """`stamp` names the images: what was made with others is not used again."""
    labels = {"pod-security.kubernetes.io/enforce": pod_security, "stamp": stamp}
    if reuse and kubectl("get", "namespace", "-l", f"stamp={stamp},kubernetes.io/metadata.name={name}", "-o", "name"):
        return
    kubectl("delete", "namespace", name, "--ignore-not-found", "--wait=true", "--timeout=110s")
    kubectl("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}))


def _stamp(images: dict[str, dict[str, str]]) -> str:
    return hashlib.sha256(json.dumps(images, sort_keys=True).encode()).hexdigest()[:16]


def _addresses(isolation: Isolation) -> Addresses:
    server = get("pods", namespace=NAMESPACE, selector=f"mcp.optimizer.dev/component=server,mcp.optimizer.dev/optimizer={isolation}")[0]
    (subset,) = get("endpointslices", namespace="default", selector="kubernetes.io/service-name=kubernetes")
    upstream = get("pods", namespace=NAMESPACE, selector="mcp.optimizer.dev/server=acme")[0]
    return Addresses(
        api_service=get("service", "kubernetes")["spec"]["clusterIP"],
        api_server=f"{subset['endpoints'][0]['addresses'][0]}:{subset['ports'][0]['port']}",
        dns=get("service", "kube-dns", "kube-system")["spec"]["clusterIP"],
        service=get("service", "acme-mcp", NAMESPACE)["spec"]["clusterIP"],
        upstream=(upstream["status"]["podIP"], upstream["spec"]["containers"][0]["ports"][0]["containerPort"]),
        server=server["status"]["podIP"],
        node=server["status"]["hostIP"],
        witness=get("pod", "relay", BARE_NAMESPACE)["status"]["podIP"],
    )


def _remove() -> None:
    kubectl("-n", NAMESPACE, "delete", "mcpo,mcps", "--all", "--wait=true", "--timeout=60s")
    kubectl("delete", "namespace", NAMESPACE, BARE_NAMESPACE, "--wait=false")
    install.uninstall_chart()
