"""What runs inside every local cluster, and the proof that it works before anybody relies on it."""

import secrets
import socket
import struct
import tempfile
from collections.abc import Mapping
from pathlib import Path
from string import Template

from devcluster import images
from devcluster.address_plan import AddressPlan
from devcluster.api_client import ApiClient, ApiError
from devcluster.node import NODE
from devcluster.provider import Runner, checked
from devcluster.toolchain import tool

FOLDER = Path(__file__).parent / "addons"


def manifests(plan: AddressPlan, *, gvisor: bool) -> str:
    """All documents, with this cluster's addresses and images filled in."""
    names = ["node", "coredns", "metrics-server", *(["gvisor"] if gvisor else [])]
    values: Mapping[str, str] = {
        "dns_service": plan.dns_service,
        "coredns": images.COREDNS,
        "metrics_server": images.METRICS_SERVER,
        "pull_policy": "Never",
        "kubelet_trust": "--kubelet-certificate-authority=/ca/ca.crt",
    }
    return "\n---\n".join(Template((FOLDER / f"{name}.yaml").read_text()).substitute(values) for name in names)


def kind_manifests() -> str:
    """kind lacks only the metrics; its kubelets sign their own certificates, which nothing could verify."""
    image = f"registry.k8s.io/metrics-server/metrics-server:{tool('metrics-server').version}"
    values = {"metrics_server": image, "pull_policy": "IfNotPresent", "kubelet_trust": "--kubelet-insecure-tls"}
    return Template((FOLDER / "metrics-server.yaml").read_text()).substitute(values)


def apply(kubectl: Path, kubeconfig: Path, documents: str, runner: Runner) -> None:
    """Server-side apply, so that a second `up` repairs what was changed."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(documents)
        file.flush()
        argv = [str(kubectl), f"--kubeconfig={kubeconfig}", "apply", "--server-side", "--force-conflicts", "--field-manager=devcluster"]
        checked(runner, [*argv, "-f", file.name])


def condition(client: ApiClient, path: str, kind: str) -> bool:
    """Is this condition True on this object?"""
    try:
        conditions = client.request("GET", path).get("status", {}).get("conditions", [])
    except (OSError, ApiError):
        return False
    return any(one["type"] == kind and one["status"] == "True" for one in conditions)


def node_ready(client: ApiClient) -> bool:
    """Does the kubelet say that Pods can run?"""
    return condition(client, f"/api/v1/nodes/{NODE}", "Ready")


def metrics_available(client: ApiClient) -> bool:
    """An APIService that is registered but not available slows every discovery down."""
    return condition(client, "/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io", "Available")


def dns_query(name: str, ident: int) -> bytes:
    """One question for the A record of a name."""
    labels = b"".join(struct.pack("B", len(label)) + label.encode() for label in name.rstrip(".").split("."))
    return struct.pack(">HHHHHH", ident, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", 1, 1)


def resolves(server: str, name: str = "kubernetes.default.svc.cluster.local") -> bool:
    """A real lookup through the DNS Service: proves CoreDNS, kube-proxy and the host's route in one question."""
    ident = secrets.randbelow(65536)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.5)
        try:
            sock.sendto(dns_query(name, ident), (server, 53))
            answer = sock.recv(512)
        except OSError:
            return False
    got, flags, _, answers = struct.unpack(">HHHH", answer[:8])
    return bool(got == ident and flags & 0xF == 0 and answers > 0)
