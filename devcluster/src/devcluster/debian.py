"""Debian packages the local cluster needs: installed for root, listed for everybody else."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from devcluster.errors import ClusterError
from devcluster.progress import Progress
from devcluster.provider import Runner, checked

# What proves that a package is there -> the package.
NEEDED = {
    "runc": "runc",
    "nft": "nftables",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "sysctl": "procps",
    "gcc": "gcc",
}
FILES = {("/usr/lib/cni/ptp", "/opt/cni/bin/ptp"): "containernetworking-plugins", ("/usr/include/stdio.h",): "libc6-dev"}


def missing_packages() -> list[str]:
    """Packages whose program or file is not on this machine."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    programs = [package for program, package in NEEDED.items() if shutil.which(program, path=path) is None]
    files = [package for names, package in FILES.items() if not any(Path(name).exists() for name in names)]
    return sorted(programs + files)


def require() -> None:
    """Say what is missing, and how to get it."""
    if packages := missing_packages():
        raise ClusterError(
            f"the local cluster needs Debian packages: run `apt-get install --no-install-recommends {' '.join(packages)}` as root"
        )


def install(runner: Runner, progress: Progress, *, packages: Sequence[str], root: bool) -> None:
    """apt-get as root; an error with the exact command otherwise. Does and says nothing when all is there."""
    if not packages:
        return
    if not root or shutil.which("apt-get") is None:
        require()
    progress.step(f"installing {' '.join(packages)}")
    checked(runner, ["apt-get", "update", "-qq"])
    checked(runner, ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages])
