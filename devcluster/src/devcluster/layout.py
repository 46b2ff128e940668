"""Where everything of one cluster lives, so that `down` knows what to remove and two checkouts never meet."""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from devcluster.errors import ClusterError


def user_cache() -> Path:
    """Things shared by all checkouts of this user: built programs and the list of address ranges in use."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "mcp-devcluster"


@dataclass(frozen=True)
class Layout:
    """Paths of one cluster, all derived from the checkout and the cluster's name."""

    checkout: Path
    name: str

    def __post_init__(self) -> None:
        """Refuse a name that would not survive as a folder, a host name and a part of an interface name."""
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,29}", self.name):
            raise ClusterError(f"cluster name {self.name!r}: use at most 30 lower-case letters, digits and '-', beginning with a letter")

    @property
    def state(self) -> Path:
        """Everything that belongs to this cluster only."""
        return self.checkout / ".devcluster" / self.name

    @property
    def ident(self) -> str:
        """Short and unique on this machine: for names that all checkouts share (namespaces, interfaces, cgroups)."""
        return hashlib.sha256(str(self.state).encode()).hexdigest()[:8]

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.state / "kubeconfig"

    @property
    def pki(self) -> Path:
        """Keys and certificates, made anew for every cluster."""
        return self.state / "pki"

    @property
    def config(self) -> Path:
        """Configuration files and kubeconfigs of the components."""
        return self.state / "config"

    @property
    def logs(self) -> Path:
        """One log per component."""
        return self.state / "logs"

    @property
    def pids(self) -> Path:
        """One record per process that we started."""
        return self.state / "pids"

    @property
    def etcd(self) -> Path:
        """The database: disposable."""
        return self.state / "etcd"

    @property
    def audit_log(self) -> Path:
        """Every write request to the API server, with its user agent: tests count here."""
        return self.state / "audit.log"

    @property
    def run(self) -> Path:
        """Sockets: a Unix socket's path is limited to 107 bytes, so they cannot live below a deep checkout."""
        return Path("/run/mcp-devcluster") / self.ident

    @property
    def containerd_socket(self) -> Path:
        """Where containerd listens."""
        return self.run / "containerd.sock"

    def make(self) -> None:
        """Create the folders; keys are for the owner only."""
        self.state.mkdir(parents=True, exist_ok=True)
        for folder in (self.pki, self.config, self.logs, self.pids):
            folder.mkdir(exist_ok=True)
        self.pki.chmod(0o700)
        self.config.chmod(0o700)
