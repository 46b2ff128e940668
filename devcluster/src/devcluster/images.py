"""Images that the cluster itself needs, made from static programs without a builder."""

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from devcluster import oci
from devcluster.errors import ClusterError
from devcluster.layout import Layout, user_cache
from devcluster.node import PAUSE
from devcluster.provider import Runner, checked
from devcluster.toolchain import path_of, pin_hash

COREDNS = f"localhost/coredns:{pin_hash()}"
METRICS_SERVER = f"localhost/metrics-server:{pin_hash()}"
PAUSE_SOURCE = Path(__file__).parent / "pause" / "pause.c"


def archives() -> dict[str, Path]:
    """Reference -> archive, written at the first call and kept next to the programs they are made of."""
    folder = user_cache() / pin_hash() / "images"
    made = {}
    for reference, name in ((COREDNS, "coredns"), (METRICS_SERVER, "metrics-server"), (PAUSE, "pause")):
        path = folder / f"{name}.tar"
        if not path.exists():
            content = _pause() if name == "pause" else path_of(name).read_bytes()
            oci.write(oci.Image(reference, {f"/{name}": content}, (f"/{name}",)), path)
        made[reference] = path
    return made


def _pause() -> bytes:
    """The compiled pause program: static, so that the image needs nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "pause"
        argv = ["gcc", "-static", "-Os", "-s", "-o", str(output), str(PAUSE_SOURCE)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ClusterError(f"compiling the pause program failed: {done.stderr.strip()[-500:]}")
        return output.read_bytes()


def ctr(layout: Layout, *arguments: str) -> list[str]:
    """A command line of containerd's client, in the namespace that the kubelet sees."""
    return [str(path_of("ctr")), "--address", str(layout.containerd_socket), "--namespace", "k8s.io", *arguments]


def import_archives(layout: Layout, paths: Sequence[Path], runner: Runner) -> None:
    """Put images into containerd, where the kubelet looks for them."""
    for path in paths:
        if not path.is_file():
            raise ClusterError(f"image archive {path} does not exist: build it first (`make images`)")
        checked(runner, ctr(layout, "images", "import", "--local", str(path)))


def import_own(layout: Layout, runner: Runner) -> None:
    """The cluster's own images, as far as the kept image store lacks them."""
    present = set(checked(runner, ctr(layout, "images", "ls", "-q")).split())
    import_archives(layout, [path for reference, path in archives().items() if reference not in present], runner)
