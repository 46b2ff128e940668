"""Brings a control plane up on an endpoint: keys, kubeconfigs, processes, and the proof that it serves. Both local modes begin here."""

import shutil
import signal
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from devcluster import control_plane, kubeconfig, pki, process
from devcluster.api_client import ApiClient, ApiError
from devcluster.control_plane import Endpoint
from devcluster.errors import ClusterError
from devcluster.layout import Layout
from devcluster.progress import Progress

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def free_ports(count: int) -> list[int]:
    """Ports of the loopback interface nobody uses now; held together, so that they differ."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


def wipe(layout: Layout) -> None:
    """Remove what a new cluster must not inherit: database, keys, records, logs."""
    for folder in (layout.etcd, layout.pki, layout.config, layout.pids, layout.logs):
        shutil.rmtree(folder, ignore_errors=True)
    for file in (layout.kubeconfig, layout.audit_log):
        file.unlink(missing_ok=True)


def write_identities(layout: Layout, endpoint: Endpoint, *, hosts: Sequence[str]) -> pki.Authorities:
    """Keys, certificates, and a kubeconfig per identity of the control plane."""
    roots = pki.write_control_plane(layout.pki, hosts=hosts)
    admin = pki.issue(roots.cluster, "devcluster-admin", organization="system:masters")
    write_kubeconfig(layout.kubeconfig, layout, endpoint, roots, admin)
    for name in ("controller-manager", "scheduler"):
        client = pki.issue(roots.cluster, f"system:kube-{name}")
        write_kubeconfig(layout.config / f"{name}.kubeconfig", layout, endpoint, roots, client)
    return roots


def write_kubeconfig(path: Path, layout: Layout, endpoint: Endpoint, roots: pki.Authorities, client: pki.Pair) -> None:
    """One kubeconfig for one identity."""
    kubeconfig.write(path, server=endpoint.url, ca=roots.cluster, client=client, cluster=f"devcluster-{layout.name}")


def start(layout: Layout, endpoint: Endpoint, binaries: Path, progress: Progress) -> ApiClient:
    """Start etcd, API server and controller-manager; returns when a Pod could be created."""
    path = f"{binaries}:{SYSTEM_PATH}"
    control_plane.write_audit_policy(layout)
    process.spawn(layout, control_plane.etcd(layout, endpoint, binaries / "etcd"), path=path)
    process.spawn(layout, control_plane.apiserver(layout, endpoint, binaries / "kube-apiserver"), path=path)
    client = ApiClient.from_kubeconfig(layout.kubeconfig)
    wait_ready(layout, client)
    progress.step(f"API server ready at {endpoint.url}")
    manager = control_plane.controller_manager(layout, endpoint, binaries / "kube-controller-manager")
    process.spawn(layout, manager, path=path)
    await_condition(layout, "the default ServiceAccount", lambda: _default_account(client), names=("kube-controller-manager",))
    return client


def wait_ready(layout: Layout, client: ApiClient) -> None:
    """Wait until the API server says that it is ready."""
    await_condition(layout, "the API server", lambda: is_ready(client), names=("etcd", "kube-apiserver"))


def restart(layout: Layout, name: str) -> None:
    """End one component and start it again; behind the API server and the database, wait until objects can be read."""
    essential = name in ("kube-apiserver", "etcd")
    # The API server would keep open watches for half a minute; a crash is the more honest test anyway.
    process.restart(layout, name, signum=signal.SIGKILL if essential else signal.SIGTERM)
    if essential:
        client = ApiClient.from_kubeconfig(layout.kubeconfig)
        await_condition(layout, "the API server", lambda: _default_account(client), names=("etcd", "kube-apiserver"))


def is_ready(client: ApiClient) -> bool:
    """One question to /readyz."""
    try:
        return bool(client.request("GET", "/readyz", timeout=5) == "ok")
    except (OSError, ApiError):
        return False


def _default_account(client: ApiClient) -> bool:
    try:
        client.request("GET", "/api/v1/namespaces/default/serviceaccounts/default")
    except (OSError, ApiError):
        return False
    return True


def await_condition(layout: Layout, what: str, check: Callable[[], bool], *, names: Sequence[str], seconds: float = 120) -> None:
    """Poll; when a needed process ends or time is up, the error carries the end of its log."""
    deadline = time.monotonic() + seconds
    while not check():
        dead = [name for name in names if process.recorded(layout, name) is None]
        late = time.monotonic() > deadline
        if dead or late:
            name = dead[0] if dead else names[-1]
            reason = f"{name} ended while waiting for {what}" if dead else f"{what} was not there after {seconds:.0f}s"
            raise ClusterError(f"{reason}; end of {layout.logs}/{name}.log:\n{process.log_tail(layout, name)}")
        time.sleep(0.05)
