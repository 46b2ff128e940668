"""What processes leave behind and a second start trips over: cgroups with living members, mounts, shim sockets. Found by this
cluster's own paths and names, so nothing of anybody else is touched."""

import contextlib
import os
import signal
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from devcluster.layout import Layout
from devcluster.node import cgroup_name
from devcluster.provider import Runner

CGROUPS = Path("/sys/fs/cgroup")


def hierarchies(root: Path = CGROUPS) -> list[Path]:
    """cgroup v1: one folder per controller; v2: the root itself."""
    if (root / "cgroup.controllers").exists():
        return [root]
    return [entry for entry in sorted(root.iterdir()) if entry.is_dir() and (entry / "cgroup.procs").exists()]


def create_cgroups(layout: Layout, root: Path = CGROUPS) -> None:
    """The kubelet wants its root cgroup to exist in every hierarchy."""
    for hierarchy in hierarchies(root):
        folder = hierarchy / cgroup_name(layout)
        folder.mkdir(exist_ok=True)
        for name in ("cpuset.cpus", "cpuset.mems"):
            # v1 only: a new cpuset is empty and refuses every process until it is told what it may use.
            if (folder / name).exists() and hierarchy != root and not (folder / name).read_text().strip():
                (folder / name).write_text((hierarchy / name).read_text())
        if hierarchy == root:
            _delegate(root)


def _delegate(root: Path) -> None:
    """v2: let children of the root use every controller."""
    controllers = (root / "cgroup.controllers").read_text().split()
    for controller in controllers:
        with contextlib.suppress(OSError):
            (root / "cgroup.subtree_control").write_text(f"+{controller}")


def cgroup_folders(layout: Layout, root: Path = CGROUPS) -> Iterator[Path]:
    """All cgroups of the cluster, children before parents."""
    for hierarchy in hierarchies(root):
        for folder, _, _ in os.walk(hierarchy / cgroup_name(layout), topdown=False):
            yield Path(folder)


def members(folders: Iterable[Path]) -> set[int]:
    """Processes in these cgroups."""
    found: set[int] = set()
    for folder in folders:
        with contextlib.suppress(OSError):
            found.update(int(pid) for pid in (folder / "cgroup.procs").read_text().split())
    return found - {0}


def kill_pods(layout: Layout, *, seconds: float = 10) -> None:
    """End every process of every Pod: membership in our cgroup proves that it is ours."""
    deadline = time.monotonic() + seconds
    while pids := members(cgroup_folders(layout)):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            return
        time.sleep(0.05)


def remove_cgroups(layout: Layout, *, seconds: float = 5) -> None:
    """Remove the empty cgroups; the kernel frees members a moment after their end."""
    deadline = time.monotonic() + seconds
    while folders := list(cgroup_folders(layout)):
        for folder in folders:
            with contextlib.suppress(OSError):
                folder.rmdir()
        if time.monotonic() > deadline:
            return
        time.sleep(0.05)


def mounts_below(folders: Iterable[Path], mountinfo: str) -> list[str]:
    """Mount points inside (or at) these folders, newest first."""
    prefixes = [str(folder) for folder in folders]
    points = [line.split()[4].replace("\\040", " ") for line in mountinfo.splitlines()]
    return [point for point in reversed(points) if any(point == prefix or point.startswith(prefix + "/") for prefix in prefixes)]


def unmount(layout: Layout, runner: Runner) -> None:
    """Lazily unmount everything below the cluster's folders (kubelet's bind mount on itself, rootfs, shm, namespaces)."""
    for point in mounts_below((layout.state, layout.run), Path("/proc/self/mountinfo").read_text()):
        runner(["umount", "-l", point])


def remove_shim_sockets(layout: Layout) -> None:
    """Shims listen outside our folders; each bundle names its shim's socket."""
    for address in (layout.run / "containerd" / "io.containerd.runtime.v2.task").glob("*/*/address"):
        with contextlib.suppress(OSError):
            Path(address.read_text().removeprefix("unix://")).unlink()
