"""etcd, API server and controller-manager on loopback: everything a reconciler can see, ready in seconds, no root, no Pods."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from devcluster import boot, process, toolchain
from devcluster.api_client import ApiClient
from devcluster.control_plane import Endpoint, Ports
from devcluster.errors import ClusterError
from devcluster.layout import Layout
from devcluster.progress import Progress
from devcluster.statelock import state_lock

# Writers first, the database last: an API server without its database hangs for half a minute.
COMPONENTS = ("kube-controller-manager", "kube-apiserver", "etcd")


@dataclass(frozen=True)
class ControlPlaneOnly:
    """A cluster without a node."""

    layout: Layout
    progress: Progress

    @property
    def kubeconfig(self) -> Path:
        """Path of the administrator's kubeconfig."""
        return self.layout.kubeconfig

    def up(self) -> None:
        """Ready in seconds; a cluster that runs is left alone, a broken one is replaced."""
        binaries = toolchain.ensure(toolchain.CONTROL_PLANE, self.progress)
        with state_lock(self.layout):
            if self._healthy():
                self.progress.step(f"control plane {self.layout.name!r} is already running")
                return
            self._stop()
            boot.wipe(self.layout)
            self.layout.make()
            endpoint = Endpoint("127.0.0.1", Ports(*boot.free_ports(3)))
            boot.write_identities(self.layout, endpoint, hosts=["10.96.0.1"])
            boot.start(self.layout, endpoint, binaries, self.progress)
            self.progress.step("control plane ready (no node: Pods stay Pending)")

    def down(self) -> None:
        """End the processes and forget the data."""
        with state_lock(self.layout):
            self._stop()
            boot.wipe(self.layout)
        self.progress.step(f"control plane {self.layout.name!r} is gone")

    def load(self, archives: Sequence[Path]) -> None:
        """There is no node to load an image onto."""
        raise ClusterError(f"control plane {self.layout.name!r} has no node: load images into a full cluster (`devcluster up`)")

    def status(self) -> Mapping[str, str]:
        """Component -> state."""
        return {name: "running" if process.recorded(self.layout, name) else "stopped" for name in COMPONENTS}

    def _healthy(self) -> bool:
        alive = all(process.recorded(self.layout, name) for name in COMPONENTS)
        return alive and self.kubeconfig.exists() and boot.is_ready(ApiClient.from_kubeconfig(self.kubeconfig))

    def _stop(self) -> None:
        process.stop(self.layout, ["kube-controller-manager"], seconds=5)
        # API server and database are disposable: a polite end would only wait for open watches.
        process.stop(self.layout, ["kube-apiserver", "etcd"], signum=9)
        process.sweep(self.layout)
