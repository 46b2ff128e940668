"""A kind cluster, for machines with a Docker engine. Only command lines: kind itself does the work."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from devcluster import addons
from devcluster.errors import ClusterError
from devcluster.layout import Layout
from devcluster.progress import Progress
from devcluster.provider import Runner, checked, run


@dataclass(frozen=True)
class Kind:
    """The provider for a developer's laptop and hosted CI. `kind` and `kubectl` are paths of the programs."""

    layout: Layout
    kind: str
    kubectl: Path
    progress: Progress
    runner: Runner = run

    @property
    def kubeconfig(self) -> Path:
        """A file of its own: the user's ~/.kube/config is never touched."""
        return self.layout.kubeconfig

    @property
    def cluster(self) -> str:
        """kind's names are shared by all checkouts."""
        return f"mcp-{self.layout.ident}"

    def up(self) -> None:
        """Create the cluster, or only write its kubeconfig again when it is there; metrics for the autoscaler in both cases."""
        self.layout.make()
        if self.cluster in self._clusters():
            checked(self.runner, [self.kind, "export", "kubeconfig", *self._named()])
        else:
            config = self.layout.checkout / "tests" / "e2e" / "kind.yaml"
            checked(self.runner, [self.kind, "create", "cluster", *self._named(), f"--config={config}", "--wait=180s"])
        self.progress.step("kind cluster ready")
        addons.apply(self.kubectl, self.kubeconfig, addons.kind_manifests(), self.runner)
        kubectl = [str(self.kubectl), f"--kubeconfig={self.kubeconfig}"]
        checked(self.runner, [*kubectl, "wait", "--for=condition=Available", "--timeout=180s", "apiservice/v1beta1.metrics.k8s.io"])
        self.progress.step("metrics API available")

    def down(self) -> None:
        """Remove the cluster."""
        if self.cluster in self._clusters():
            checked(self.runner, [self.kind, "delete", "cluster", *self._named()])
        self.kubeconfig.unlink(missing_ok=True)
        self.progress.step("kind cluster is gone")

    def load(self, archives: Sequence[Path]) -> None:
        """One call per archive: kind takes one."""
        for archive in archives:
            if not archive.is_file():
                raise ClusterError(f"image archive {archive} does not exist: build it first (`make images`)")
            checked(self.runner, [self.kind, "load", "image-archive", str(archive), f"--name={self.cluster}"])

    def status(self) -> Mapping[str, str]:
        """Whether kind knows the cluster."""
        return {"kind": "running" if self.cluster in self._clusters() else "stopped"}

    def _named(self) -> list[str]:
        return [f"--name={self.cluster}", f"--kubeconfig={self.kubeconfig}"]

    def _clusters(self) -> list[str]:
        return checked(self.runner, [self.kind, "get", "clusters"]).split()
