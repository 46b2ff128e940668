"""gVisor for the node. Its shim gives itself a better OOM score and ends when it may not (no CAP_SYS_RESOURCE, as in a container or
on some CI machines), so it is built against a copy of containerd's library in which that refusal is ignored. The copy is made in the
cache from the pinned module and never committed."""

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from devcluster import toolchain
from devcluster.errors import ClusterError
from devcluster.progress import Progress

MODULE = toolchain.GVISOR_SHIM_MODULE
SHIM = "containerd-shim-runsc-v1"
LIBRARY = "github.com/containerd/containerd/v2"
PATCHED_FILE = Path("pkg/sys/oom_linux.go")
BEFORE = "os.IsPermission(err) && (!runningPrivileged() || userns.RunningInUserNS())"
AFTER = "os.IsPermission(err) || (!runningPrivileged() && userns.RunningInUserNS())"


def available() -> bool:
    """Are both programs built?"""
    return toolchain.path_of("runsc").exists() and (toolchain.bin_dir() / SHIM).exists()


def ensure(progress: Progress) -> bool:
    """Build what is missing. A failure costs the RuntimeClass, not the cluster."""
    if available():
        return True
    try:
        toolchain.ensure(["runsc"], progress)
        with toolchain.build_lock(progress):
            if not available():
                progress.step(f"building {SHIM}")
                build_shim()
    except ClusterError as error:
        progress.step(f"no gVisor: RuntimeClass `gvisor` will be missing. {error}")
        return False
    return True


def patch(source: str) -> str:
    """Ignore a refused OOM score; an error when the library no longer looks as expected."""
    if source.count(BEFORE) != 1:
        raise ClusterError(f"{PATCHED_FILE} of {LIBRARY} has changed: adapt BEFORE and AFTER in devcluster/gvisor.py")
    return source.replace(BEFORE, AFTER)


def build_shim() -> None:
    """Copy the module's files and the library into a folder, patch, build, move into place."""
    target = toolchain.bin_dir()
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as name:
        folder = Path(name)
        for file in ("go.mod", "go.sum"):
            shutil.copy(MODULE / file, folder)
        library = folder / "containerd"
        shutil.copytree(_library_source(), library)
        patched = library / PATCHED_FILE
        for path in (patched.parent, patched):
            path.chmod(0o755)  # the module cache is read-only
        patched.write_text(patch(patched.read_text()))
        output = folder / SHIM
        argv = ["go", "build", "-trimpath", "-ldflags", "-s -w", "-o", str(output), "gvisor.dev/gvisor/shim"]
        try:
            toolchain.run_go(argv, cwd=folder, environ=toolchain.go_environment(), what=SHIM)
            output.rename(target / SHIM)
        finally:
            subprocess.run(["chmod", "-R", "u+w", str(library)], check=False)


def library_version(go_mod: str) -> str:
    """The version of containerd's library that gVisor is pinned to."""
    for line in go_mod.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == LIBRARY and words[1].startswith("v"):
            return words[1]
    raise ClusterError(f"{MODULE}/go.mod does not require {LIBRARY}: run `go mod tidy` there")


def _library_source() -> Path:
    version = library_version((MODULE / "go.mod").read_text())
    with tempfile.TemporaryDirectory() as elsewhere:  # outside the module: its replace line would hide the real one
        done = subprocess.run(
            ["go", "mod", "download", "-json", f"{LIBRARY}@{version}"],
            cwd=elsewhere,
            env=toolchain.go_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        raise ClusterError(f"downloading {LIBRARY}@{version} failed: {(done.stdout + done.stderr).strip()[-500:]}")
    return Path(json.loads(done.stdout)["Dir"])
