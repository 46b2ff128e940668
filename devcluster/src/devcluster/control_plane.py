"""Command lines of the control plane, as pure functions: every flag that differs from Kubernetes' default is here, with its reason."""

import json
from dataclasses import dataclass
from pathlib import Path

from devcluster.layout import Layout
from devcluster.process import Command

# Only writes, only when they are done, without bodies: enough to count who wrote what, cheap enough to leave on.
AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "Metadata", "verbs": ["create", "update", "patch", "delete", "deletecollection"]},
        {"level": "None"},
    ],
}


@dataclass(frozen=True)
class Ports:
    """Ports of the control plane; free ones on the host's loopback, the usual ones in a network namespace of its own."""

    api: int
    etcd: int
    etcd_peer: int


@dataclass(frozen=True)
class Endpoint:
    """Where the API server listens and which addresses it hands out."""

    address: str
    ports: Ports
    service_range: str = "10.96.0.0/16"
    netns: str | None = None
    with_node: bool = False

    @property
    def url(self) -> str:
        """The API server's URL."""
        return f"https://{self.address}:{self.ports.api}"


def write_audit_policy(layout: Layout) -> Path:
    """JSON is YAML."""
    path = layout.config / "audit-policy.yaml"
    path.write_text(json.dumps(AUDIT_POLICY))
    return path


def etcd(layout: Layout, endpoint: Endpoint, binary: Path) -> Command:
    """The database. No fsync: it is disposable, and disks of laptops and CI machines are slow."""
    client = f"https://127.0.0.1:{endpoint.ports.etcd}"
    peer = f"http://127.0.0.1:{endpoint.ports.etcd_peer}"
    argv = (
        str(binary),
        "--name=default",
        f"--data-dir={layout.etcd}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        f"--cert-file={layout.pki}/etcd.crt",
        f"--key-file={layout.pki}/etcd.key",
        f"--trusted-ca-file={layout.pki}/etcd-ca.crt",
        "--client-cert-auth=true",
        "--unsafe-no-fsync=true",
        "--log-level=warn",
    )
    return Command("etcd", argv, netns=endpoint.netns)


def _api_serving(layout: Layout, endpoint: Endpoint) -> list[str]:
    """Addresses, the database, and the log of writes, which blocks so that a test may read it at once."""
    pki = layout.pki
    return [
        f"--bind-address={endpoint.address}",
        f"--advertise-address={endpoint.address}",
        f"--secure-port={endpoint.ports.api}",
        f"--service-cluster-ip-range={endpoint.service_range}",
        f"--etcd-servers=https://127.0.0.1:{endpoint.ports.etcd}",
        f"--etcd-cafile={pki}/etcd-ca.crt",
        f"--etcd-certfile={pki}/etcd-client.crt",
        f"--etcd-keyfile={pki}/etcd-client.key",
        f"--tls-cert-file={pki}/apiserver.crt",
        f"--tls-private-key-file={pki}/apiserver.key",
        f"--audit-policy-file={layout.config}/audit-policy.yaml",
        f"--audit-log-path={layout.audit_log}",
        "--audit-log-mode=blocking",
        "--audit-log-maxsize=2000",
        # Otherwise a stop waits a minute for the watches of clients that are gone.
        "--shutdown-delay-duration=0s",
    ]


def _api_identities(layout: Layout) -> list[str]:
    """Who may call: users and service accounts, the API server itself at the kubelet, and at aggregated APIs."""
    pki = layout.pki
    return [
        f"--client-ca-file={pki}/ca.crt",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={pki}/service-account.pub",
        f"--service-account-signing-key-file={pki}/service-account.key",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        f"--kubelet-certificate-authority={pki}/ca.crt",
        f"--kubelet-client-certificate={pki}/kubelet-client.crt",
        f"--kubelet-client-key={pki}/kubelet-client.key",
        "--kubelet-preferred-address-types=InternalIP",
        f"--requestheader-client-ca-file={pki}/front-proxy-ca.crt",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        f"--proxy-client-cert-file={pki}/front-proxy-client.crt",
        f"--proxy-client-key-file={pki}/front-proxy-client.key",
        "--enable-aggregator-routing=true",
    ]


def apiserver(layout: Layout, endpoint: Endpoint, binary: Path) -> Command:
    """The API server. Pod Security, quotas and CEL are on by default."""
    argv = [str(binary), *_api_serving(layout, endpoint), *_api_identities(layout)]
    if not endpoint.with_node:
        # A loopback address is not allowed as the endpoint of Service `kubernetes`, and no Pod would use it.
        argv.append("--endpoint-reconciler-type=none")
    return Command("kube-apiserver", tuple(argv), netns=endpoint.netns)


def _identity(layout: Layout, name: str) -> list[str]:
    """How a client of the API server that runs once and serves nobody signs in."""
    kubeconfig = layout.config / f"{name}.kubeconfig"
    flags = ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")
    return [*(f"--{flag}={kubeconfig}" for flag in flags), "--secure-port=0", "--leader-elect=false"]


def controller_manager(layout: Layout, endpoint: Endpoint, binary: Path) -> Command:
    """The controllers, without the one that would hand out Pod ranges, and with an HPA that decides within seconds."""
    argv = (
        str(binary),
        *_identity(layout, "controller-manager"),
        "--controllers=*,-nodeipam",
        "--use-service-account-credentials",
        f"--root-ca-file={layout.pki}/ca.crt",
        f"--service-account-private-key-file={layout.pki}/service-account.key",
        f"--cluster-signing-cert-file={layout.pki}/ca.crt",
        f"--cluster-signing-key-file={layout.pki}/ca.key",
        "--concurrent-deployment-syncs=10",
        "--kube-api-qps=100",
        "--kube-api-burst=200",
        "--horizontal-pod-autoscaler-sync-period=5s",
        "--horizontal-pod-autoscaler-cpu-initialization-period=10s",
        "--horizontal-pod-autoscaler-initial-readiness-delay=5s",
    )
    return Command("kube-controller-manager", argv, netns=endpoint.netns)


def scheduler(layout: Layout, endpoint: Endpoint, binary: Path) -> Command:
    """The scheduler."""
    argv = (
        str(binary),
        *_identity(layout, "scheduler"),
        "--kube-api-qps=200",
        "--kube-api-burst=400",
    )
    return Command("kube-scheduler", argv, netns=endpoint.netns)
