"""Row 4: a job fills the node's disk, or a memory file system without an end."""

from tests.attack.removals import CONTAINER, field
from tests.attack.vocabulary import Control, Isolation, Manifest, Removal, Row, Target

SCRATCH_MIB = 32
"""`diskLimit` of the stage."""
FILL = """
import os, stat
mounts = sorted((line.split()[1:3] for line in open("/proc/mounts")), key=lambda mount: -len(mount[0]))
def kind(path):
    return next(name for point, name in mounts if path == point or path.startswith(point.rstrip("/") + "/"))
def folder_of_the_job(path): return path.startswith("/work/")
def fill(path, own):
    written = 0
    try:
        with open(path, "wb") as file:
            while written < (params["mib"] if folder_of_the_job(path) else 4):
                file.write(b"x" * (1 << 18)); file.flush()
                written += 0.25
    except OSError:
        pass
    try:
        if own: os.unlink(path)
    except OSError:
        pass
    return written
places, looked = [], 0
for folder, folders, files in os.walk("/", topdown=True):
    if folder.startswith(("/proc", "/sys", "/usr", "/opt/app/lib")):
        folders.clear()
        continue
    looked += 1
    if os.access(folder, os.W_OK):
        places.append((folder + "/fill", True))
    for name in files:
        path = os.path.join(folder, name)
        try:
            if stat.S_ISREG(os.lstat(path).st_mode) and os.access(path, os.W_OK):
                places.append((path, False))
        except OSError:
            pass
found = [[path, kind(path), fill(path, own)] for path, own in places]
{"looked": looked, "found": [entry for entry in found if entry[2]]}
"""


async def fill(target: Target) -> str | None:
    """Everything that can be written to, until it is full."""
    facts = (await target.run(FILL, timeout_s=38, mib=SCRATCH_MIB + 8)).expect()
    assert facts["looked"] > 20, f"only {facts['looked']} folders were seen"
    assert any(path.startswith("/work") for path, _, _ in facts["found"]), "not even the scratch directory could be written to"
    over = [f"{mib} MiB in {path} ({kind})" for path, kind, mib in facts["found"] if not _is_bounded(path, kind, mib, target.isolation)]
    return ", ".join(over) or None


def _is_bounded(path: str, kind: str, mib: float, isolation: Isolation) -> bool:
    """Whether it is memory, which the Pod's limit bounds, and no more than its own size allows."""
    if path.startswith("/work/"):
        # gVisor shows the volume as its own kind of file system, whatever it is on the node.
        return mib <= SCRATCH_MIB and (kind == "tmpfs" or isolation == "gvisor")
    # gVisor adds a /tmp in its own memory.
    return kind == "tmpfs" and (path == "/dev/shm/fill" or (path == "/tmp/fill" and isolation == "gvisor"))


async def one_error(target: Target) -> str | None:
    """A full scratch directory is an error of the job."""
    outcome = await target.run("file = open('big', 'wb')\nwhile True: file.write(b'x' * 1_000_000)", timeout_s=38)
    return None if outcome.kind == "exception" and "No space left" in outcome.message else f"{outcome.kind}: {outcome.message}"


def _on_disk(pod: Manifest) -> None:
    del pod["spec"]["volumes"][0]["emptyDir"]["medium"]


ROW = Row(
    number=4,
    name="disk fill",
    attacks=(fill, one_error),
    controls=(
        Control(
            name="readOnlyRootFilesystem",
            off=Removal(name="root writable", pod=field(*CONTAINER, "securityContext", "readOnlyRootFilesystem")),
        ),
        Control(
            name="terminationMessagePath out of reach",
            off=Removal(name="the default terminationMessagePath", pod=field(*CONTAINER, "terminationMessagePath")),
        ),
        Control(name="emptyDir.sizeLimit", off=Removal(name="no sizeLimit", pod=field("spec", "volumes", 0, "emptyDir", "sizeLimit"))),
        Control(name="emptyDir.medium: Memory", off=Removal(name="scratch on disk", pod=_on_disk)),
    ),
)
