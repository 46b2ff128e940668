"""Takes a local cluster apart in the one order that neither hangs nor leaves anything behind."""

import contextlib
import shutil
import signal
import time

from devcluster import address_plan, boot, images, leftovers, network, process
from devcluster.api_client import ApiClient, ApiError
from devcluster.layout import Layout
from devcluster.progress import Progress
from devcluster.provider import Runner


def stop(layout: Layout, progress: Progress, runner: Runner) -> None:
    """A running cluster: let the kubelet end its Pods, so that volumes, addresses and shims are given back, then end the rest."""
    process.stop(layout, ["kube-controller-manager", "kube-scheduler", "netpol"], seconds=5)
    if process.recorded(layout, "kubelet") and process.recorded(layout, "containerd") and layout.kubeconfig.exists():
        if _delete_pods(ApiClient.from_kubeconfig(layout.kubeconfig)):
            _wait_for_tasks(layout, runner, seconds=15)
        progress.step("Pods have ended")
    process.stop(layout, ["kubelet", "kube-proxy"], seconds=5)
    # Both are disposable, and an API server that is asked politely waits half a minute for its database and its watches.
    process.stop(layout, ["kube-apiserver", "etcd"], signum=signal.SIGKILL)
    leftovers.kill_pods(layout)
    if process.recorded(layout, "containerd"):
        remove_containers(layout, runner)
    process.stop(layout, ["containerd"], seconds=10)


def _delete_pods(client: ApiClient) -> bool:
    """Delete every Pod with a short grace; False when nobody answers."""
    try:
        pods = client.request("GET", "/api/v1/pods")["items"]
        for pod in pods:
            path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"
            try:
                client.request("DELETE", path, {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0})
            except ApiError:
                continue  # gone already
    except (OSError, ApiError):
        return False
    return True


def _wait_for_tasks(layout: Layout, runner: Runner, *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        done = runner(images.ctr(layout, "tasks", "ls", "-q"))
        if done.returncode != 0 or not done.stdout.strip():
            return
        time.sleep(0.1)


def remove_containers(layout: Layout, runner: Runner) -> bool:
    """Forget containers whose API objects are gone; True when there were any."""
    found = runner(images.ctr(layout, "containers", "ls", "-q")).stdout.split()
    if found:
        runner(images.ctr(layout, "tasks", "rm", "--force", *found))
        runner(images.ctr(layout, "containers", "rm", *found))
    sandboxes = runner(images.ctr(layout, "sandboxes", "ls", "-q")).stdout.split()
    if sandboxes:
        runner(images.ctr(layout, "sandboxes", "rm", "--force", *sandboxes))
    return bool(found or sandboxes)


def sweep(layout: Layout, runner: Runner) -> None:
    """Everything that could still be there, whatever happened before: works on a half-started, killed or rebooted cluster."""
    leftovers.kill_pods(layout)
    process.sweep(layout)
    leftovers.kill_pods(layout)
    leftovers.remove_shim_sockets(layout)
    leftovers.unmount(layout, runner)
    leftovers.remove_cgroups(layout)
    network.teardown(layout, runner)
    boot.wipe(layout)
    for folder in (layout.run, layout.state / "kubelet", layout.state / "pod-logs"):
        shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        layout.run.parent.rmdir()  # fails while another checkout's cluster lives there


def forget(layout: Layout) -> None:
    """After a sweep: give back the address range; the image store stays for the next start."""
    address_plan.release(layout)
