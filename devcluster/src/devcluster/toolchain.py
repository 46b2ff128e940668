"""Builds the cluster's programs from Go modules: once per user and pin, in a cache outside every checkout. A program appears under
its final name only when it is complete, and a lock keeps two checkouts from building at the same time."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from devcluster.errors import ClusterError
from devcluster.layout import user_cache
from devcluster.progress import Progress

MODULE = Path(__file__).parent / "tools"
GVISOR_SHIM_MODULE = Path(__file__).parent / "gvisor_shim"
KUBERNETES = "v1.35.4"
CONTAINERD = "v2.3.7"
GVISOR = "v0.0.0-20260905035102-160fafc42237"


@dataclass(frozen=True)
class Tool:
    """A Go program: with a version it is built on its own, without one it is pinned by the tools module."""

    name: str
    package: str
    version: str | None = None
    ldflags: str = "-s -w"


def _kubernetes(name: str) -> Tool:
    # Without the stamp the programs call themselves v0.0.0 and clients refuse or misread them.
    values = {
        "k8s.io/component-base/version.gitVersion": KUBERNETES,
        "k8s.io/component-base/version.gitMajor": KUBERNETES[1:].split(".")[0],
        "k8s.io/component-base/version.gitMinor": KUBERNETES.split(".")[1],
        "k8s.io/client-go/pkg/version.gitVersion": KUBERNETES,
    }
    stamp = " ".join(f"-X {key}={value}" for key, value in values.items())
    return Tool(name, f"k8s.io/kubernetes/cmd/{name}", ldflags=f"-s -w {stamp}")


_CONTAINERD_CMD = "github.com/containerd/containerd/v2/cmd"
TOOLS: tuple[Tool, ...] = (
    Tool("etcd", "go.etcd.io/etcd/server/v3"),
    *(_kubernetes(name) for name in ("kube-apiserver", "kube-controller-manager", "kubectl", "kube-scheduler", "kubelet", "kube-proxy")),
    *(Tool(name, f"{_CONTAINERD_CMD}/{name}", CONTAINERD) for name in ("containerd", "containerd-shim-runc-v2", "ctr")),
    Tool("coredns", "github.com/coredns/coredns", "v1.14.7"),
    Tool("metrics-server", "sigs.k8s.io/metrics-server/cmd/metrics-server", "v0.9.0"),
    Tool("helm", "helm.sh/helm/v4/cmd/helm", "v4.3.1"),
    Tool("runsc", "gvisor.dev/gvisor/runsc", GVISOR),
    Tool("kind", "sigs.k8s.io/kind", "v0.33.0"),
)
CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager", "kubectl")
# gVisor is optional and built on its own; kind is built only for its provider.
FULL = tuple(tool.name for tool in TOOLS if tool.name not in ("runsc", "kind"))


def tool(name: str) -> Tool:
    """The pinned tool of this name."""
    for candidate in TOOLS:
        if candidate.name == name:
            return candidate
    raise ClusterError(f"tool {name!r} is unknown: use one of {', '.join(t.name for t in TOOLS)}")


def pin_hash() -> str:
    """Changes whenever any pin or build flag changes."""
    digest = hashlib.sha256()
    for module in (MODULE, GVISOR_SHIM_MODULE):
        for name in ("go.mod", "go.sum"):
            digest.update((module / name).read_bytes())
    digest.update(repr(TOOLS).encode())
    return digest.hexdigest()[:12]


def bin_dir() -> Path:
    """Where the finished programs are."""
    return user_cache() / pin_hash() / "bin"


def path_of(name: str) -> Path:
    """Path of a built program."""
    return bin_dir() / tool(name).name


def missing(names: Iterable[str]) -> list[str]:
    """Programs that are not built yet."""
    return [name for name in names if not path_of(name).exists()]


def ensure(names: Iterable[str], progress: Progress) -> Path:
    """Build what is missing; returns the folder to put on PATH."""
    names = list(names)
    require_go(names)
    if missing(names):
        with build_lock(progress):
            todo = missing(names)
            if len(todo) == len(FULL):
                progress.step("building the cluster's programs from source, once per machine: about 12 minutes on two cores")
            for number, name in enumerate(todo, 1):
                progress.step(f"building {name} ({number} of {len(todo)})")
                _build(tool(name))
    return bin_dir()


@contextlib.contextmanager
def build_lock(progress: Progress) -> Iterator[None]:
    """One build at a time per user: they would only slow each other down."""
    user_cache().mkdir(parents=True, exist_ok=True)
    with (user_cache() / "build.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.step("another checkout is building the programs: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def go_environment() -> dict[str, str]:
    """The user's Go set-up (proxy, checksum database), but static programs and no flags from outside."""
    return {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false", "GOWORK": "off"}


def build_arguments(spec: Tool) -> list[str]:
    """The go command without its output option."""
    verb = "build" if spec.version is None else "install"
    target = spec.package if spec.version is None else f"{spec.package}@{spec.version}"
    return ["go", verb, "-trimpath", "-ldflags", spec.ldflags, target]


def _build(spec: Tool) -> None:
    bin_dir().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=bin_dir().parent) as folder:
        output = Path(folder) / spec.name
        argv = build_arguments(spec)
        environ = go_environment()
        if spec.version is None:
            argv[2:2] = ["-o", str(output)]
            run_go(argv, cwd=MODULE, environ=environ, what=spec.name)
        else:
            run_go(argv, cwd=Path(folder), environ={**environ, "GOBIN": folder}, what=spec.name)
        output.rename(bin_dir() / spec.name)


def run_go(argv: list[str], *, cwd: Path, environ: dict[str, str], what: str) -> None:
    """Run one go command at low priority; its last words go into the error."""
    done = subprocess.run(["nice", *argv], cwd=cwd, env=environ, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        tail = "\n".join(done.stderr.splitlines()[-15:])
        raise ClusterError(f"building {what} failed ({' '.join(argv[:2])} …):\n{tail}")


def require_go(names: Iterable[str]) -> None:
    """Say what to install when these programs are still to be built and nothing here can build them."""
    if missing(names) and shutil.which("go") is None:
        raise ClusterError("the cluster's programs are built from source: install Go 1.26 or newer (https://go.dev/dl) and put it on PATH")
