"""A cluster that the user named. It is used as it is: never created, never removed, and no image can be put onto its nodes from here."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from devcluster.errors import ClusterError
from devcluster.progress import Progress
from devcluster.provider import Runner, checked, run


def kubeconfig_path(environ: Mapping[str, str]) -> Path:
    """$KUBECONFIG, or kubectl's default."""
    named = environ.get("KUBECONFIG", "")
    if os.pathsep in named:
        raise ClusterError(f"KUBECONFIG={named!r} lists several files: name exactly one, so that there is no doubt which cluster is meant")
    return Path(named).expanduser() if named else Path.home() / ".kube" / "config"


@dataclass(frozen=True)
class Existing:
    """The provider for CLUSTER=existing."""

    kubeconfig: Path
    kubectl: str
    progress: Progress
    runner: Runner = run

    def up(self) -> None:
        """Only make sure that it answers."""
        if not self.kubeconfig.is_file():
            raise ClusterError(f"CLUSTER=existing, but {self.kubeconfig} does not exist: set KUBECONFIG to the cluster's kubeconfig")
        checked(self.runner, [*self._kubectl(), "get", "--raw=/readyz"])
        self.progress.step("the named cluster answers")

    def down(self) -> None:
        """Somebody else's cluster is left as it is."""
        self.progress.step("CLUSTER=existing: the cluster is left as it is")

    def load(self, archives: Sequence[Path]) -> None:
        """Impossible without access to the nodes."""
        raise ClusterError(
            "CLUSTER=existing: push the images to a registry that the cluster's nodes pull from, and name them in the chart's values"
        )

    def status(self) -> Mapping[str, str]:
        """One line: does it answer?"""
        answers = self.kubeconfig.is_file() and self.runner([*self._kubectl(), "get", "--raw=/readyz"]).returncode == 0
        return {"api": "ready" if answers else "no answer"}

    def _kubectl(self) -> list[str]:
        return [self.kubectl, f"--kubeconfig={self.kubeconfig}", "--request-timeout=10s"]
