"""The two ways to build an image: a Docker engine where one answers, else buildah with base images of our own."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from scripts.images import bases, host
from scripts.images.catalogue import Base, Image

NEEDED = ("buildah", "mmdebstrap")
# Layers of earlier builds make the next one fast; beyond this many they are only old.
MAX_LAYERS = 300


class BuildFailed(Exception):
    """A build ended badly; the message holds the end of its output."""


def run(command: Sequence[str], log: Path) -> None:
    """Run one step; its output goes to the log, and the end of it into the error."""
    with log.open("a", encoding="utf-8") as sink:
        done = subprocess.run(command, stdout=sink, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-25:])
        raise BuildFailed(f"{command[0]} failed ({done.returncode}); the whole output is in {log}\n{tail}")


class Engine(Protocol):
    """What the build needs of an engine."""

    def base_id(self, base: Base) -> str:
        """Changes when an image built on this base would."""

    def open(self) -> None:
        """Before the first build, while nobody else builds in this cache."""

    def prepare(self, base: Base, log: Path) -> None:
        """Makes the base available."""

    def build(self, image: Image, context: Path, ref: str, archive: Path, log: Path) -> None:
        """Builds the staged context and writes a docker archive."""

    def close(self) -> None:
        """Gives back what the engine held."""


class Docker:
    """`docker build` and `docker save`; the Dockerfiles' own base images are pulled as usual."""

    def base_id(self, base: Base) -> str:
        return "docker"

    def open(self) -> None:
        return

    def prepare(self, base: Base, log: Path) -> None:
        return

    def build(self, image: Image, context: Path, ref: str, archive: Path, log: Path) -> None:
        run(["docker", "build", "--file", str(context / image.dockerfile), "--tag", ref, str(context)], log)
        run(["docker", "save", "--output", str(archive), ref], log)

    def close(self) -> None:
        return


class Buildah:
    """Rootless of any daemon: layers live in the user's cache, the host's package settings are mounted while building."""

    def __init__(self, cache: Path) -> None:
        self._scratch = cache / "scratch"
        driver = os.environ.get("STORAGE_DRIVER", "overlay" if os.geteuid() == 0 else "vfs")
        storage = ["--root", str(cache / "storage"), "--runroot", str(self._scratch / "run"), "--storage-driver", driver]
        self._buildah = ["buildah", *storage]
        self._mounts: list[host.Mount] | None = None

    def base_id(self, base: Base) -> str:
        return bases.base_ref(base)

    def open(self) -> None:
        # Run-time state in an empty folder: what a reboot or a killed build left behind is never trusted.
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._scratch.mkdir(mode=0o700, parents=True)
        layers = subprocess.run([*self._buildah, "images", "--all", "--quiet"], capture_output=True, text=True, check=False).stdout.split()
        if len(layers) > MAX_LAYERS:
            # Everything without a name: the bases have one and stay.
            subprocess.run([*self._buildah, "rmi", "--prune", "--force"], capture_output=True, check=False)

    def prepare(self, base: Base, log: Path) -> None:
        ref = bases.base_ref(base)
        known = subprocess.run([*self._buildah, "inspect", "--type", "image", ref], capture_output=True, check=False)
        if known.returncode == 0:
            return
        with tempfile.TemporaryDirectory(dir=self._scratch) as folder:
            run(bases.bootstrap_command(base, Path(folder, "base.tar")), log)
            Path(folder, "Dockerfile").write_text(bases.DOCKERFILE, encoding="utf-8")
            # No --timestamp here: bytecode of the standard library is only valid with the time stamps of its sources.
            run([*self._buildah, "bud", "--isolation", "chroot", "--tag", ref, folder], log)

    def build(self, image: Image, context: Path, ref: str, archive: Path, log: Path) -> None:
        # Built and pushed by identity: a name in the local store would travel into the archive as a second, moving tag.
        identity = self._scratch / f"{image.name}.id"
        command = [*self._buildah, "bud", "--layers", "--isolation", "chroot", "--network", "host", "--pull-never", "--timestamp", "0"]
        command += ["--build-arg", f"BASE_IMAGE={bases.base_ref(image.base)}", "--iidfile", str(identity)]
        for mount in self._borrowed():
            command += ["--volume", f"{mount.source}:{mount.target}:ro"]
        run([*command, "--file", str(context / image.dockerfile), str(context)], log)
        run([*self._buildah, "push", identity.read_text(encoding="utf-8").strip(), f"docker-archive:{archive}:{ref}"], log)

    def close(self) -> None:
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _borrowed(self) -> list[host.Mount]:
        if self._mounts is None:
            self._mounts = host.mounts(self._scratch)
        return self._mounts


def docker_answers() -> bool:
    """Is there an engine behind the docker command?"""
    if not shutil.which("docker"):
        return False
    try:
        done = subprocess.run(["docker", "version", "--format", "{{.Server.Version}}"], capture_output=True, timeout=10, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def install_missing() -> None:
    """Install buildah and mmdebstrap when allowed to; otherwise say what to install."""
    missing = [name for name in NEEDED if not shutil.which(name)]
    if not missing:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise SystemExit(f"No Docker engine answers. Start one, or install these packages: {' '.join(missing)}")
    print(f"installing {' '.join(missing)}", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update", "-q"], ["apt-get", "install", "-qy", "--no-install-recommends", *missing]):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def choose(cache: Path) -> Engine:
    """The engine of this machine; IMAGE_ENGINE=docker|buildah names one."""
    wanted = os.environ.get("IMAGE_ENGINE", "")
    if wanted not in ("", "docker", "buildah"):
        raise SystemExit(f"IMAGE_ENGINE={wanted}: choose docker or buildah, or leave it unset")
    if wanted == "docker" or (not wanted and docker_answers()):
        return Docker()
    return Buildah(cache)
