"""The small interface behind which a cluster is just a cluster, and the choice of the one to use."""

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from devcluster.errors import ClusterError

Runner = Callable[[Sequence[str]], "subprocess.CompletedProcess[str]"]
NAMES = ("existing", "kind", "local")


class Provider(Protocol):
    """What every kind of cluster can do."""

    @property
    def kubeconfig(self) -> Path:
        """Path of the administrator's kubeconfig."""

    def up(self) -> None:
        """Make the cluster ready; does nothing when it is."""

    def down(self) -> None:
        """Remove everything that up() made."""

    def load(self, archives: Sequence[Path]) -> None:
        """Put the images of these archives onto the node."""

    def status(self) -> Mapping[str, str]:
        """Component -> state, for a person."""


def run(argv: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    """The real runner: captures output, never raises for an exit code, says when the program is missing."""
    # Debian keeps `ip` and `nft` where an ordinary user's PATH does not look.
    environ = {**os.environ, "PATH": f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"}
    try:
        return subprocess.run(list(argv), capture_output=True, text=True, check=False, env=environ)
    except FileNotFoundError:
        return subprocess.CompletedProcess(list(argv), 127, "", f"{argv[0]}: not installed")


def checked(runner: Runner, argv: Sequence[str]) -> str:
    """Standard output, or an error with the program's own words."""
    done = runner(argv)
    if done.returncode != 0:
        raise ClusterError(f"`{' '.join(argv)}` failed with exit code {done.returncode}: {(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout


def choose(*, named: str | None, environ: Mapping[str, str], runner: Runner) -> str:
    """The named provider; else CLUSTER; else kind when a Docker engine answers; else local. Never `existing` by itself."""
    wanted = named or environ.get("CLUSTER") or None
    if wanted is not None:
        if wanted not in NAMES:
            raise ClusterError(f"cluster provider {wanted!r} is unknown: set CLUSTER to one of {', '.join(NAMES)}")
        return wanted
    # `docker info` exits 0 even when only the client exists, unless the server's own version is asked for.
    engine = runner(["docker", "info", "--format", "{{.ServerVersion}}"])
    return "kind" if engine.returncode == 0 and engine.stdout.strip() else "local"
